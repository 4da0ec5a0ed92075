"""An MCP server whose users sign in at whatever OpenID provider the environment names.

    export VESTIBULE_OIDC_ISSUER=https://login.example.com VESTIBULE_OIDC_BASE_URL=http://localhost:8000
    export VESTIBULE_OIDC_CLIENT_ID=… VESTIBULE_OIDC_CLIENT_SECRET=…
    vestibule run any_provider.py --transport http --port 8000

docs/how-to/providers/oidc.md says what to set up at the provider. To change to another one, e.g. GitHub, change the import, the class and the
variables: `GitHubProvider` reads `VESTIBULE_GITHUB_CLIENT_ID` and so on.
"""

from typing import Any

from fastmcp import FastMCP

from vestibule import get_access_token
from vestibule.providers.oidc import OIDCProvider

mcp = FastMCP(name="Secured App", auth=OIDCProvider())


@mcp.tool
async def get_user_info() -> dict[str, Any]:
    """Who is signed in."""
    caller = get_access_token()
    return {"subject": caller.subject, "issuer": caller.claims.get("iss")} if caller else {}
