"""Refreshing (RFC 6749 §6, OAuth 2.1 §4.3), ours and the provider's behind it."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, Stage, call_status, lacks

from vestibule.storage.memory import MemoryStore
from vestibule.storage.sqlite import SQLiteStore
from vestibule.testing import FakeClock, ScriptedClient
from vestibule.testing.client import CallRefused, StepFailed

pytestmark = pytest.mark.anyio

TOKEN = f"{BASE}/token"
HOUR, DAY = 3600, 86_400


@pytest.fixture
async def client(stage: Stage) -> ScriptedClient:
    return await stage.signed_in()


async def refused(client: ScriptedClient, token: str | None = None, **extra: str) -> tuple[int, str]:
    """Status and error of a refresh."""
    token = token or client.tokens["refresh_token"]
    answer = await client.post_form(TOKEN, {"grant_type": "refresh_token", "refresh_token": token, **extra})
    return answer.status_code, answer.json().get("error", "")


# --- the decision table -----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RF-02")
async def test_every_refresh_gives_a_new_token(client: ScriptedClient):
    seen = [client.tokens["refresh_token"]]
    for _ in range(3):
        seen.append((await client.refresh())["refresh_token"])
        assert await call_status(client) == 200
    assert len(set(seen)) == 4


@pytest.mark.spec("RF-08")
async def test_the_one_before_gets_the_same_successor_again(stage: Stage, client: ScriptedClient):
    first = client.tokens["refresh_token"]
    successor = (await client.refresh())["refresh_token"]
    stage.clock.advance(59)
    again = await client.refresh(refresh_token=first)
    assert again["refresh_token"] == successor
    assert await call_status(client) == 200


@pytest.mark.spec("RF-02", "RF-03", "RF-04")
async def test_the_one_before_ends_the_session_when_it_comes_too_late(stage: Stage, client: ScriptedClient):
    first = client.tokens["refresh_token"]
    await client.refresh()
    stage.clock.advance(61)
    assert await refused(client, first) == (400, "invalid_grant")
    assert await refused(client) == (400, "invalid_grant")
    assert await call_status(client) == 401
    assert {"reused", "revoked"} <= set(stage.names())


@pytest.mark.spec("RF-03", "RF-04")
async def test_an_older_one_ends_the_session(stage: Stage, client: ScriptedClient):
    first = client.tokens["refresh_token"]
    await client.refresh()
    await client.refresh()
    assert await call_status(client) == 200
    assert await refused(client, first) == (400, "invalid_grant")
    assert await refused(client) == (400, "invalid_grant")
    assert await call_status(client) == 401
    assert "refresh_reused" in stage.reasons()


@pytest.mark.spec("RF-03")
async def test_answering_the_one_before_has_a_count(client: ScriptedClient):
    first = client.tokens["refresh_token"]
    await client.refresh()
    for _ in range(100):
        assert await refused(client, first) == (200, "")
    assert await refused(client, first) == (400, "invalid_grant")
    assert await call_status(client) == 401


async def test_a_store_that_lost_writes_is_not_taken_for_theft(clock: FakeClock, staged: SetStage):
    store = MemoryStore(clock)
    stage = await staged(store=store)
    client = await stage.signed_in()
    before = dict(store._records)
    newer = (await client.refresh())["refresh_token"]
    older = client.tokens["refresh_token"]
    store._records.update(before)
    assert await refused(client, newer) == (400, "invalid_grant")
    assert older == newer
    assert "reused" not in stage.names()
    assert "revoked" not in stage.names()


@pytest.mark.spec("RF-08")
async def test_many_at_once_get_one_answer(stage: Stage, client: ScriptedClient):
    token = client.tokens["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client.registration["client_id"]}
    answers = await asyncio.gather(*(client.http.post(TOKEN, data=form) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    for answer in answers:
        assert await call_status(client, answer.json()["access_token"]) == 200


@pytest.mark.spec("RF-01")
async def test_a_token_of_another_client(stage: Stage, client: ScriptedClient):
    other = await stage.registered("bob")
    assert await refused(other, client.tokens["refresh_token"]) == (400, "invalid_grant")
    assert await refused(client) == (200, "")


@pytest.mark.spec("RS-08", "TK-13")
@pytest.mark.parametrize("token", ["vsr_", "garbage", "vsr_" + "A" * 91, "ü"])
async def test_a_token_that_was_never_ours(stage: Stage, client: ScriptedClient, token: str):
    stage.store.calls.clear()
    assert await refused(client, token) == (400, "invalid_grant")
    assert stage.store.calls == []


async def test_a_changed_character_makes_it_another_token(client: ScriptedClient):
    token = client.tokens["refresh_token"]
    for index in (5, 30, 60, len(token) - 1):
        changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        assert await refused(client, changed) == (400, "invalid_grant")
    assert await refused(client) == (200, "")


# --- scopes and resource ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def wide(staged: SetStage) -> ScriptedClient:
    stage = await staged(valid_scopes=["read", "write"], tool_scopes={"danger": ["write"]})
    return await stage.signed_in(scope="openid read write")


@pytest.mark.spec("RF-05")
async def test_scopes_do_not_grow(wide: ScriptedClient):
    for scope in ("openid admin", "openid read write offline_access"):
        assert await refused(wide, scope=scope) == (400, "invalid_scope")
    assert (await wide.refresh())["scope"] == "openid read write"


@pytest.mark.spec("RF-06", "RF-07", "PX-12", "TK-02")
async def test_narrowing_holds_at_the_resource_and_for_that_token_only(wide: ScriptedClient):
    assert (await wide.refresh(scope="openid read"))["scope"] == "openid read"
    assert (await wide.call_tool("whoami"))["scopes"] == ["openid", "read"]
    with pytest.raises(CallRefused) as refusal:
        await wide.call_tool("danger")
    assert refusal.value.status == 403
    assert 'error="insufficient_scope"' in refusal.value.challenge
    assert (await wide.refresh())["scope"] == "openid read write"
    assert (await wide.call_tool("danger"))["scopes"] == ["openid", "read", "write"]


@pytest.mark.spec("RF-09")
async def test_the_resource_stays_the_same(stage: Stage, client: ScriptedClient):
    assert await refused(client, resource="https://other.example/mcp") == (400, "invalid_target")
    assert await refused(client, resource="nonsense") == (400, "invalid_target")
    assert await refused(client, resource=stage.resource) == (200, "")


# --- time -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RF-10")
async def test_a_session_that_nobody_uses_ends(stage: Stage, client: ScriptedClient):
    stage.clock.advance(29 * DAY)
    assert await refused(client) == (200, "")
    await client.refresh()
    stage.clock.advance(29 * DAY)
    await client.refresh()
    stage.clock.advance(30 * DAY + 1)
    assert await refused(client) == (400, "invalid_grant")


@pytest.mark.spec("RS-12")
async def test_an_access_token_ends_and_a_refresh_brings_the_next(stage: Stage, client: ScriptedClient):
    stage.clock.advance(HOUR - 1)
    assert await call_status(client) == 200
    stage.clock.advance(2)
    assert await call_status(client) == 401
    await client.refresh()
    assert await call_status(client) == 200


# --- the provider behind it -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def short(staged: SetStage) -> Stage:
    """The provider's tokens live for a minute."""
    return await staged(provider={"access_token_seconds": 60})


