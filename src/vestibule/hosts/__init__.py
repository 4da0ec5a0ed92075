"""The frameworks that carry a protected server.

Owns the glue to fastmcp, the official SDK and plain ASGI; the only importers of those packages. May import
:mod:`vestibule.providers`, :mod:`vestibule.proxy` and what lies below them.
"""
