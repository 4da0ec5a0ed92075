"""People sign in at the configured provider; machines bring JWTs of their own issuer, or an API key.

vestibule run machines_and_people.py
"""

import os

from fastmcp import FastMCP

from vestibule import JWTVerifier, MultiAuth, StaticTokenVerifier, auth_from_env, get_access_token

auth = MultiAuth(
    server=auth_from_env(),
    verifiers={
        "jobs": JWTVerifier(
            jwks_uri=os.environ.get("JOBS_JWKS_URI", "https://jobs.example.com/jwks.json"),
            issuer="https://jobs.example.com",
            audience="notes",
        ),
        "keys": StaticTokenVerifier({os.environ["NIGHTLY_KEY"]: {"client_id": "nightly", "scopes": ["read"]}}),
    },
)
mcp = FastMCP("Notes", auth=auth)


@mcp.tool
def whoami() -> str:
    """Who calls, and by which way."""
    caller = get_access_token()
    return f"{caller.client_id} by {caller.claims['auth_source']}" if caller else "nobody"
