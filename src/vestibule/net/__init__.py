"""Everything that leaves this server.

Owns the one outbound HTTP client, the guard over which addresses may be fetched, and caches of what was fetched. May import
:mod:`vestibule.storage`, :mod:`vestibule.keys`, :mod:`vestibule.protocol` and what lies below them.
"""
