"""``upstream_token_protection="client"``: a copy of the store together with every key of the server opens no token of the provider."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import KEY, Stage, call_status

from vestibule import reasons
from vestibule.grants.data_key import DataKey
from vestibule.grants.model import Grant
from vestibule.grants.upstream_session import UpstreamSession
from vestibule.keys import base64url
from vestibule.keys.jwt import peek_claims, sign_access_token
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.memory import MemoryStore
from vestibule.storage.sealed import SealedRecords
from vestibule.testing import FakeClock, ScriptedClient
from vestibule.testing.client import CallRefused, StepFailed

pytestmark = pytest.mark.anyio

KEYRING = KeyRing.from_secrets(KEY)
PURPOSES = (
    "record",
    "data key",
    "login",
    "consent",
    "client-id",
    "client-secret",
    "code",
    "refresh",
    "signing",
    "sealing data key",
)
SOON = 600  # seconds that the provider's access tokens live


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
async def stage(staged: SetStage, store: MemoryStore) -> Stage:
    return await staged(store=store, upstream_token_protection="client", provider={"access_token_seconds": SOON})


async def stolen(store: MemoryStore) -> list[dict[str, Any]]:
    """Every record of a grant, as somebody reads it who has the store and the keys."""
    records = SealedRecords(store, Sealer(KEYRING))
    found = [await records.get(key) async for key, _ in store.scan("grant/")]
    return [record for record, _ in filter(None, found)]


def texts(value: Any) -> list[str]:
    """All texts in a JSON value."""
    if isinstance(value, dict):
        return list(itertools.chain.from_iterable(texts(item) for item in [*value, *value.values()]))
    if isinstance(value, list):
        return list(itertools.chain.from_iterable(map(texts, value)))
    return [value] if isinstance(value, str) else []


def keys_at_hand(record: dict[str, Any]) -> list[bytes]:
    """Whatever the server or its store could use as a key: derived ones, digests, salts and every other text."""
    derived = [KEYRING.derive(purpose) for purpose in PURPOSES]
    stored = [data for text in texts(record) if (data := base64url.decode(text)) is not None]
    return [*derived, *(data for data in stored if len(data) in (16, 24, 32)), *(text.encode() for text in texts(record))]


def opened_by(record: dict[str, Any], secrets: list[bytes]) -> bool:
    """Whether any of the secrets leads to the provider's tokens."""
    grant = Grant.from_record(json.loads(json.dumps(record)))
    assert grant.upstream is not None
    wraps = [grant.code.wrapped_key]
    if grant.rotation is not None:
        wraps += [grant.rotation.wrapped_key, grant.rotation.previous_wrapped_key]
    keys = [DataKey.unwrap(grant.id, wrap, secret) for wrap in wraps for secret in secrets]
    keys += [DataKey(grant.id, secret) for secret in secrets if len(secret) == 32]
    return any(key is not None and grant.unlocked(key) is not None for key in keys)


async def upstream_token(client: ScriptedClient) -> str:
    """The provider's token, as a tool sees it."""
    return (await client.call_tool("whoami"))["token"]


@pytest.mark.spec("RF-11", "PX-13")
async def test_the_store_and_every_key_open_no_token_at_any_stage(stage: Stage, store: MemoryStore):
    client = await stage.registered()
    code, attempt = await stage.with_code(client)
    seen: list[dict[str, Any]] = await stolen(store)
    await client.exchange(code, attempt)
    seen += await stolen(store)
    first = await upstream_token(client)
    for _ in range(2):
        await client.refresh()
        seen += await stolen(store)
    stage.clock.advance(SOON + 1)
    second = await upstream_token(client)
    seen += await stolen(store)
    assert first != second
    assert len(seen) == 5
    issued = [
        first,
        second,
        *(token for r in stage.provider.requests_to("token") if (token := r.parameters.get("refresh_token"))),
    ]
    assert len(issued) == 3
    for record in seen:
        assert not any(token in json.dumps(record) for token in issued)
        assert not opened_by(record, keys_at_hand(record))


async def test_what_the_client_holds_opens_it(stage: Stage, store: MemoryStore):
    """The control: the search above does find a way where there is one."""
    client = await stage.signed_in()
    [record] = await stolen(store)
    secret = base64url.decode(client.tokens["refresh_token"].removeprefix("vsr_"))
    assert secret is not None
    assert opened_by(record, [secret[20:52]])


