"""The protected server of these tests: a FastMCP server behind a bridge, configured by the variable SETTINGS (JSON)."""

from __future__ import annotations

import json
import os
from typing import Any

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.dependencies import get_access_token as get_host_access_token
from starlette.applications import Starlette
from starlette.routing import Mount

from vestibule import OIDCProxy, get_access_token

SETTINGS = json.loads(os.environ["SETTINGS"])

provider = OIDCProxy(**SETTINGS["auth"])
mcp: FastMCP[Any] = FastMCP("interop", auth=provider)


@mcp.tool
def whoami() -> dict[str, Any]:
    """Who calls, as this package and as the host see it."""
    ours, theirs = get_access_token(), get_host_access_token()
    if ours is None or theirs is None:
        return {"error": "no access token"}
    return {
        "subject": ours.subject,
        "client_id": ours.client_id,
        "scopes": list(ours.scopes),
        "issuer": ours.claims.get("iss"),
        "host_client_id": theirs.client_id,
        "host_issuer": theirs.claims.get("iss"),
    }


@mcp.tool
def delete_note() -> str:
    """Needs the scope `email`, where tool_scopes say so."""
    return "deleted"


def application() -> Starlette:
    """At the root, or under a path as one of several servers on a host."""
    inner = mcp.http_app(path="/mcp")
    if not SETTINGS["mount"]:
        return inner
    routes = [*provider.get_well_known_routes(mcp_path="/mcp"), Mount(SETTINGS["mount"], inner)]
    return Starlette(routes=routes, lifespan=inner.lifespan)


if __name__ == "__main__":
    uvicorn.run(application(), host="127.0.0.1", port=SETTINGS["port"], log_level="info", **SETTINGS["tls"])
