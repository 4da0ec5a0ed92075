"""The guard in front of the protected MCP endpoint.

Owns the checks on every request to the resource: host, origin, bearer token, scopes, step-up, and the challenge that answers what
fails. Pure ASGI; asks one thing of whoever is behind it: is this token good? May import ``protocol``, ``keys`` and what is below them.
"""