async def test_without_it_the_keys_open_the_tokens(staged: SetStage, store: MemoryStore):
    client = await (await staged(store=store)).signed_in()
    [record] = await stolen(store)
    assert record["upstream"]["access_token"] == await upstream_token(client)


async def test_no_client_can_read_the_key_that_it_carries(stage: Stage, store: MemoryStore):
    client = await stage.signed_in()
    claims = json.loads(base64url.decode(client.tokens["access_token"].split(".")[1]) or b"")
    [record] = await stolen(store)
    carried = base64url.decode(claims["vdk"]) or b""
    assert not opened_by(record, [carried[start : start + 32] for start in range(len(carried) - 31)])


# --- everything else goes on as ever ----------------------------------------------------------------------------------------------


@pytest.fixture
async def client(stage: Stage) -> ScriptedClient:
    return await stage.signed_in()


@pytest.fixture
async def elsewhere(staged: SetStage, stage: Stage, store: MemoryStore) -> Stage:
    """Another process on the same store."""
    return await staged(store=store, upstream_token_protection="client", at=stage.provider)


async def test_another_process_serves_the_session_too(stage: Stage, elsewhere: Stage, client: ScriptedClient):
    here = await upstream_token(client)
    there = elsewhere.client()
    there.tokens = client.tokens
    assert await upstream_token(there) == here
    stage.clock.advance(SOON + 1)
    assert await upstream_token(there) == await upstream_token(client) != here


async def test_a_refresh_renews_the_providers_tokens(stage: Stage, client: ScriptedClient):
    before = await upstream_token(client)
    stage.clock.advance(SOON + 1)
    await client.refresh()
    assert await upstream_token(client) != before
    assert len([r for r in stage.provider.requests_to("token") if r.parameters["grant_type"] == "refresh_token"]) == 1


@pytest.mark.spec("RF-08")
async def test_the_refresh_token_of_before_opens_it_as_long_as_it_works(stage: Stage, client: ScriptedClient):
    first = client.tokens["refresh_token"]
    successor = (await client.refresh())["refresh_token"]
    stage.clock.advance(SOON + 1 - 570)
    again = await client.refresh(refresh_token=first)
    assert again["refresh_token"] == successor
    assert await upstream_token(client)


async def test_an_old_access_token_opens_it_after_many_refreshes(client: ScriptedClient):
    old = client.tokens["access_token"]
    for _ in range(3):
        await client.refresh()
    assert await call_status(client, old) == 200


async def test_a_code_opens_nothing_any_more_once_it_is_spent(stage: Stage, store: MemoryStore):
    client = await stage.registered()
    code, attempt = await stage.with_code(client)
    [before] = await stolen(store)
    secret = (base64url.decode(code.removeprefix("vsc_")) or b"")[16:48]
    assert opened_by(before, [secret])
    await client.exchange(code, attempt)
    [after] = await stolen(store)
    assert not opened_by(after, [secret])


async def test_an_ended_session_keeps_nothing(client: ScriptedClient, store: MemoryStore):
    await client.revoke()
    [record] = await stolen(store)
    assert record["upstream"] is None
    assert not record["code"]["wrapped_key"] + record["rotation"]["wrapped_key"] + record["rotation"]["previous_wrapped_key"]


@pytest.mark.spec("RV-08")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_client_that_leaves_reaches_the_provider(stage: Stage, client: ScriptedClient, kind: str):
    await client.revoke(client.tokens[kind])
    assert stage.provider.requests_to("revoke")
    assert await call_status(client) == 401


async def test_an_operator_who_ends_a_session_does_not_reach_the_provider(
    stage: Stage, client: ScriptedClient, store: MemoryStore
):
    [record] = await stolen(store)
    await stage.auth.end_grant(record["id"])
    assert stage.provider.requests_to("revoke") == []
    assert await call_status(client) == 401
    with pytest.raises(StepFailed):
        await client.refresh()


async def test_sessions_of_before_and_after_a_change_of_the_option_go_on(staged: SetStage, store: MemoryStore):
    plain = await staged(store=store, provider={"access_token_seconds": SOON})
    locked = await staged(store=store, upstream_token_protection="client", at=plain.provider)
    for begun, goes_on in ((plain, locked), (locked, plain)):
        client = await begun.signed_in()
        later = goes_on.client()
        later.server, later.registration, later.tokens = client.server, client.registration, client.tokens
        assert await upstream_token(later)
        begun.clock.advance(SOON + 1)
        await later.refresh()
        assert await upstream_token(later)
    assert sorted(bool(record["upstream"]["locked"]) for record in await stolen(store)) == [False, True]


