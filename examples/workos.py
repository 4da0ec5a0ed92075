"""An MCP server whose users sign in at a WorkOS Connect application.

    WORKOS_CLIENT_SECRET=… vestibule run workos.py --transport http --port 8000

docs/how-to/providers/workos.md says what to set up in the WorkOS dashboard.
"""

import os
from typing import Any

from fastmcp import FastMCP

from vestibule import get_access_token
from vestibule.providers.workos import WorkOSProvider

auth = WorkOSProvider(
    client_id=os.environ.get("WORKOS_CLIENT_ID", "client_YOURS"),
    client_secret=os.environ["WORKOS_CLIENT_SECRET"],
    authkit_domain=os.environ.get("WORKOS_AUTHKIT_DOMAIN", "your-app.authkit.app"),
    base_url=os.environ.get("BASE_URL", "http://localhost:8000"),
)

mcp = FastMCP(name="WorkOS Secured App", auth=auth)


@mcp.tool
async def get_user_info() -> dict[str, Any]:
    """Who is signed in."""
    caller = get_access_token()
    claims = caller.claims if caller else {}
    return {name: claims.get(name) for name in ("sub", "email", "name")}
