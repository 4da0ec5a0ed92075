"""InMemoryOAuthProvider: a whole login with nobody behind it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vestibule import get_access_token
from vestibule.providers.in_memory import InMemoryOAuthProvider
from vestibule.testing import FakeClock, ScriptedClient, ScriptedUser
from vestibule.testing.failures import CallRefused

pytestmark = pytest.mark.anyio

BASE = "http://127.0.0.1:8000"


async def answer(request: Request) -> Response:
    caller = get_access_token()
    assert caller is not None
    text = json.dumps({"subject": caller.subject, "token": caller.token, "claims": caller.claims})
    message = await request.json()
    return JSONResponse({"jsonrpc": "2.0", "id": message.get("id"), "result": {"text": text}})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def connect(provider: InMemoryOAuthProvider, **user: str) -> ScriptedClient:
    apps = {BASE: provider.protect(Starlette(routes=[Route("/mcp", answer, methods=["POST"])]))}
    return ScriptedClient(f"{BASE}/mcp", user=ScriptedUser(apps=apps, **user), apps=apps)


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[ScriptedClient]:
    async with connect(
        InMemoryOAuthProvider(BASE, user="carol", users={"dave": {"email": "d@x.example"}}, clock=clock)
    ) as opened:
        yield opened


async def caller(client: ScriptedClient) -> dict[str, object]:
    return json.loads((await client.call_tool("any"))["text"])


async def test_everybody_is_signed_in_at_once_without_a_page(client: ScriptedClient) -> None:
    await client.login()
    assert (await caller(client))["subject"] == "carol"
    assert client.user.pages == []


async def test_a_login_hint_chooses_the_user(client: ScriptedClient) -> None:
    await client.discover()
    await client.register()
    attempt = client.start(login_hint="dave")
    returned_to = await client.user.visit(attempt.url, client.redirect_uri)
    await client.exchange(client.finish(attempt, returned_to), attempt)
    seen = await caller(client)
    assert seen["claims"] == {"iss": BASE, "sub": "dave", "email": "d@x.example", "scope": ""}


async def test_the_session_outlives_its_tokens_by_refreshing(client: ScriptedClient, clock: FakeClock) -> None:
    await client.login()
    before = await caller(client)
    clock.advance(3601)
    with pytest.raises(CallRefused):
        await client.call_tool("any")
    await client.refresh()
    after = await caller(client)
    assert after["subject"] == "carol"
    assert after["token"] != before["token"]


async def test_revocation_ends_it(client: ScriptedClient) -> None:
    await client.login()
    await client.revoke()
    with pytest.raises(CallRefused):
        await client.call_tool("any")


@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_consent_can_be_asked_for(decision: str) -> None:
    async with connect(InMemoryOAuthProvider(BASE, require_authorization_consent=True), decision=decision) as client:
        if decision == "approve":
            await client.login()
            assert (await caller(client))["subject"] == "user"
        else:
            with pytest.raises(AssertionError, match="access_denied"):
                await client.login()
        assert len(client.user.pages) >= 1