async def test_a_record_whose_tokens_were_exchanged_counts_as_absent(stage: Stage, client: ScriptedClient, store: MemoryStore):
    """Somebody with the keys and write access can put in what they like, but no tokens that the client's key opens."""
    records = SealedRecords(store, Sealer(KEYRING))
    [key] = [key async for key, _ in store.scan("grant/")]
    found = await records.get(key)
    assert found is not None
    record, version = found
    forged = DataKey.new(record["id"]).lock(UpstreamSession(access_token="of somebody else"))
    record["upstream"] = {**record["upstream"], "locked": forged.locked}
    assert await records.swap(key, version, record, 3600)
    stage.clock.advance(10)
    with pytest.raises(CallRefused) as refused:
        await client.call_tool("whoami")
    assert refused.value.status == 401
    assert reasons.GRANT_UNKNOWN.code in stage.reasons()


# --- somebody with every key, who also writes into the store ----------------------------------------------------------------------


@asynccontextmanager
async def renewal_under_way(stage: Stage, client: ScriptedClient) -> AsyncIterator[asyncio.Event]:
    """A call of the client's has the provider asked for new tokens; it answers after the block, or when the event is set."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def hold(request: httpx2.Request) -> None:
        if request.url.path.endswith("/token"):
            asked.set()
            await go_on.wait()

    stage.provider_http.event_hooks = {"request": [hold]}
    stage.clock.advance(SOON + 1)
    task = asyncio.create_task(client.call_tool("whoami"))
    await asked.wait()
    yield go_on
    go_on.set()
    await asyncio.gather(task, return_exceptions=True)


async def rewrite(store: MemoryStore, **members: Any) -> None:
    records = SealedRecords(store, Sealer(KEYRING))
    [key] = [key async for key, _ in store.scan("grant/")]
    record, version = await records.get(key) or ({}, 0)
    assert await records.swap(key, version, {**record, **members}, 3600)


FORGED: list[dict[str, Any]] = [
    {"is_locked": False},
    {"upstream": {"access_token": "forged", "refresh_token": "forged", "expires_at": 0.0}},
    {"data_key": {"grant_id": "x", "value": "y"}},
]


@pytest.mark.parametrize("members", FORGED)
async def test_no_forged_record_has_the_next_tokens_written_in_the_open(
    stage: Stage, store: MemoryStore, members: dict[str, Any]
):
    client = await stage.signed_in()
    async with renewal_under_way(stage, client):
        await rewrite(store, **members)
    [record] = await stolen(store)
    held = record["upstream"] or {}
    assert held.get("access_token") in ("", "forged")
    assert held.get("refresh_token") in (None, "forged")


@pytest.mark.parametrize("members", [{}, *FORGED])
async def test_a_caller_without_the_key_gets_nothing_of_a_renewal_that_has_it(
    stage: Stage, store: MemoryStore, members: dict[str, Any]
):
    client = await stage.signed_in()
    claims = peek_claims(client.tokens["access_token"]) or {}
    del claims["vdk"]
    thief = stage.client()
    thief.tokens = {"access_token": sign_access_token(KEYRING, {**claims, "jti": "forged"})}
    async with renewal_under_way(stage, client) as go_on:
        await rewrite(store, **members)
        task = asyncio.create_task(thief.call_tool("whoami"))
        for _ in range(50):
            await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(CallRefused):
            await task


# --- a token that ought to open it and does not -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_due", [False, True])
async def test_a_refresh_token_that_opens_nothing_is_refused_and_ends_nothing(
    stage: Stage, client: ScriptedClient, store: MemoryStore, is_due: bool
):
    [record] = await stolen(store)
    await rewrite(store, rotation={**record["rotation"], "wrapped_key": ""})
    stage.clock.advance(SOON + 1 if is_due else 10)
    asked = len(stage.provider.requests)
    with pytest.raises(StepFailed) as refused:
        await client.refresh()
    assert refused.value.error == "invalid_grant"
    assert len(stage.provider.requests) == asked
    [record] = await stolen(store)
    assert record["ended"] is None
