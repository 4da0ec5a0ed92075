"""A protected server on one of the hosts, as a program: `python server.py KIND PORT`.

Runs with whichever versions its interpreter has, so that the same tests meet them all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from vestibule import get_access_token, require_scopes
from vestibule.providers.in_memory import InMemoryOAuthProvider

NEEDED = {"wipe": ["admin", "audit"], "resource:secret://*": ["audit"], "prompt:ask": ["audit"]}


def provider(base_url: str, **options: Any) -> InMemoryOAuthProvider:
    return InMemoryOAuthProvider(
        base_url,
        required_scopes=["read"],
        valid_scopes=["admin", "audit", "root"],
        scope_hierarchy={"root": ["admin", "audit"]},
        users={"alice": {"groups": ["staff"]}},
        **options,
    )


# --- the tools ----------------------------------------------------------------------------------------------------------------


class Tools:
    """What every host offers. Results are text, as all hosts hand that on unchanged.

    Args:
        host_token: the host's own ``get_access_token``.
    """

    def __init__(self, host_token: Callable[[], Any]) -> None:
        self._host_token = host_token
        self._present = 0
        self._complete: anyio.Event | None = None

    async def who(self) -> str:
        """The caller as Vestibule and as the host sees it."""
        ours, host = get_access_token(), self._host_token()
        assert ours is not None
        return json.dumps(
            {
                "ours": {"token": ours.token, "subject": ours.subject, "scopes": ours.scopes, "claims": ours.claims},
                "host": {"token": host.token, "subject": host.subject, "scopes": host.scopes, "claims": host.claims},
                "class": f"{type(host).__module__}.{type(host).__name__}",
            }
        )

    async def spoil(self) -> str:
        """What a careless tool does."""
        for token in (get_access_token(), self._host_token()):
            token.claims["sub"] = "mallory"
            token.claims["groups"].append("admins")
            token.scopes.append("admin")
        return "spoilt"

    async def meet(self) -> str:
        """Everybody waits until two are there, and leaves as who they came."""
        self._complete = self._complete or anyio.Event()
        before = self._host_token().subject
        self._present += 1
        if self._present == 2:
            self._complete.set()
        with anyio.fail_after(20):
            await self._complete.wait()
        ours = get_access_token()
        assert ours is not None
        return json.dumps([before, self._host_token().subject, ours.subject])

    async def wipe(self) -> str:
        return "wiped"

    async def shelf(self) -> str:
        return "the secret shelf"

    async def book(self, book: str) -> str:
        return f"the secret {book}"

    async def ask(self) -> str:
        return "asked"


# --- the hosts ----------------------------------------------------------------------------------------------------------------


def add_tools(server: Any, tools: Tools, protect: Callable[..., dict[str, Any]]) -> None:
    """By the decorators that FastMCP and the SDK share; `protect` gives what a host's decorator takes to protect a component."""
    server.tool()(tools.who)
    server.tool()(tools.spoil)
    server.tool()(tools.meet)
    server.tool(**protect("admin", "audit"))(tools.wipe)
    server.resource("secret://shelf", **protect("audit"))(tools.shelf)
    server.resource("secret://shelf/{book}", **protect("audit"))(tools.book)
    server.prompt(**protect("audit"))(tools.ask)


def fastmcp_server(auth: InMemoryOAuthProvider | None) -> Any:
    from fastmcp import FastMCP
    from fastmcp.server.dependencies import get_access_token as host_token

    server = FastMCP("hosts", auth=auth)
    tools = Tools(host_token)
    add_tools(server, tools, lambda *scopes: {"auth": require_scopes(*scopes)})
    below = FastMCP("below")
    server.mount(below, "below")
    below.tool(auth=require_scopes("audit"))(tools.wipe)  # added after it was mounted
    return server


def on_fastmcp(base_url: str) -> ASGIApp:
    return fastmcp_server(provider(base_url)).http_app()


def on_fastmcp_mounted(base_url: str) -> ASGIApp:
    """As people mount it: below a prefix, with the well-known documents at the root."""
    auth = provider(f"{base_url}/api")
    inner = fastmcp_server(auth).http_app()
    return Starlette(routes=[*auth.get_well_known_routes("/mcp"), Mount("/api", inner)], lifespan=inner.lifespan)


def on_fastmcp_protected(base_url: str) -> ASGIApp:
    """Without FastMCP's own auth: the guard is outside, and the components' scopes count all the same."""
    return provider(base_url).protect(fastmcp_server(None).http_app())


def on_sdk(base_url: str) -> ASGIApp:
    from mcp.server.auth.middleware.auth_context import get_access_token as host_token

    try:
        from mcp.server.mcpserver import MCPServer as Server
    except ImportError:
        from mcp.server.fastmcp import FastMCP as Server

    server = Server("hosts")
    add_tools(server, Tools(host_token), lambda *scopes: {})
    return provider(base_url, tool_scopes=NEEDED).protect(server.streamable_http_app())


def on_starlette(base_url: str) -> ASGIApp:
    """No MCP server at all, only enough JSON-RPC to be called."""

    tools = Tools(get_access_token)

    async def call(request: Request) -> Response:
        message = await request.json()
        text = await getattr(tools, message["params"]["name"])() if message["method"] == "tools/call" else ""
        return JSONResponse(
            {"jsonrpc": "2.0", "id": message.get("id"), "result": {"content": [{"type": "text", "text": text}]}}
        )

    return provider(base_url, tool_scopes=NEEDED).protect(Starlette(routes=[Route("/mcp", call, methods=["POST"])]))


KINDS: dict[str, Callable[[str], ASGIApp]] = {
    "fastmcp": on_fastmcp,
    "fastmcp-mounted": on_fastmcp_mounted,
    "fastmcp-protected": on_fastmcp_protected,
    "sdk": on_sdk,
    "starlette": on_starlette,
}


if __name__ == "__main__":
    kind, port = sys.argv[1], int(sys.argv[2])
    uvicorn.run(KINDS[kind](f"http://127.0.0.1:{port}"), port=port, log_level="warning", timeout_graceful_shutdown=1)
