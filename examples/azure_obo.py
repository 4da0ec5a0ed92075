"""A tool that reads the caller's profile from Microsoft Graph, on behalf of the caller.

    pip install '.[azure,fastmcp]'  # in a clone of this repository
    AZURE_CLIENT_SECRET=… vestibule run azure_obo.py --transport http --port 8000

docs/how-to/providers/azure.md says what to set up in the Azure portal.
"""

import os
from typing import Any

import httpx2
from fastmcp import FastMCP

from vestibule.providers.azure import AzureProvider, EntraOBOToken

GRAPH = os.environ.get("GRAPH_URL", "https://graph.microsoft.com")

auth = AzureProvider(
    client_id=os.environ.get("AZURE_CLIENT_ID", "YOUR-APPLICATION-ID"),
    client_secret=os.environ["AZURE_CLIENT_SECRET"],
    tenant_id=os.environ.get("AZURE_TENANT_ID", "YOUR-TENANT-ID"),
    base_authority=os.environ.get("AZURE_AUTHORITY", "login.microsoftonline.com"),
    base_url=os.environ.get("BASE_URL", "http://localhost:8000"),
    required_scopes=["read"],
    additional_authorize_scopes=["User.Read"],  # so that the user consents while signing in
)

mcp = FastMCP(name="Graph", auth=auth)


@mcp.tool
async def my_profile(graph_token: str = EntraOBOToken(["https://graph.microsoft.com/User.Read"])) -> dict[str, Any]:
    """The caller's profile in Microsoft Graph."""
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"{GRAPH}/v1.0/me", headers={"authorization": f"Bearer {graph_token}"})
        answer.raise_for_status()
        return dict(answer.json())
