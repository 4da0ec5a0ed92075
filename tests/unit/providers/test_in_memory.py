"""InMemoryOAuthProvider: a whole login with nobody behind it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vestibule import auth_from_env, get_access_token
from vestibule.errors import ConfigurationError
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


def connect(provider: InMemoryOAuthProvider, **user: str) -> ScriptedClient:
    apps = {BASE: provider.protect(Starlette(routes=[Route("/mcp", answer, methods=["POST"])]))}
    return ScriptedClient(f"{BASE}/mcp", user=ScriptedUser(apps=apps, **user), apps=apps)


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[ScriptedClient]:
    async with connect(
        InMemoryOAuthProvider(BASE, user="carol", users={"dave": {"email": "d@x.example"}}, clock=clock)
    ) as opened:
        yield opened


def test_variables_are_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VESTIBULE_AUTH", "in_memory")
    monkeypatch.setenv("VESTIBULE_IN_MEMORY_BASE_URL", "http://localhost:9000")
    monkeypatch.setenv("VESTIBULE_IN_MEMORY_REQUIRED_SCOPES", "notes")
    auth = auth_from_env()
    assert isinstance(auth, InMemoryOAuthProvider)
    assert (auth.base_url, auth.required_scopes) == ("http://localhost:9000", ["notes"])
    assert InMemoryOAuthProvider(BASE).base_url == BASE
    monkeypatch.setenv("VESTIBULE_IN_MEMORY_BSAE_URL", "http://localhost:9000")
    with pytest.raises(ConfigurationError, match="Did you mean VESTIBULE_IN_MEMORY_BASE_URL"):
        auth_from_env()


def test_on_a_public_url_the_operator_is_warned(caplog: pytest.LogCaptureFixture) -> None:
    InMemoryOAuthProvider("https://mcp.example.com")
    assert "signs everybody in" in caplog.text
    caplog.clear()
    InMemoryOAuthProvider(BASE)
    assert "signs everybody in" not in caplog.text


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
