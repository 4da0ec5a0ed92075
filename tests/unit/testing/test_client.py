"""The scripted client against a real hall and the development provider."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from vestibule.proxy.oidc_proxy import OIDCProxy
from vestibule.storage.memory import MemoryStore
from vestibule.testing import DevelopmentProvider, LoopbackServer, ScriptedClient, ScriptedUser
from vestibule.testing.failures import CallRefused, StepFailed

pytestmark = pytest.mark.anyio

BASE = "http://127.0.0.1:8000"


async def mcp(request: Request) -> Response:
    """An MCP server whose one tool echoes; it answers as a stream, or as JSON to who asks for that tool."""
    message = await request.json()
    if "id" not in message:
        return Response(status_code=202)
    answer = {"jsonrpc": "2.0", "id": message["id"], "result": {"echo": message["params"].get("arguments")}}
    if message["params"].get("name") != "stream":
        return JSONResponse(answer, headers={"mcp-session-id": "s"})
    assert request.headers["mcp-session-id"] == "s"
    content = f"event: message\ndata: {JSONResponse(answer).body.decode()}\n\n"
    return PlainTextResponse(content, media_type="text/event-stream")


@pytest.fixture
def provider() -> Iterator[DevelopmentProvider]:
    with DevelopmentProvider() as running:
        yield running


@pytest.fixture
def hall(provider: DevelopmentProvider) -> object:
    auth = OIDCProxy(
        config_url=provider.config_url,
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        base_url=BASE,
        client_storage=MemoryStore(),
        jwt_signing_key="0b6f9f2f7f3a4f53a1f3c1f5b7d9e0a2",
    )
    return auth.protect(Starlette(routes=[*auth.get_routes("/mcp"), Route("/mcp", mcp, methods=["POST"])]))


@pytest.mark.parametrize("auth_method", ["none", "client_secret_basic", "client_secret_post"])
async def test_every_step(hall: object, auth_method: str) -> None:
    async with ScriptedClient(f"{BASE}/mcp", auth_method=auth_method, apps={BASE: hall}) as client:
        first = await client.login()
        assert ("client_secret" in client.registration) == (auth_method != "none")
        assert await client.call_tool("json", {"a": 1}) == {"echo": {"a": 1}}
        assert await client.call_tool("stream", {"b": 2}) == {"echo": {"b": 2}}
        assert (await client.refresh())["refresh_token"] != first["refresh_token"]
        await client.revoke()
        with pytest.raises(StepFailed, match="invalid_grant") as failure:
            await client.refresh()
        assert (failure.value.step, failure.value.status) == ("refresh", 400)


async def test_call_without_a_token_is_refused_with_a_challenge(hall: object) -> None:
    async with ScriptedClient(f"{BASE}/mcp", apps={BASE: hall}) as client:
        with pytest.raises(CallRefused) as refusal:
            await client.call_tool("json")
    assert refusal.value.status == 401
    assert "resource_metadata" in refusal.value.challenge


async def test_denied_consent_comes_back_as_an_error(hall: object) -> None:
    apps = {BASE: hall}
    async with ScriptedClient(f"{BASE}/mcp", user=ScriptedUser(decision="deny", apps=apps), apps=apps) as client:
        with pytest.raises(StepFailed, match="access_denied"):
            await client.login()


@pytest.mark.parametrize(("changed", "message"), [("state", "state is another one"), ("iss", "iss is another one")])
async def test_answers_of_somebody_else_are_not_taken(hall: object, changed: str, message: str) -> None:
    async with ScriptedClient(f"{BASE}/mcp", apps={BASE: hall}) as client:
        await client.discover()
        await client.register()
        attempt = client.start()
        answer = {"state": attempt.state, "iss": client.server["issuer"], "code": "c", changed: "x"}
        query = "&".join(f"{name}={value}" for name, value in answer.items())
        with pytest.raises(StepFailed, match=message):
            client.finish(attempt, f"{client.redirect_uri}?{query}")


async def test_loopback_server_serves_and_frees_its_port() -> None:
    async def hello(request: Request) -> Response:
        return PlainTextResponse("hello")

    with LoopbackServer(Starlette(routes=[Route("/", hello)])) as server:
        async with ScriptedUser() as user:
            assert await user.visit(f"{server.url}/") == f"{server.url}/"
        assert user.pages[0].html == "hello"
        port = server.port
    LoopbackServer(Starlette(), port=port).stop()


async def test_loopback_server_tells_that_its_app_does_not_start() -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise OSError("no database")
        yield

    with pytest.raises(RuntimeError, match="did not start"):
        LoopbackServer(Starlette(lifespan=lifespan)).start()
