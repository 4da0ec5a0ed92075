"""What a session tells of itself, and which sessions a user has."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import KEY, Stage, call_status, open_consent, set_stage

from vestibule.errors import Unavailable
from vestibule.events import Event
from vestibule.grants.listing import MAX_SESSIONS
from vestibule.grants.model import Grant, Listed
from vestibule.grants.session_filter import SessionFilter
from vestibule.grants.store import record_key
from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock, ScriptedClient

pytestmark = pytest.mark.anyio

HOUR, DAY, LIFE = 3600, 86_400, 30 * 86_400


async def sessions(stage: Stage, user: str = "alice") -> list[Grant]:
    return await stage.auth.hall.listing.of_user(user)


async def session(stage: Stage, user: str = "alice") -> Grant:
    [grant] = await sessions(stage, user)
    return grant


async def found(stage: Stage, **wanted: object) -> list[str]:
    """Subjects of the sessions that a search finds."""
    return sorted([grant.subject async for grant in stage.auth.hall.listing.search(SessionFilter(**wanted))])


async def index_keys(stage: Stage) -> list[str]:
    return [key async for key, _ in stage.store.inner.scan("user/")]


# --- who, and which client ------------------------------------------------------------------------------------------------------


async def test_a_session_tells_the_name_that_the_user_saw(stage: Stage):
    await stage.signed_in(register={"client_name": "Claude\u202e Code\n\x1b[2J" + "!" * 100})
    grant = await session(stage)
    assert grant.client_name.startswith("Claude Code[2J!!!")
    assert len(grant.client_name) == 80


async def test_a_client_without_a_name_has_none(stage: Stage):
    await stage.signed_in(register={"client_name": ""})
    assert (await session(stage)).client_name == ""


async def test_a_login_that_an_older_release_began_goes_on(stage: Stage):
    """Its cookie has no name in it."""
    client = await stage.registered()
    page = await open_consent(client.user, client.start().url)
    [cookie] = [cookie for cookie in client.user.browser.cookies.jar if "login" in cookie.name]
    sealer, handle = stage.auth.hall.sealer, page.url.partition("login=")[2]
    content = sealer.open("login", cookie.value or "", bound_to=handle.encode())
    assert content is not None
    login = json.loads(zlib.decompress(content))
    assert login.pop("client_name") == "Scripted client"
    cookie.value = sealer.seal("login", zlib.compress(json.dumps(login).encode()), bound_to=handle.encode())
    await client.user.visit(page.url, client.redirect_uri)
    assert (await session(stage)).client_name == ""


# --- last use -------------------------------------------------------------------------------------------------------------------


async def test_redeeming_refreshing_and_calling_are_uses(stage: Stage, clock: FakeClock):
    client = await stage.signed_in()
    redeemed = await session(stage)
    assert redeemed.last_used is not None
    assert (redeemed.last_used.at, redeemed.last_used.address) == (clock.now(), "127.0.0.1")
    assert redeemed.last_used.agent.startswith("python-httpx")
    assert not redeemed.used, "a token of it has not been used: a second post of the code is still harmless"
    clock.advance(5)
    assert await call_status(client) == 200
    called = await session(stage)
    assert called.used
    assert called.last_used is not None
    assert called.last_used.at == clock.now()
    clock.advance(600)
    await client.refresh()
    refreshed = await session(stage)
    assert refreshed.last_used is not None
    assert refreshed.last_used.at == clock.now()


async def test_calls_write_at_most_once_an_hour(staged: SetStage, clock: FakeClock):
    stage = await staged(provider={"access_token_seconds": DAY}, access_token_expiry_seconds=DAY)
    client = await stage.signed_in()
    await call_status(client)
    clock.advance(10)
    stage.store.calls.clear()
    for _ in range(50):
        clock.advance(71)  # each call past the revocation delay: the store is read
        assert await call_status(client) == 200
    assert stage.store.calls == ["get"] * 50
    clock.advance(60)
    for _ in range(3):
        assert await call_status(client) == 200
    assert stage.store.calls[50:] == ["get", "get", "swap", "get"], "the last of the three is answered from memory"
    grant = await session(stage)
    assert grant.last_used is not None
    assert grant.last_used.at == clock.now()


@pytest.mark.parametrize("delay", [0, 5])
async def test_a_use_that_cannot_be_written_down_disturbs_nothing(staged: SetStage, clock: FakeClock, delay: float):
    options = {"provider": {"access_token_seconds": DAY}, "access_token_expiry_seconds": DAY}
    stage = await staged(**options, revocation_delay_seconds=delay)
    client = await stage.signed_in()
    await call_status(client)
    clock.advance(HOUR + 1)
    stage.store.broken = {"swap"}
    stage.store.calls.clear()
    for _ in range(3):
        assert await call_status(client) == 200
        clock.advance(10)
    assert stage.store.calls.count("swap") == 1, "no call waits again for what has just failed"
    stage.store.broken = set()
    clock.advance(60)
    assert await call_status(client) == 200
    grant = await session(stage)
    assert grant.last_used is not None
    assert grant.last_used.at == clock.now()


async def test_what_a_client_says_of_itself_is_cut_and_made_visible(stage: Stage, clock: FakeClock):
    client = await stage.registered()
    agent = b"\x9b31mEvil\xad/1 " + b"a" * 5000
    forwarded = [(b"x-forwarded-for", b"203.0.113.9"), (b"forwarded", b"for=203.0.113.9")]
    client.http.headers = httpx2.Headers([(b"user-agent", agent), *forwarded])
    await client.login()
    grant = await session(stage)
    assert grant.last_used is not None
    assert grant.last_used.agent.startswith("31mEvil/1 aaa")
    assert len(grant.last_used.agent) == 120
    assert grant.last_used.address == "127.0.0.1", "a header of the client's own is no address"


async def test_records_of_an_older_release_are_read(stage: Stage, clock: FakeClock):
    await stage.signed_in()
    grant = await session(stage)
    record = grant.as_record()
    for name in ("client_name", "last_used", "listed"):
        del record[name]
    older = Grant.from_record(json.loads(json.dumps(record)))
    assert (older.client_name, older.last_used, older.listed) == ("", None, None)
    assert replace(grant, client_name="", last_used=None, listed=None) == older


# --- the user's list ------------------------------------------------------------------------------------------------------------


async def test_a_user_has_the_sessions_of_all_clients_and_no_others(stage: Stage, clock: FakeClock):
    for name, client_name in (("alice", "first"), ("bob", "his"), ("alice", "second")):
        await stage.signed_in(name, client_name=client_name)
        clock.advance(1)
    assert [grant.client_name for grant in await sessions(stage)] == ["second", "first"], "the newest first"
    assert [grant.client_name for grant in await sessions(stage, "bob")] == ["his"]
    assert await sessions(stage, "carol") == []


async def test_a_listing_reads_nothing_of_others(stage: Stage):
    for name in ("alice", "bob", "alice"):
        await stage.signed_in(name)
    stage.store.calls.clear()
    assert len(await sessions(stage)) == 2
    assert stage.store.calls == ["get"] * 3, "the list and two sessions"


async def test_the_key_of_a_list_can_be_told_by_nobody_without_the_key_ring(stage: Stage, staged: SetStage):
    await stage.signed_in()
    [key] = await index_keys(stage)
    assert "alice" not in key
    other = await staged(store=MemoryStore(stage.clock), jwt_signing_key="another key for tests that is long enough, too")
    await other.signed_in()
    assert await index_keys(other) != [key]


async def test_two_servers_with_one_store_and_key_keep_their_users_apart(staged: SetStage, clock: FakeClock):
    store = MemoryStore(clock)
    one = await staged(store=store)
    two = await staged(store=store, base_url="http://127.0.0.1:9600", at=None, provider={"base_url": "http://127.0.0.1:9700"})
    await one.signed_in()
    await two.signed_in()
    assert len(await sessions(one)) == len(await sessions(two)) == 1


async def test_ended_sessions_are_told_only_on_request(stage: Stage, clock: FakeClock):
    client = await stage.signed_in()
    await stage.signed_in()
    await client.revoke()
    assert len(await sessions(stage)) == 1
    with_ended = await stage.auth.hall.listing.of_user("alice", ended=True)
    assert sorted(grant.ended or "" for grant in with_ended) == ["", "grant_ended"]
    clock.advance(LIFE + 1)
    assert await sessions(stage) == []


async def test_an_entry_whose_session_never_came_is_removed(stage: Stage, clock: FakeClock):
    """The process died between the two writes."""
    client = await stage.registered()
    _, attempt = await stage.with_code(client)
    stage.store.broken = {"put_new"}
    hall = stage.auth.hall
    grant = replace(await session(stage), id="AAAAAAAAAAAAAAAAAAAAAA", created_at=clock.now())
    await hall.listing.add(grant)
    stage.store.broken = set()
    assert len(await sessions(stage)) == 1
    stage.store.calls.clear()
    await sessions(stage)
    assert "swap" not in stage.store.calls, "that sign-in may be going on at this moment"
    clock.advance(601)
    await sessions(stage)
    assert "swap" in stage.store.calls
    stage.store.calls.clear()
    await sessions(stage)
    assert "swap" not in stage.store.calls
    assert attempt is not None


async def test_a_refresh_writes_the_list_once_in_a_session_life(staged: SetStage, clock: FakeClock):
    stage = await staged(fallback_refresh_token_expiry_seconds=10 * DAY)
    client = await stage.signed_in()
    writes = []
    for _ in range(35):
        clock.advance(DAY)
        before = [record.version async for _, record in stage.store.inner.scan("user/")]
        await client.refresh()
        writes.append(before != [record.version async for _, record in stage.store.inner.scan("user/")])
        assert len(await sessions(stage)) == 1
    assert sum(writes) == 3


async def test_a_list_that_cannot_be_written_costs_no_refresh(staged: SetStage, clock: FakeClock):
    stage = await staged(fallback_refresh_token_expiry_seconds=DAY)
    client = await stage.signed_in()
    for _ in range(30):
        clock.advance(HOUR)
        await client.refresh()
    lost = await session(stage)
    hall = stage.auth.hall
    await hall.grants.change(lost.id, lambda grant: replace(grant, listed=Listed(until=0, under="gone")))
    real, stage.store.before = stage.store.before, _failing(stage, "user/")
    await client.refresh()
    stage.store.before = real
    await client.refresh()
    assert (await session(stage)).listed != Listed(until=0, under="gone")


def _failing(stage: Stage, prefix: str):
    async def before(verb: str, key: str) -> None:
        if key.startswith(prefix):
            stage.store.broken = {verb}
        try:
            await type(stage.store).before(stage.store, verb, key)
        finally:
            stage.store.broken = set()

    return before


async def test_a_session_of_an_older_release_is_listed_from_its_next_refresh_on(stage: Stage):
    client = await stage.signed_in()
    grant = await session(stage)
    await stage.auth.hall.grants.change(grant.id, lambda grant: replace(grant, listed=None))
    [key] = await index_keys(stage)
    record = await stage.store.inner.get(key)
    assert record is not None
    await stage.store.inner.swap(key, record.version, None, 0)
    assert await sessions(stage) == []
    assert await found(stage, user="alice") == ["alice"], "an operator's search finds it all the same"
    await client.refresh()
    assert len(await sessions(stage)) == 1


@pytest.mark.spec("RF-08")
async def test_a_new_key_loses_no_listed_session(clock: FakeClock, events: list[Event]):
    store, new = MemoryStore(clock), "the next key for tests that is long enough as well"
    first = await set_stage(clock, events, store=store)
    client = await first.signed_in()
    both = await set_stage(clock, events, store=store, at=first.provider, jwt_signing_key=[new, KEY])
    assert len(await sessions(both)) == 1
    moved = await going_on(client, both)
    assert len(await index_keys(both)) == 2
    assert len(await sessions(both)) == 1, "in both lists, and told once"
    alone = await set_stage(clock, events, store=store, at=first.provider, jwt_signing_key=new)
    assert len(await sessions(alone)) == 1
    assert len(await sessions(await set_stage(clock, events, store=store, at=first.provider, jwt_signing_key=KEY))) == 0
    for stage in (first, both, alone):
        await stage.close()
    assert moved


async def going_on(client: ScriptedClient, stage: Stage) -> bool:
    """The client refreshes at the server with the other keys, whose registration of it the ring still opens."""
    there = ScriptedClient(stage.resource, user=client.user, apps=stage.apps)
    there.server, there.registration, there.tokens = client.server, client.registration, client.tokens
    await there.refresh()
    await there.http.aclose()
    return True


async def test_a_user_whom_the_provider_does_not_name_has_no_list(stage: Stage):
    await stage.signed_in()
    grant = await session(stage)
    nameless = replace(grant, id="BBBBBBBBBBBBBBBBBBBBBB", subject="session:BBBBBBBBBBBBBBBBBBBBBB")
    before = await index_keys(stage)
    assert await stage.auth.hall.listing.add(nameless) is nameless
    assert await index_keys(stage) == before


async def test_a_list_that_does_not_open_is_begun_anew(stage: Stage, clock: FakeClock):
    """Its key has gone, or somebody wrote there."""
    await stage.signed_in()
    [key] = await index_keys(stage)
    record = await stage.store.inner.get(key)
    assert record is not None
    assert await stage.store.inner.swap(key, record.version, b"junk", LIFE)
    assert await sessions(stage) == []
    clock.advance(1)
    await stage.signed_in(client_name="second")
    assert [grant.client_name for grant in await sessions(stage)] == ["second"]


# --- the cap --------------------------------------------------------------------------------------------------------------------


async def test_with_one_session_too_many_the_oldest_ends(stage: Stage, clock: FakeClock):
    listing, grants = stage.auth.hall.listing, stage.auth.hall.grants
    oldest = await stage.signed_in()
    pattern = await session(stage)
    for number in range(MAX_SESSIONS - 1):
        clock.advance(1)
        another = replace(pattern, id=f"{number:022}", created_at=clock.now(), listed=None)
        await grants.create(await listing.add(another))
    assert await call_status(oldest) == 200
    assert len(await sessions(stage)) == MAX_SESSIONS
    clock.advance(1)
    newest = await stage.signed_in()
    assert len(await sessions(stage)) == MAX_SESSIONS
    assert await call_status(oldest) == 401
    assert await call_status(newest) == 200
    assert [event.grant_id for event in stage.events if event.reason == "session_limit"] == [pattern.id]
    assert not stage.provider.requests_to("revoke"), "the other sessions live from what the provider gave the same user"


async def test_sessions_that_have_ended_make_room_before_living_ones(stage: Stage, clock: FakeClock):
    listing, grants = stage.auth.hall.listing, stage.auth.hall.grants
    oldest = await stage.signed_in()
    pattern = await session(stage)
    for number in range(MAX_SESSIONS - 1):
        clock.advance(1)
        ended = "grant_ended" if number % 2 else None
        await grants.create(await listing.add(replace(pattern, id=f"{number:022}", created_at=clock.now(), ended=ended)))
    await stage.signed_in()
    assert await call_status(oldest) == 200
    assert "session_limit" not in stage.reasons()


async def test_sign_ins_that_nobody_came_for_make_room_before_sessions(staged: SetStage, clock: FakeClock):
    stage = await staged(require_authorization_consent=False)
    client = await stage.signed_in()
    pattern = await session(stage)
    listing, grants = stage.auth.hall.listing, stage.auth.hall.grants
    for number in range(MAX_SESSIONS - 3):
        await grants.create(await listing.add(replace(pattern, id=f"{number:022}", created_at=clock.now(), listed=None)))
    for _ in range(4):
        clock.advance(1)
        await stage.with_code(await stage.registered(user=client.user))
    assert await call_status(client) == 200
    ended = [event.grant_id for event in stage.events if event.reason == "session_limit"]
    assert len(ended) == 2
    assert pattern.id not in ended
    assert not any(grant_id.startswith("0") for grant_id in ended)


# --- searches -------------------------------------------------------------------------------------------------------------------


async def test_an_operator_finds_sessions_by_user_client_and_age(stage: Stage, clock: FakeClock):
    alice = await stage.signed_in("alice", client_name="Claude")
    clock.advance(DAY)
    bob = await stage.signed_in("bob", client_name="Cursor")
    clock.advance(HOUR)
    await alice.refresh()
    email = (await session(stage, "bob")).claims["email"]
    assert await found(stage) == ["alice", "bob"]
    assert await found(stage, user="bob") == ["bob"]
    assert await found(stage, user=email.upper()) == ["bob"]
    assert await found(stage, user="alice", client="cursor") == []
    assert await found(stage, client="cursor") == ["bob"]
    assert await found(stage, client=bob.registration["client_id"]) == ["bob"]
    assert await found(stage, client=bob.registration["client_id"][:24]) == ["bob"]
    assert await found(stage, client=bob.registration["client_id"][:10]) == []
    assert await found(stage, older_than=DAY) == ["alice"]
    assert await found(stage, idle_for=HOUR) == ["bob"]
    assert await found(stage, older_than=2 * DAY) == []
    await bob.revoke()
    assert await found(stage, client="cursor") == []
    assert await found(stage, client="cursor", ended=True) == ["bob"]


async def test_a_search_by_user_finds_what_stands_in_no_list(stage: Stage):
    """What an earlier release wrote, for example."""
    await stage.signed_in(client_name="unlisted")
    [key] = await index_keys(stage)
    record = await stage.store.inner.get(key)
    assert record is not None
    assert await stage.store.inner.swap(key, record.version, None, 0)
    await stage.signed_in(client_name="listed")
    assert len(await sessions(stage)) == 1
    assert await found(stage, user="alice") == ["alice", "alice"]


async def test_a_subject_that_is_somebodys_address_hides_nobody(stage: Stage):
    await stage.signed_in()
    grant = await session(stage)
    email = grant.claims["email"]
    named_so = replace(grant, id="C" * 22, subject=email, claims={"email": "mallory@evil.example"}, listed=None)
    assert await stage.auth.hall.grants.create(await stage.auth.hall.listing.add(named_so))
    assert await found(stage, user=email) == sorted(["alice", email])


async def test_a_search_passes_over_what_it_cannot_read(stage: Stage, caplog: pytest.LogCaptureFixture):
    await stage.signed_in()
    for number in range(3):
        await stage.store.inner.put_new(f"grant/{number}", b"junk", 60)
    assert await found(stage) == ["alice"]
    assert "3 records under grant/ do not open" in caplog.text


async def later_release(stage: Stage, grant: Grant) -> None:
    """Write the session's record anew as a later release would."""
    records = stage.auth._built.records
    held = await records.get(record_key(grant.id))
    assert held is not None
    assert await records.swap(record_key(grant.id), held[1], {**held[0], "format": 99}, LIFE)


async def test_a_session_of_a_later_release_hides_no_other(stage: Stage, clock: FakeClock, caplog: pytest.LogCaptureFixture):
    await stage.signed_in(client_name="first")
    await later_release(stage, await session(stage))
    clock.advance(1)
    await stage.signed_in(client_name="second")
    assert [grant.client_name for grant in await sessions(stage)] == ["second"]
    caplog.clear()
    assert await found(stage) == ["alice"]
    assert "1 sessions were written by a later release" in caplog.text
    clock.advance(700)
    await sessions(stage)
    assert len(await stage.auth.hall.listing._index.entries("alice")) == 2, "it is not taken for one that never came"


async def test_a_store_that_is_away_is_no_empty_list(stage: Stage):
    await stage.signed_in()
    stage.store.broken = {"get"}
    with pytest.raises(Unavailable):
        await sessions(stage)
