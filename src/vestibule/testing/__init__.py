"""What users need to test their own servers: a development identity provider, a scripted MCP client, a clock that can be moved.

Owns stand-ins for the outside world; refuses to run on a public URL. May import everything else but :mod:`vestibule.cli`.
"""
