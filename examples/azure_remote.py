"""An MCP server that only checks tokens of Entra ID. Its clients get them there by themselves, with an app registration of their own.

    vestibule run azure_remote.py --transport http --port 8000

For clients that have to register first, use AzureProvider instead: Entra ID registers none.
"""

import os
from typing import Any

from fastmcp import FastMCP

from vestibule import RemoteAuthProvider, get_access_token
from vestibule.providers.azure import AzureJWTVerifier

AUTHORITY = os.environ.get("AZURE_AUTHORITY", "login.microsoftonline.com")
TENANT = os.environ.get("AZURE_TENANT_ID", "11111111-2222-3333-4444-555555555555")

verifier = AzureJWTVerifier(
    client_id=os.environ.get("AZURE_CLIENT_ID", "YOUR-APPLICATION-ID"),
    tenant_id=TENANT,
    required_scopes=["read"],
    base_authority=AUTHORITY,
)
auth = RemoteAuthProvider(
    token_verifier=verifier,
    authorization_servers=[f"https://{AUTHORITY}/{TENANT}/v2.0"],
    base_url=os.environ.get("BASE_URL", "http://localhost:8000"),
)

mcp = FastMCP(name="Entra ID Protected App", auth=auth)


@mcp.tool
async def get_user_info() -> dict[str, Any]:
    """Who calls, and with which application."""
    caller = get_access_token()
    return {"sub": caller.subject, "application": caller.client_id, "scopes": caller.scopes} if caller else {}
