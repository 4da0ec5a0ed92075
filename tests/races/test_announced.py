"""What another process announces: it makes us read again, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.races.air import Air, refused, until
from tests.races.house import KEY, House
from tests.races.stores import GatedStore, WatchedStore, WrappedStore

from vestibule import reasons
from vestibule.errors import Unavailable
from vestibule.grants.model import Code, Grant
from vestibule.grants.store import Grants, record_key
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.memory import MemoryStore
from vestibule.storage.sealed import SealedRecords
from vestibule.testing import FakeClock, ScriptedClient

pytestmark = [pytest.mark.anyio, pytest.mark.spec("RS-30")]

FAR = 600  # seconds to the floor; nothing in these tests reaches it unless it says so


class HouseStore(WatchedStore):
    """Its swaps are done and not answered, while it is told so."""

    loses_answers = False

    async def after(self, verb: str, key: str) -> None:
        if self.loses_answers and verb == "swap":
            raise Unavailable(reasons.STORE_UNAVAILABLE, "told to lose it")


class Row:
    """Two houses with one store, one provider and the same air."""

    def __init__(self) -> None:
        self.air = Air()
        self.clock = FakeClock()
        self.memory = MemoryStore(self.clock)
        self.first = self.house(HouseStore(self.memory))
        self.second = self.house(GatedStore(self.memory), provider=self.first.idp)

    def house(self, store: WrappedStore, **settings: object) -> House:
        store.announcements = self.air.announcements()
        options = {"revocation_delay_seconds": FAR}
        return House(store=store, clock=self.clock, options=options, access_token_seconds=1000, **settings)

    async def remembered(self) -> ScriptedClient:
        """A client whose token both remember, while both hear."""
        client = await self.first.signed_in()
        for house in (self.first, self.second):
            await house.call(client.tokens["access_token"])
            await until(lambda house=house: house.store.announcements.are_heard)
            await house.call(client.tokens["access_token"])
        return client

    @property
    def announced(self) -> list[str]:
        return [text for text in self.air.said if not text.startswith("probe/")]


@pytest.fixture
async def row() -> AsyncIterator[Row]:
    made = Row()
    yield made
    for house in (made.first, made.second):
        await house.store.announcements.aclose()


async def test_a_session_that_ends_in_one_ends_in_the_other(row: Row) -> None:
    client = await row.remembered()
    token = client.tokens["access_token"]
    assert (await row.second.call(token)).status == 200
    assert (await row.first.revoke(client, token)).status == 200
    [announced] = row.announced
    assert [announced] == [key async for key, _ in row.memory.scan("grant/")]  # a digest, no more than a listing tells
    await refused(row.second, token)


async def test_scopes_that_are_taken_are_announced_and_others_are_not(row: Row) -> None:
    grants = Grants(SealedRecords(row.first.store, Sealer(KeyRing.from_secrets(KEY))), row.clock)
    now = row.clock.now()
    code = Code(digest="", expires_at=now, challenge="", redirect_uri="")
    who = {"client_id": "a-client", "redirect_uri": "http://127.0.0.1/", "resource": "http://127.0.0.1/mcp", "subject": "alice"}
    await grants.create(Grant(id="a-grant", scopes=("read", "write"), created_at=now, expires_at=now + FAR, code=code, **who))
    announced = []
    for scopes in (("write", "read"), ("read",), ("read",), ("read", "more")):
        await grants.change("a-grant", lambda grant, scopes=scopes: replace(grant, scopes=scopes))
        announced.append(len(row.announced))
    assert announced == [0, 1, 1, 1]
    assert row.announced == [record_key("a-grant")]


async def test_a_refresh_is_nobody_elses_business(row: Row) -> None:
    client = await row.remembered()
    refresh = client.tokens["refresh_token"]
    for _ in range(3):
        refresh = (await row.first.refresh(client, refresh)).json()["refresh_token"]
    row.clock.advance(3 * FAR + 1)  # and so is one at the provider
    assert (await row.first.refresh(client, refresh)).status == 200
    assert row.first.upstream_refreshes == 1
    assert row.announced == []


async def test_what_was_read_before_the_notice_is_not_kept_after_it(row: Row) -> None:
    client = await row.remembered()
    token = client.tokens["access_token"]
    row.clock.advance(FAR + 1)  # the second has to read
    store = row.second.store
    store.gate = gate = asyncio.Event()
    slow = asyncio.create_task(row.second.call(token))
    await store.reached.wait()
    assert (await row.first.revoke(client, token)).status == 200
    await until(lambda: row.announced)
    await _all_heard(row)
    gate.set()
    assert (await slow).status == 200  # it was asked before
    assert (await row.second.call(token)).status == 401


async def test_the_same_for_a_token_that_was_never_seen(row: Row) -> None:
    client = await row.first.signed_in()
    token = client.tokens["access_token"]
    store = row.second.store
    store.gate = gate = asyncio.Event()
    slow = asyncio.create_task(row.second.call(token))
    await store.reached.wait()
    await until(lambda: store.announcements.are_heard)
    assert (await row.first.revoke(client, token)).status == 200
    await _all_heard(row)
    gate.set()
    await slow
    assert (await row.second.call(token)).status == 401


async def test_what_ended_while_nobody_could_hear_is_noticed_with_the_next_connection(row: Row) -> None:
    client = await row.remembered()
    token = client.tokens["access_token"]
    row.air.is_broken = True
    row.air.cut()
    await until(lambda: not row.second.store.announcements.are_heard)
    assert (await row.first.revoke(client, token)).status == 200
    assert row.announced == []
    assert (await row.second.call(token)).status == 200  # the floor has not been reached
    row.air.is_broken = False
    await refused(row.second, token)


@pytest.mark.parametrize("met", ["by another revocation", "by a refresh"])
async def test_a_process_that_meets_the_end_need_not_hear_of_it(row: Row, met: str) -> None:
    client = await row.remembered()
    token = client.tokens["access_token"]
    row.air.is_broken = True
    assert (await row.first.revoke(client, token)).status == 200
    assert (await row.second.call(token)).status == 200
    if met == "by another revocation":
        assert (await row.second.revoke(client, token)).status == 200
    else:
        assert (await row.second.refresh(client, client.tokens["refresh_token"])).error == "invalid_grant"
    assert (await row.second.call(token)).status == 401


async def test_without_a_channel_the_floor_holds(row: Row) -> None:
    client = await row.remembered()
    token = client.tokens["access_token"]
    row.air.is_broken = True
    assert (await row.first.revoke(client, token)).status == 200
    row.clock.advance(FAR + 0.1)
    assert (await row.second.call(token)).status == 401


async def test_junk_is_no_reason_to_read(row: Row) -> None:
    client = await row.remembered()
    token = client.tokens["access_token"]
    row.first.store.verbs.clear()
    for junk in ("", "grant/", "grant/" + "0" * 64, "\x00" * 1000, "spent/1", "probe/1"):
        for _ in range(100):
            await row.air.say(junk)
    await _all_heard(row)
    assert (await row.first.call(token)).status == 200
    assert row.first.store.verbs == []


async def test_whoever_can_announce_makes_us_read_and_ends_nothing(row: Row) -> None:
    client = await row.remembered()
    token = client.tokens["access_token"]
    [key] = [key async for key, _ in row.memory.scan("grant/")]
    row.first.store.verbs.clear()
    for _ in range(100):
        await row.air.say(key)
    await _all_heard(row)
    for _ in range(3):
        assert (await row.first.call(token)).status == 200
    assert row.first.store.verbs == [("get", key)]


async def test_a_revocation_whose_answer_was_lost_is_told_all_the_same(row: Row) -> None:
    """The client asks again, finds it done, and by then nobody would tell any more."""
    client = await row.remembered()
    token = client.tokens["access_token"]
    row.first.store.loses_answers = True
    assert (await row.first.revoke(client, token)).status == 503
    row.first.store.loses_answers = False
    assert (await row.first.revoke(client, token)).status == 200
    assert (await row.first.call(token)).status == 401
    await refused(row.second, token)


async def _all_heard(row: Row) -> None:
    """Until what was said has been passed on: what is said after it has."""
    heard: list[str | None] = []
    for house in (row.first, row.second):
        house.store.announcements.listen(heard.append)
        await until(lambda house=house: house.store.announcements.are_heard)
    await row.air.say("the last")
    await until(lambda: "the last" in heard)
