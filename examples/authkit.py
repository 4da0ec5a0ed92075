"""An MCP server behind WorkOS AuthKit, which registers MCP clients and signs users in itself.

    vestibule run authkit.py --transport http --port 8000

docs/how-to/providers/authkit.md says what to set up in the WorkOS dashboard.
"""

import os
from typing import Any

from fastmcp import FastMCP

from vestibule import get_access_token
from vestibule.providers.workos import AuthKitProvider

auth = AuthKitProvider(
    authkit_domain=os.environ.get("AUTHKIT_DOMAIN", "your-app.authkit.app"),
    base_url=os.environ.get("BASE_URL", "http://localhost:8000"),
)

mcp = FastMCP(name="AuthKit Secured App", auth=auth)


@mcp.tool
async def get_user_info() -> dict[str, Any]:
    """Who is signed in."""
    caller = get_access_token()
    return {"sub": caller.subject, "scopes": caller.scopes} if caller else {}
