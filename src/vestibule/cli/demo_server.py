"""The server that the demo protects: the official SDK's, with two tools."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp

from vestibule.resource.identity import get_access_token
from vestibule.verifiers.base import AuthProvider

__all__ = ["demo_app"]


def demo_app(auth: AuthProvider) -> ASGIApp:
    """The protected application: ``whoami`` for everyone signed in, ``delete_note`` for those with a further scope."""
    server = MCPServer("Notes", log_level="ERROR")  # the trace says what happens

    @server.tool()
    def whoami() -> dict[str, Any]:
        """Who is signed in, as the identity provider says."""
        caller = get_access_token()
        if caller is None:
            raise RuntimeError("nobody is signed in")
        return {"subject": caller.subject, "email": caller.claims.get("email"), "issuer": caller.claims.get("iss")}

    @server.tool()
    def delete_note(name: str) -> str:
        """Needs the scope notes:write."""
        return f"deleted {name}"

    return auth.protect(server.streamable_http_app(), "/mcp")