def renewals(stage: Stage) -> int:
    """How often the provider was asked for new tokens."""
    return sum(request.parameters["grant_type"] == "refresh_token" for request in stage.provider.requests_to("token"))


async def test_the_provider_is_asked_only_when_its_own_token_ended(short: Stage):
    client = await short.signed_in()
    for _ in range(3):
        await client.refresh()
    assert renewals(short) == 0
    short.clock.advance(61)
    await client.refresh()
    assert renewals(short) == 1
    assert "upstream_refreshed" in short.names()


@pytest.mark.spec("PX-13")
async def test_many_calls_at_its_end_ask_the_provider_once(short: Stage):
    client = await short.signed_in()
    before = (await client.call_tool("whoami"))["token"]
    short.clock.advance(61)
    assert await asyncio.gather(*(call_status(client) for _ in range(20))) == [200] * 20
    assert renewals(short) == 1
    assert (await client.call_tool("whoami"))["token"] != before


async def test_claims_follow_the_provider(short: Stage):
    client = await short.signed_in()
    short.provider.faults.id_token_claims(email="alice@new.example")
    short.clock.advance(61)
    assert (await client.call_tool("whoami"))["claims"]["email"] == "alice@new.example"


@pytest.mark.parametrize("trouble", ["fail", "temporarily_unavailable", "jwks"])
async def test_a_provider_that_is_down_ends_nothing(short: Stage, trouble: str):
    client = await short.signed_in()
    faults = short.provider.faults
    short.clock.advance(61 if trouble != "jwks" else 3 * DAY)
    if trouble == "fail":
        faults.fail("token", 502, times=None, retry_after=9)
    elif trouble == "jwks":
        faults.fail("jwks", times=None)
    else:
        faults.error("token", trouble, times=None)
    answer = await client.post_form(TOKEN, {"grant_type": "refresh_token", "refresh_token": client.tokens["refresh_token"]})
    assert answer.status_code == 503
    assert answer.json()["error"] == "temporarily_unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert await call_status(client) in (401, 503)  # 401 where our own access token is over by now, too
    assert "revoked" not in short.names()
    faults.clear()
    short.clock.advance(31)
    await client.refresh()
    assert await call_status(client) == 200


