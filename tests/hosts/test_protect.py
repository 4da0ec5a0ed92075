"""`provider.protect(app)`: what is around the guarded path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from vestibule import get_access_token
from vestibule.providers.in_memory import InMemoryOAuthProvider
from vestibule.testing import LoopbackServer

pytestmark = pytest.mark.anyio


async def say(request: Request) -> Response:
    caller = get_access_token()
    return PlainTextResponse(f"{caller.subject if caller else 'nobody'} at {request.url.path}")


@asynccontextmanager
async def served(events: list[str]) -> AsyncIterator[httpx2.AsyncClient]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        events.append("started")
        yield
        events.append("stopped")

    paths = ("/mcp", "/mcp/more", "/health", "/mcpx")
    app = Starlette(routes=[Route(path, say) for path in paths], lifespan=lifespan)
    protected = InMemoryOAuthProvider("http://127.0.0.1:8000").protect(app)
    with LoopbackServer(protected) as server:
        async with httpx2.AsyncClient(base_url=server.url, trust_env=False) as http:
            yield http


async def test_the_lifespan_of_the_application_runs() -> None:
    events: list[str] = []
    async with served(events):
        assert events == ["started"]
    assert events == ["started", "stopped"]


@pytest.mark.parametrize("path", ["/mcp", "/mcp/more", "/mcp/%2e%2e/mcp", "//mcp", "/MCP", "/mcp//more", "/x/../mcp"])
async def test_the_path_and_all_below_it_are_guarded_however_they_are_written(path: str) -> None:
    async with served([]) as http:
        url = httpx2.URL(str(http.base_url)).copy_with(raw_path=path.encode())
        assert (await http.get(url)).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/mcpx"])
async def test_everything_else_is_open_and_has_no_caller(path: str) -> None:
    async with served([]) as http:
        answer = await http.get(path)
        assert answer.text == f"nobody at {path}"


async def test_the_providers_own_routes_are_beside_it() -> None:
    async with served([]) as http:
        assert (await http.get("/.well-known/oauth-authorization-server")).json()["issuer"] == "http://127.0.0.1:8000"
