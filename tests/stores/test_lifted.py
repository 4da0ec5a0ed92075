"""A foreign store on Redis or PostgreSQL gives its place, and its records, to ours on the same server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from key_value.aio.stores.memory import MemoryStore as ForeignMemory
from key_value.aio.stores.postgresql import PostgreSQLStore as ForeignPostgres
from key_value.aio.stores.redis import RedisStore as ForeignRedis
from key_value.aio.wrappers.base import BaseWrapper
from key_value.aio.wrappers.encryption.fernet import FernetEncryptionWrapper
from key_value.aio.wrappers.prefix_collections import PrefixCollectionsWrapper
from redis.asyncio import Redis, Sentinel
from tests.stores.servers import PostgresServer, RedisServer

from vestibule.storage.contract import HeldClock
from vestibule.storage.key_value import KeyValueStore
from vestibule.storage.lifted import LiftedStore, lift
from vestibule.storage.locate import open_store
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.redis import RedisStore

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:A configured store is unstable"),
    pytest.mark.filterwarnings("ignore:Call to deprecated setex"),
]

FERNET = Fernet(Fernet.generate_key())


@pytest.fixture(params=["redis", "redis client", "postgres", "postgres parts"])
async def foreign(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[], Any]]:
    """What makes the same store as often as it is called, one for each process."""
    made: list[Any] = []
    kind, name = request.param, uuid4().hex
    server: RedisServer | PostgresServer = request.getfixturevalue(f"{kind.split()[0]}_server")

    def make() -> Any:
        if kind == "redis":
            core: Any = ForeignRedis(url=server.url)
        elif kind == "redis client":
            core = ForeignRedis(client=Redis.from_url(server.url, decode_responses=True))
        elif kind == "postgres":
            core = ForeignPostgres(url=server.url)
        else:
            core = ForeignPostgres(host="127.0.0.1", port=server.port, user="vestibule", database="postgres")
        made.append(core)
        return FernetEncryptionWrapper(PrefixCollectionsWrapper(core, prefix=name), fernet=FERNET)

    yield make
    for core in made:
        await (core._client.aclose() if kind == "redis client" else core.close())


def lifted(foreign: Any) -> LiftedStore:
    store = lift(foreign)
    assert isinstance(store, LiftedStore)
    return store


async def test_records_of_before_are_there_and_exact(foreign: Callable[[], Any]) -> None:
    before = KeyValueStore(foreign())
    for number in range(4):
        assert await before.put_new(f"grant/{number}", b"%d" % number, 600)
    stores = [lifted(foreign()) for _ in range(3)]
    found = await asyncio.gather(*(store.get("grant/0") for store in stores for _ in range(5)))
    assert {(record.value, record.version) for record in found} == {(b"0", found[0].version)}
    wins = await asyncio.gather(*(store.swap("grant/0", found[0].version, b"new", 600) for store in stores))
    assert wins.count(True) == 1
    assert await before.get("grant/0") is None
    assert not await stores[0].put_new("grant/1", b"again", 600)
    everything = {key: record.value async for key, record in stores[0].scan("grant/")}
    assert everything["grant/0"] == b"new"
    assert everything["grant/1"] == b"1"
    for store in stores:
        await store.aclose()


async def test_what_was_removed_does_not_come_back(foreign: Callable[[], Any]) -> None:
    before = KeyValueStore(foreign())
    assert await before.put_new("grant/1", b"old", 600)
    stores = [lifted(foreign()) for _ in range(2)]
    assert await stores[0].swap("grant/1", (await stores[0].get("grant/1")).version, None, 0)
    assert [await store.get("grant/1") for store in stores] == [None, None]
    for store in stores:
        await store.aclose()


async def test_what_a_process_that_died_left_behind_does_not_come_back(foreign: Callable[[], Any]) -> None:
    class Killed(BaseException):
        pass

    class Dies(KeyValueStore):
        async def drop(self, key: str) -> bool:
            raise Killed

    clock = HeldClock()
    assert await KeyValueStore(foreign(), clock).put_new("grant/1", b"alive", 6000)
    store = lift(foreign(), clock)
    assert isinstance(store, LiftedStore)
    with pytest.raises(Killed):
        await LiftedStore(store.native, Dies(foreign(), clock, is_replaced=True), clock).get("grant/1")
    record = await store.get("grant/1")
    assert record is not None
    assert await store.swap("grant/1", record.version, b"ended", 60)
    for _ in range(3):
        clock.advance(61)
        assert await store.get("grant/1") is None
    await store.aclose()


async def test_two_servers_that_are_parted_by_prefix_stay_so(redis_server: RedisServer) -> None:
    core = ForeignRedis(url=redis_server.url)
    stores = [lifted(PrefixCollectionsWrapper(core, prefix=f"{name}{uuid4().hex}")) for name in "ab"]
    assert [await store.put_new("a/1", b"", 60) for store in stores] == [True, True]
    for store in stores:
        await store.aclose()
    await core.close()


async def test_it_is_logged_and_chosen_by_itself(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    core = ForeignRedis(url=redis_server.url.replace("//", "//someone:hunter2@"))
    store = open_store(core, namespace="a", public_url="https://mcp.example.com")
    assert isinstance(store, LiftedStore)
    assert isinstance(store.native, RedisStore)
    assert "takes its place" in caplog.text
    assert "hunter2" not in caplog.text + repr(store)
    await core.close()


def test_what_cannot_be_lifted_stays(caplog: pytest.LogCaptureFixture) -> None:
    class Unknown(BaseWrapper):
        def __init__(self, key_value: Any) -> None:
            self.key_value = key_value

    assert lift(ForeignMemory()) is None
    assert not caplog.text
    assert lift(Unknown(ForeignRedis(url="redis://localhost"))) is None
    assert "Unknown is not known" in caplog.text
    sentinel = Sentinel([("localhost", 1)]).master_for("service", decode_responses=True)
    assert lift(ForeignRedis(client=sentinel)) is None
    assert "redis+sentinel://" in caplog.text


def test_a_password_of_parts_is_not_shown() -> None:
    store = lift(ForeignPostgres(host="localhost", user="someone", password="hunter2"))
    assert isinstance(store, LiftedStore)
    assert isinstance(store.native, PostgresStore)
    assert "hunter2" not in repr(store)