@pytest.mark.spec("PX-14")
async def test_a_user_who_was_disabled_is_out(short: Stage):
    client = await short.signed_in()
    short.provider.faults.user_disabled("alice")
    assert await call_status(client) == 200
    short.clock.advance(61)
    assert await refused(client) == (400, "invalid_grant")
    assert await call_status(client) == 401
    short.provider.faults.user_enabled("alice")
    assert await refused(client) == (400, "invalid_grant")
    assert "upstream_refused" in short.reasons()


@pytest.mark.spec("PX-14")
async def test_a_call_notices_that_the_provider_ended_the_session(short: Stage):
    client = await short.signed_in()
    short.provider.faults.user_disabled("alice")
    short.clock.advance(61)
    with pytest.raises(CallRefused) as refusal:
        await client.call_tool("whoami")
    assert refusal.value.status == 401
    assert 'error="invalid_token"' in refusal.value.challenge


async def test_an_answer_without_a_refresh_token_keeps_the_old_one(short: Stage):
    client = await short.signed_in()
    short.provider.faults.no_refresh_token()
    for count in (1, 2, 3):
        short.clock.advance(61)
        assert await call_status(client) == 200
        assert renewals(short) == count
    sent = [request.parameters.get("refresh_token") for request in short.provider.requests_to("token")[1:]]
    assert len(set(sent)) == 1


async def test_a_rotated_refresh_token_of_the_provider_is_used_next(short: Stage):
    client = await short.signed_in()
    for _ in range(2):
        short.clock.advance(61)
        assert await call_status(client) == 200
    sent = [request.parameters.get("refresh_token") for request in short.provider.requests_to("token")[1:]]
    assert len(set(sent)) == 2


async def test_our_own_credentials_refused_end_nothing(short: Stage):
    client = await short.signed_in()
    short.clock.advance(61)
    short.provider.faults.error("token", "invalid_client", status=401, times=2)
    assert await refused(client) == (502, "server_error")
    assert await call_status(client) == 502
    assert [event.reason for event in short.events if event.name == "operator"] == ["upstream_credentials"] * 2
    assert await refused(client) == (200, "")


async def test_a_renewed_id_token_of_somebody_else_ends_the_session(short: Stage):
    client = await short.signed_in()
    short.provider.faults.id_token_claims(sub="bob")
    short.clock.advance(61)
    assert await refused(client) == (400, "invalid_grant")
    assert await call_status(client) == 401


