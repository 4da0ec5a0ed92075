"""The life of a grant: one user's consent for one client at one resource.

Owns the record that every code and token hangs from, and the rules on it: issue, redeem, rotate, renew upstream, end. Each rule is
a function from a record to a record; :class:`~vestibule.grants.store.Grants` applies it with one compare-and-swap. May import
``clients``, ``upstream`` (values), ``storage``, ``keys``, ``protocol``; knows nothing of HTTP.
"""
