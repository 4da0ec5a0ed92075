"""An MCP server whose users sign in at Auth0.

    AUTH0_CLIENT_SECRET=… vestibule run server.py --transport http --port 8000

Register http://localhost:8000/auth/callback as an Allowed Callback URL of the application in Auth0.
"""

import os
from typing import Any

from fastmcp import FastMCP

from vestibule import get_access_token
from vestibule.providers.auth0 import Auth0Provider

auth_provider = Auth0Provider(
    config_url=os.environ.get("AUTH0_CONFIG_URL", "https://YOUR-TENANT.auth0.com/.well-known/openid-configuration"),
    client_id=os.environ.get("AUTH0_CLIENT_ID", "YOUR-CLIENT-ID"),
    client_secret=os.environ["AUTH0_CLIENT_SECRET"],
    audience=os.environ.get("AUTH0_AUDIENCE", "https://YOUR-API"),  # Applications, APIs, API Audience
    base_url=os.environ.get("BASE_URL", "http://localhost:8000"),
)

mcp = FastMCP(name="Auth0 Secured App", auth=auth_provider)


@mcp.tool
async def get_token_info() -> dict[str, Any]:
    """What Auth0's token says."""
    token = get_access_token()
    if token is None:
        raise RuntimeError("nobody is signed in")
    return {"issuer": token.claims.get("iss"), "audience": token.claims.get("aud"), "scope": token.claims.get("scope")}
