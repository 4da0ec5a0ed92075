"""The bridges: OAuthProxy and OIDCProxy.

Owns how the pieces are put together, and no logic of its own. May import :mod:`vestibule.server`, :mod:`vestibule.resource` and what
lies below them.
"""
