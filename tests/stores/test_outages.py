"""What becomes of a verb when the server is gone, silent, full or read-only, and that nothing has to be restarted afterwards."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import uuid4

import asyncpg
import pytest
from tests.stores.servers import PostgresServer, RedisServer, Server

from vestibule import reasons
from vestibule.errors import Unavailable
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.protocol import Store
from vestibule.storage.redis import RedisStore

pytestmark = [pytest.mark.anyio, pytest.mark.spec("RF-03")]

PATIENCE = 1.0  # seconds that a verb may take in these tests


@pytest.fixture(params=["redis", "postgres"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Server, Store]]:
    server = request.getfixturevalue(f"{request.param}_server")
    if request.param == "redis":
        store: Store = RedisStore(server.url, prefix=uuid4().hex, timeout=PATIENCE)
    else:
        store = PostgresStore(server.url, table=f"records_{uuid4().hex}", timeout=PATIENCE)
    yield server, store
    await store.aclose()


async def refused(verb: object) -> Unavailable:
    """What a verb raises, within its time."""
    began = time.monotonic()
    with pytest.raises(Unavailable) as found:
        await verb  # type: ignore[misc]
    assert time.monotonic() - began < PATIENCE + 1
    assert found.value.reason is reasons.STORE_UNAVAILABLE
    return found.value


async def recovered(store: Store) -> None:
    """A write and a read succeed; while the server comes back a few may fail."""
    for _ in range(20):
        try:
            assert await store.put_new(f"after/{uuid4()}", b"", 60)
            return
        except Unavailable:
            await asyncio.sleep(0.05)
    pytest.fail("the store does not recover")


async def test_killed_and_started_again_it_goes_on_and_has_lost_nothing(backend, caplog: pytest.LogCaptureFixture) -> None:
    server, store = backend
    caplog.set_level(logging.INFO, "vestibule.storage")
    assert await store.put_new("a/1", b"kept", 600)
    version = (await store.get("a/1")).version
    await asyncio.gather(*(store.get("a/1") for _ in range(20)))  # so that there are many connections to break
    server.kill()
    for verb in (store.get("a/1"), store.put_new("a/2", b"", 60), store.swap("a/1", version, b"", 60), store.purge()):
        if not isinstance(store, RedisStore) or verb.__name__ != "purge":
            await refused(verb)
        else:
            verb.close()
    with pytest.raises(Unavailable):
        [key async for key, _ in store.scan("a/")]
    server.start()
    await recovered(store)
    assert (await store.get("a/1")).value == b"kept"
    assert await store.swap("a/1", version, b"changed", 60)
    told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == len(set(told)) <= 3
    assert any("works again" in record.message for record in caplog.records)


async def test_a_restart_between_two_verbs_costs_no_read(backend) -> None:
    server, store = backend
    assert await store.put_new("a/1", b"kept", 600)
    await asyncio.gather(*(store.get("a/1") for _ in range(10)))
    server.kill()
    server.start()
    found = await asyncio.gather(*(store.get("a/1") for _ in range(10)))
    assert {record.value for record in found} == {b"kept"}


async def test_a_silent_server_is_given_up_in_time(backend) -> None:
    server, store = backend
    assert await store.put_new("a/1", b"kept", 600)
    server.freeze()
    try:
        error, *_ = await asyncio.gather(
            *(refused(store.get("a/1")) for _ in range(20)), refused(store.put_new("a/2", b"", 60))
        )
        assert error.detail == "the server does not answer in time"
    finally:
        server.thaw()
    await recovered(store)
    assert (await store.get("a/1")).value == b"kept"


async def test_a_verb_that_is_broken_off_leaves_no_answer_for_the_next(backend) -> None:
    _, store = backend
    for number in range(50):
        assert await store.put_new(f"a/{number}", b"%d" % number, 600)
    for round_ in range(30):
        asked = [asyncio.ensure_future(store.get(f"a/{number}")) for number in range(50)]
        for _ in range(round_ % 7):
            await asyncio.sleep(0)
        for task in asked[::2]:
            task.cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(
            isinstance(answer, asyncio.CancelledError) or answer.value == b"%d" % number
            for number, answer in enumerate(answers)
        )


async def test_no_password_is_shown(backend, caplog: pytest.LogCaptureFixture) -> None:
    server, store = backend
    url = server.url.partition("://")[0] + "://someone:hunter2@127.0.0.1:1/0"
    closed = type(store)(url, timeout=PATIENCE)
    error = await refused(closed.get("a/1"))
    assert "hunter2" not in f"{error} {closed!r} {caplog.text}"
    await closed.aclose()


@contextmanager
def set_for_a_while(server: RedisServer, name: str, value: str, usual: str) -> Iterator[None]:
    assert server.ask("CONFIG", "SET", name, value) == b"+OK"
    try:
        yield
    finally:
        assert server.ask("CONFIG", "SET", name, usual) == b"+OK"


async def test_a_redis_whose_memory_is_full_keeps_what_it_has(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url, prefix=uuid4().hex)
    assert await store.put_new("a/1", b"kept", 60)
    with set_for_a_while(redis_server, "maxmemory", "1", "0"):
        assert (await refused(store.put_new("a/2", b"", 60))).detail == "the server's memory is full"
        assert (await store.get("a/1")).value == b"kept"
    await recovered(store)
    await store.aclose()


async def test_a_redis_that_became_a_replica_is_written_again_when_it_is_none(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url, prefix=uuid4().hex)
    assert await store.put_new("a/1", b"kept", 60)
    with set_for_a_while(redis_server, "replica-serve-stale-data", "yes", "yes"):
        assert redis_server.ask("REPLICAOF", "127.0.0.1", "1") == b"+OK"
        try:
            assert (await refused(store.put_new("a/2", b"", 60))).detail == "the server is a replica and cannot be written"
            assert (await store.get("a/1")).value == b"kept"
        finally:
            assert redis_server.ask("REPLICAOF", "NO", "ONE") == b"+OK"
    await recovered(store)
    await store.aclose()


async def test_a_redis_started_empty_is_taught_the_scripts_again(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url, prefix=uuid4().hex)
    assert await store.put_new("a/1", b"", 60)
    assert redis_server.ask("SCRIPT", "FLUSH") == b"+OK"
    assert redis_server.ask("FLUSHALL") == b"+OK"
    assert await store.get("a/1") is None
    assert await store.put_new("a/1", b"new", 60)
    await store.aclose()


async def test_how_a_redis_may_lose_records_is_said_once(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with (
        set_for_a_while(redis_server, "maxmemory", "100mb", "0"),
        set_for_a_while(redis_server, "maxmemory-policy", "allkeys-lru", "noeviction"),
    ):
        store = RedisStore(redis_server.url)
        for _ in range(3):
            await store.get("a/1")
        await store.aclose()
    assert caplog.text.count("it removes living records when its memory is full") == 1


@pytest.fixture
async def admin(postgres_server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_server.url)
    yield connection
    await connection.close()


@pytest.fixture
async def table(postgres_server: PostgresServer) -> AsyncIterator[tuple[PostgresStore, str]]:
    name = f"records_{uuid4().hex}"
    store = PostgresStore(postgres_server.url, table=name)
    assert await store.put_new("a/1", b"kept", 60)
    yield store, name
    await store.aclose()


FAILING: dict[str, str] = {
    "53100": "the server's disk is full",
    "53300": "the server has no connection left",
    "42501": "the role may not do what is needed: select, insert, update and delete on the table",
    "XX000": "the server reports InternalServerError",
}


@pytest.mark.parametrize("code", FAILING)
async def test_what_postgres_refuses_is_told(table, admin: asyncpg.Connection, code: str) -> None:
    store, name = table
    await admin.execute(
        f"CREATE FUNCTION fail_{name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$;"
        f" CREATE TRIGGER fail BEFORE INSERT ON {name} EXECUTE FUNCTION fail_{name}()"
    )
    assert (await refused(store.put_new("a/2", b"", 60))).detail == FAILING[code]
    assert (await store.get("a/1")).value == b"kept"
    await admin.execute(f"DROP TRIGGER fail ON {name}")
    await recovered(store)


async def test_a_read_only_postgres_is_left_for_the_one_that_takes_its_place(table, admin: asyncpg.Connection) -> None:
    store, _ = table
    await admin.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL"
    )
    try:
        assert await store.get("a/1") is not None
        assert (await refused(store.put_new("a/2", b"", 60))).detail == "the server is read-only"
        assert (await store.get("a/1")).value == b"kept"
    finally:
        await admin.execute(
            "SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only"
        )
    # Connections of before would stay read-only for good.
    await recovered(store)


async def test_a_postgres_started_empty_gets_its_table_again(table, admin: asyncpg.Connection) -> None:
    store, name = table
    await admin.execute(f"DROP TABLE {name}")
    await recovered(store)
    assert await store.get("a/1") is None


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_a_stricter_isolation_changes_nothing(postgres_server: PostgresServer, level: str) -> None:
    options: dict[str, str] = {"default_transaction_isolation": level}
    store = PostgresStore(postgres_server.url, table=f"records_{uuid4().hex}", server_settings=options)
    wins = await asyncio.gather(*(store.put_new("a/1", b"%d" % number, 60) for number in range(8)), return_exceptions=True)
    assert wins.count(True) == 1
    assert set(map(str, wins)) <= {"True", "False"}
    await store.aclose()
