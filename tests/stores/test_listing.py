"""The list of a user's sessions and an operator's search, on every store; and by two processes at once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.races.house import House, at_once
from tests.races.processes import street
from tests.races.test_listing_races import beside
from tests.stores.servers import PostgresServer, Server
from tests.stores.test_contract import new_table
from tests.stores.test_processes import emptied

from vestibule import reasons
from vestibule.grants.session_filter import SessionFilter
from vestibule.storage.memory import MemoryStore
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.protocol import Store
from vestibule.storage.redis import RedisStore
from vestibule.storage.sqlite import SQLiteStore
from vestibule.testing import FakeClock, ScriptedUser

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite", "redis", "postgres"])
async def house(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path) -> AsyncIterator[House]:
    store = _store(request, clock, tmp_path)
    yield House(store=store, clock=clock)
    await store.aclose()


def _store(request: pytest.FixtureRequest, clock: FakeClock, folder: Path) -> Store:
    if request.param == "redis":
        return RedisStore(request.getfixturevalue("redis_url"), clock=clock)
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return PostgresStore(server.url, table=new_table(), clock=clock)
    return MemoryStore(clock) if request.param == "memory" else SQLiteStore(folder / "state.sqlite3", clock)


async def ids(house: House, user: str) -> set[str]:
    return {grant.id for grant in await house.proxy.hall.listing.of_user(user)}


async def test_parallel_sign_ins_are_all_listed_and_end_one_by_one(house: House) -> None:
    house.idp.auto_approve_as = None
    users = ["alice"] * 6 + ["bob"] * 2
    await at_once(*(house.signed_in(user=ScriptedUser(name, apps=house.apps)) for name in users))
    alice = await ids(house, "alice")
    assert (len(alice), len(await ids(house, "bob"))) == (6, 2)
    found = await house.proxy.hall.listing.find(SessionFilter())
    assert {grant.id for grant in found} == alice | await ids(house, "bob")
    assert len(await house.proxy.hall.listing.find(SessionFilter(), 3)) == 3
    ended = sorted(alice)[:4]
    await house.proxy.hall.listing.end_all(ended, reasons.ENDED_BY_OPERATOR)
    assert await ids(house, "alice") == alice - set(ended)


async def test_entries_without_a_session_are_removed(house: House, clock: FakeClock) -> None:
    await house.signed_in()
    listing = house.proxy.hall.listing
    [grant] = await listing.of_user("alice")
    await listing.add(replace(grant, id="A" * 22, created_at=clock.now()))
    assert len(await listing._index.entries("alice")) == 2
    await listing.of_user("alice")
    assert len(await listing._index.entries("alice")) == 2, "a sign-in may be on its way"
    clock.advance(601)
    await listing.of_user("alice")
    assert set(await listing._index.entries("alice")) == {grant.id}
    await listing._index.remove("alice", [grant.id])
    assert await listing._index.entries("alice") == {}
    assert [key async for key, _ in house.store.scan("user/")] == [], "an empty list is no record"
    assert (await listing.add(grant)).listed is not None
    assert set(await listing._index.entries("alice")) == {grant.id}


async def test_a_list_outlives_the_sessions_in_it(house: House, clock: FakeClock) -> None:
    client = await house.signed_in()
    for _ in range(5):
        clock.advance(25 * 86_400)
        client.tokens = (await house.refresh(client, client.tokens["refresh_token"])).json()
        [(_, record)] = [found async for found in house.store.scan("user/")]
        [grant] = await house.proxy.hall.listing.of_user("alice")
        assert record.expires_at >= grant.expires_at


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
@pytest.mark.parametrize("kind", ["redis", "postgres"])
async def test_two_processes_write_one_list(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server: Server = request.getfixturevalue(f"{kind}_server")
    await (await emptied(server.url)).aclose()
    with street(tmp_path, servers=2, access_token_seconds=3600, database=server.url) as two:
        clients = [await two.client() for _ in range(6)]
        callback = f"{two.base_url}/auth/callback"
        urls = [await client.user.visit(client.start().url, callback) for client in clients]
        answers = await at_once(
            *(
                client.user.browser.get(url.replace(str(two.ports[0]), str(two.ports[number % 2]), 1))
                for number, (client, url) in enumerate(zip(clients, urls, strict=True))
            )
        )
        assert {answer.status_code for answer in answers} == {303}
        told, living = await beside(two)
        assert {grant.id for grant in told} == living
        assert len(living) == 6
        for client in clients:
            await client.aclose()
        await two.http.aclose()
