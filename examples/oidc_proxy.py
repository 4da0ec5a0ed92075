"""An MCP server behind any OpenID provider, by its discovery document.

    pip install '.[fastmcp]'  # in a clone of this repository
    export OIDC_CONFIG_URL=https://login.example.com/.well-known/openid-configuration
    export OIDC_CLIENT_ID=… OIDC_CLIENT_SECRET=… BASE_URL=http://localhost:8000
    vestibule run oidc_proxy.py --transport http --port 8000

Register http://localhost:8000/auth/callback as a redirect URI at the provider.
"""

import os

from fastmcp import FastMCP

from vestibule import OIDCProxy

auth = OIDCProxy(
    config_url=os.environ["OIDC_CONFIG_URL"],
    client_id=os.environ["OIDC_CLIENT_ID"],
    client_secret=os.environ["OIDC_CLIENT_SECRET"],
    base_url=os.environ["BASE_URL"],
    # redirect_path="/custom/callback",  # default: /auth/callback
)

mcp = FastMCP(name="My Server", auth=auth)


@mcp.tool
def protected_tool(data: str) -> str:
    """Only for those who signed in."""
    return f"Processed: {data}"
