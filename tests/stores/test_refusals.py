"""A server that answers and refuses: full, read-only, empty, without rights. What it says is told, and it is used again when it can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from tests.stores.servers import PostgresServer, RedisServer, running
from tests.stores.trouble import recovered, refused

from vestibule.errors import Unavailable
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.redis import RedisStore

pytestmark = [pytest.mark.anyio, pytest.mark.spec("RF-03")]


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


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("/postgres?no_such_setting=x", "the server knows no setting no_such_setting, which the URL names"),
        ("/postgres?channel_binding=require", "the server knows no setting channel_binding, which the URL names"),
        ("/postgres?sslmode=require", "the server offers no TLS, which sslmode asks for"),
        ("/postgres?sslmode=verify-full", "the options of the connection cannot be used: root certificate file"),
        ("/no_such_database", "the database does not exist"),
    ],
)
async def test_an_option_that_does_not_fit_the_server_is_named(
    postgres_server: PostgresServer, where: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store = PostgresStore(postgres_server.url.removesuffix("/postgres") + where)
    trouble = await refused(store.get("a/1"))
    assert trouble.detail.startswith(told)
    assert "\n" not in trouble.detail
    await store.aclose()


async def test_a_pooler_names_the_option_that_it_does_not_pass_on(pooler: str) -> None:
    store = PostgresStore(f"{pooler}{'&' if '?' in pooler else '?'}no_such_setting=x")
    assert (await refused(store.get("a/1"))).detail == "the server knows no setting no_such_setting, which the URL names"
    await store.aclose()


async def test_a_host_that_has_no_address_is_told() -> None:
    for store in (PostgresStore("postgresql://no-such-host.invalid/db"), RedisStore("redis://no-such-host.invalid")):
        assert (await refused(store.get("a/1"))).detail == "the name of the host cannot be resolved"
        await store.aclose()


async def test_a_single_redis_is_no_cluster(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url.replace("redis://", "redis+cluster://").removesuffix("/0"))
    assert "is no cluster" in (await refused(store.get("a/1"))).detail
    await store.aclose()


async def test_one_server_of_a_cluster_is_told_from_a_single_one(cluster: str) -> None:
    store = RedisStore(cluster.replace("redis+cluster", "redis"))
    details = set()
    for number in range(20):  # some of them are its own
        try:
            await store.get(f"a/{number}")
        except Unavailable as error:
            details.add(error.detail)
    assert details == {"the server is one of a cluster: its URL is redis+cluster://host:port"}
    await store.aclose()


async def test_a_cluster_that_is_down_is_told() -> None:
    with running(RedisServer("--cluster-enabled", "yes")) as alone:
        store = RedisStore(alone.url)
        assert (await refused(store.get("a/1"))).detail == "the cluster is down, or the part of it that has the record"
        await store.aclose()


@pytest.mark.parametrize(
    ("scheme", "where", "told"),
    [
        ("redis", "/99", "the server has no database of this number"),
        ("redis+sentinel", "/service/0", "the server is no Sentinel: a Redis or Valkey itself is redis://host:port"),
    ],
)
async def test_what_a_redis_does_not_have_is_told(redis_server: RedisServer, scheme: str, where: str, told: str) -> None:
    store = RedisStore(f"{scheme}{redis_server.url.removeprefix('redis').removesuffix('/0')}{where}")
    assert (await refused(store.get("a/1"))).detail == told
    await store.aclose()


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


async def test_a_write_that_may_have_been_done_is_not_run_again(table, admin: asyncpg.Connection) -> None:
    """SQLSTATE 40003, which other servers with PostgreSQL's protocol answer, is in the class of what was rolled back, and is not."""
    store, name = table
    await admin.execute(f"CREATE SEQUENCE {name}_tries")
    await admin.execute(
        f"CREATE FUNCTION {name}_unknown() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('{name}_tries');"
        " RAISE EXCEPTION 'unknown' USING ERRCODE = '40003'; END $$"
    )
    await admin.execute(f"CREATE TRIGGER unknown BEFORE INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION {name}_unknown()")
    await refused(store.put_new("a/2", b"", 60))
    assert await admin.fetchval(f"SELECT last_value FROM {name}_tries") == 1
