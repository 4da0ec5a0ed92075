"""The guard in front of the protected MCP endpoint.

Owns bearer checks per request, challenges and step-up, as pure ASGI. May import :mod:`vestibule.grants` and what lies below it.
"""
