"""An MCP server whose users sign in at Entra ID (Azure AD) and consent to scopes of Microsoft Graph on the way.

    AZURE_CLIENT_SECRET=… vestibule run azure_graph.py --transport http --port 8000

docs/how-to/providers/azure.md says what to set up in the Azure portal.
"""

import os
from typing import Any

from fastmcp import FastMCP

from vestibule import get_access_token
from vestibule.providers.azure import AzureProvider

auth = AzureProvider(
    client_id=os.environ.get("AZURE_CLIENT_ID", "YOUR-APPLICATION-ID"),
    client_secret=os.environ["AZURE_CLIENT_SECRET"],
    tenant_id=os.environ.get("AZURE_TENANT_ID", "YOUR-TENANT-ID"),
    base_authority=os.environ.get("AZURE_AUTHORITY", "login.microsoftonline.com"),
    base_url=os.environ.get("BASE_URL", "http://localhost:8000"),
    required_scopes=["read"],  # of your own API: demanded of every token
    additional_authorize_scopes=["User.Read", "Mail.Read"],  # of Graph: consented to, for tokens on behalf of the user
)

mcp = FastMCP(name="Entra ID Secured App", auth=auth)


@mcp.tool
async def get_user_info() -> dict[str, Any]:
    """Who is signed in, as Entra ID tells it."""
    caller = get_access_token()
    claims = caller.claims if caller else {}
    return {name: claims.get(name) for name in ("sub", "name", "preferred_username", "tid", "scp")}