async def test_who_may_sign_in_is_asked_again(staged: SetStage):
    allowed = {"alice"}
    stage = await staged(provider={"access_token_seconds": 60}, sign_in_policy=lambda claims: claims["sub"] in allowed)
    client = await stage.signed_in()
    allowed.clear()
    stage.clock.advance(61)
    assert await refused(client) == (400, "invalid_grant")
    assert "sign_in_refused" in stage.reasons()


async def test_without_a_refresh_token_of_the_provider_a_session_ends_with_its_access_token(staged: SetStage):
    stage = await staged(provider={"refresh_tokens": False, "access_token_seconds": 600})
    client = await stage.signed_in()
    assert client.tokens["expires_in"] == 600
    stage.clock.advance(599)
    assert await call_status(client) == 200
    stage.clock.advance(2)
    assert await call_status(client) == 401
    assert await refused(client) == (400, "invalid_grant")


async def test_the_same_resource_goes_to_the_provider_at_every_step(short: Stage):
    client = await short.signed_in()
    short.clock.advance(61)
    await client.refresh()
    asked = [short.provider.requests_to("authorize")[0], *short.provider.requests_to("token")]
    assert [request.parameters.get("resource") for request in asked] == [short.resource] * 3


# --- at rest ----------------------------------------------------------------------------------------------------------------------


def all_of(path: Path) -> str:
    """What is in a database, and in its files."""
    with sqlite3.connect(path) as connection:
        rows = "\n".join(connection.iterdump())
    return rows + "".join(file.read_bytes().decode("latin-1") for file in path.parent.glob(f"{path.name}*"))


@pytest.mark.spec("RF-11", "PX-13")
async def test_nothing_that_is_stored_can_be_used(clock: FakeClock, staged: SetStage, tmp_path: Path):
    path = tmp_path / "state.sqlite3"
    stage = await staged(store=SQLiteStore(path, clock))
    client = await stage.registered()
    code, attempt = await stage.with_code(client)
    await client.exchange(code, attempt)
    first = client.tokens["refresh_token"]
    upstream = (await client.call_tool("whoami"))["token"]
    await client.refresh()
    dump = all_of(path)
    assert "grant/" in dump
    secrets = [code, first, client.tokens["refresh_token"], client.tokens["access_token"], upstream]
    assert lacks(dump, secrets)
    assert lacks(dump, [secret.encode().hex().upper() for secret in secrets])
    assert lacks(dump, ["alice", client.registration["client_id"][:40]])
    await stage.store.aclose()


async def test_events_and_logs_hold_no_secret(stage: Stage, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG", logger="vestibule")
    client = await stage.registered()
    code, attempt = await stage.with_code(client)
    await client.exchange(code, attempt)
    secrets = [code, attempt.verifier, attempt.state, *client.tokens.values()]
    secrets.append((await client.call_tool("whoami"))["token"])
    with pytest.raises(StepFailed):
        await client.refresh(scope="too much")
    client.tokens = {"refresh_token": secrets[secrets.index("openid") + 1]}
    await client.refresh()
    await client.revoke()
    secrets += [client.tokens["refresh_token"], client.tokens["access_token"]]
    written = caplog.text + "".join(str(event) for event in stage.events)
    assert "issued" in written
    assert lacks(written, [secret for secret in secrets if isinstance(secret, str) and len(secret) > 10])


async def test_a_session_outlives_a_restart(clock: FakeClock, staged: SetStage, tmp_path: Path):
    stage = await staged(store=SQLiteStore(tmp_path / "state.sqlite3", clock))
    client = await stage.signed_in()
    await stage.store.aclose()
    later = await staged(at=stage.provider, store=SQLiteStore(tmp_path / "state.sqlite3", clock))
    returned = later.client()
    returned.server, returned.registration, returned.tokens = client.server, client.registration, client.tokens
    assert await call_status(returned) == 200
    assert (await returned.refresh())["access_token"]
    await later.store.aclose()
