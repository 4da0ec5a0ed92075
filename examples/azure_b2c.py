"""An MCP server whose users sign in at Azure AD B2C.

    B2C_CLIENT_SECRET=… vestibule run azure_b2c.py --transport http --port 8000

docs/how-to/providers/azure-b2c.md says what to set up in the Azure portal.
"""

import os
from typing import Any

from fastmcp import FastMCP

from vestibule import get_access_token
from vestibule.providers.azure import AzureProvider

auth = AzureProvider.from_b2c(
    tenant_name=os.environ.get("B2C_TENANT", "yourtenant"),  # without .onmicrosoft.com
    policy_name=os.environ.get("B2C_POLICY", "B2C_1_susi"),
    client_id=os.environ.get("B2C_CLIENT_ID", "YOUR-APPLICATION-ID"),
    client_secret=os.environ["B2C_CLIENT_SECRET"],
    required_scopes=["read"],
    base_url=os.environ.get("BASE_URL", "http://localhost:8000"),
    custom_domain=os.environ.get("B2C_DOMAIN"),  # only if you have one
)

mcp = FastMCP(name="B2C Secured App", auth=auth)


@mcp.tool
async def get_user_info() -> dict[str, Any]:
    """Who is signed in, and by which policy."""
    caller = get_access_token()
    claims = caller.claims if caller else {}
    return {name: claims.get(name) for name in ("sub", "name", "iss", "tfp")}
