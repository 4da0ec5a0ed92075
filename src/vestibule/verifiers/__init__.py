"""From a presented token to an :class:`~vestibule.tokens.AccessToken` or a reason.

Owns the checks of tokens that this server did not issue: by signature, by introspection, by userinfo, from a list. May import
:mod:`vestibule.net` and what lies below it.
"""
