"""The table of the PostgreSQL store: made once, brought up to date, emptied of what has ended, and used through a pooler."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from functools import partial
from uuid import uuid4

import asyncpg
import pytest
from tests.races.air import until
from tests.stores.servers import PostgresServer, running

from vestibule.errors import ConfigurationError, Unavailable
from vestibule.storage import postgres_schema
from vestibule.storage.contract import HeldClock, StoreContract
from vestibule.storage.postgres import PostgresStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def table() -> str:
    return f"records_{uuid4().hex}"


async def test_many_that_start_at_once_make_one_table(postgres_server: PostgresServer, table: str) -> None:
    stores = [PostgresStore(postgres_server.url, table=table) for _ in range(10)]
    made = await asyncio.gather(*(store.prepare() for store in stores))
    assert made.count(True) == 1
    assert sum(await asyncio.gather(*(store.put_new("a/1", b"", 60) for store in stores))) == 1
    for store in stores:
        await store.aclose()


async def test_an_older_table_is_migrated_and_keeps_its_records(
    postgres_server: PostgresServer, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (PostgresStore(postgres_server.url, table=table) for _ in range(2))
    assert await old.put_new("a/1", b"kept", 60)
    added = ("ALTER TABLE {table} ADD COLUMN note text",)
    monkeypatch.setattr(postgres_schema, "_MIGRATIONS", (*postgres_schema._MIGRATIONS, added))
    monkeypatch.setattr(postgres_schema, "SCHEMA_VERSION", 2)
    assert await new.prepare()
    assert (await new.get("a/1")).value == b"kept"
    assert (await old.get("a/1")).value == b"kept"  # one that runs already goes on
    await old.aclose()
    await new.aclose()


@pytest.mark.parametrize("comment", ["vestibule schema 99", "something else", None])
async def test_a_table_that_is_not_understood_is_left_alone(
    postgres_server: PostgresServer, table: str, admin: asyncpg.Connection, comment: str | None
) -> None:
    await admin.execute(f"CREATE TABLE {table} (key text)")
    if comment:
        await admin.execute(f"COMMENT ON TABLE {table} IS '{comment}'")
    store = PostgresStore(postgres_server.url, table=table)
    with pytest.raises(Unavailable, match="of a newer release, or not of Vestibule"):
        await store.put_new("a/1", b"", 60)
    await store.aclose()


async def test_a_role_that_may_not_change_tables_uses_the_one_that_is_there(
    postgres_server: PostgresServer, table: str, admin: asyncpg.Connection
) -> None:
    owner = PostgresStore(postgres_server.url, table=table)
    await owner.prepare()
    role = f"reader_{table}"[:50]
    await admin.execute(f"CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")
    store = PostgresStore(postgres_server.url.replace("vestibule@", f"{role}@"), table=table)
    assert not await store.prepare()
    assert await store.put_new("a/1", b"", -1)
    await store.purge()
    assert await admin.fetchval(f"SELECT count(*) FROM {table}") == 0
    for each in (owner, store):
        await each.aclose()


async def test_a_role_that_may_not_make_the_table_is_told_so(
    postgres_server: PostgresServer, table: str, admin: asyncpg.Connection
) -> None:
    """And not of rights on a table that is not there."""
    role = f"guest_{table}"[:50]
    await admin.execute(f"REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {role} LOGIN")
    store = PostgresStore(postgres_server.url.replace("vestibule@", f"{role}@"), table=table)
    for verb in (store.prepare, partial(store.get, "a/1")):
        with pytest.raises(Unavailable, match=f"the table {table} is not there or not up to date, .* vestibule storage init"):
            await verb()
    await store.aclose()


async def test_what_has_ended_goes_along_with_writes(
    postgres_server: PostgresServer, table: str, admin: asyncpg.Connection
) -> None:
    clock = HeldClock()
    store = PostgresStore(postgres_server.url, table=table, clock=clock)
    for number in range(300):
        await store.put_new(f"short/{number}", b"", 1)
    clock.advance(2)
    for number in range(300):
        await store.put_new(f"long/{number}", b"", 1000)
    while await admin.fetchval(f"SELECT count(*) FROM {table} WHERE key LIKE 'short/%'"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await store.aclose()


async def test_reads_writes_and_purges_use_the_indexes(
    postgres_server: PostgresServer, table: str, admin: asyncpg.Connection
) -> None:
    from vestibule.storage import postgres

    store = PostgresStore(postgres_server.url, table=table)
    await store.prepare()
    await admin.execute(
        f"INSERT INTO {table} SELECT 'a/' || n, '', n, 2e9 + n FROM generate_series(1, 5000) n; ANALYZE {table}"
    )
    asked = {postgres._GET: ("'a/7'", "0"), postgres._PURGE: ("1", "100"), postgres._SCAN: ("''", "'a/7'", "'a/8'", "0")}
    for statement, values in asked.items():
        text = statement.format(table=table)
        for number, value in enumerate(values, 1):
            text = text.replace(f"${number}", value)
        plan = "\n".join(row[0] for row in await admin.fetch(f"EXPLAIN {text}"))
        assert "Seq Scan" not in plan, plan
    await store.aclose()


async def test_a_purge_looks_at_no_more_rows_than_it_removes(
    postgres_server: PostgresServer, table: str, admin: asyncpg.Connection
) -> None:
    from vestibule.storage import postgres

    store = PostgresStore(postgres_server.url, table=table)
    await store.prepare()
    await admin.execute(f"INSERT INTO {table} SELECT 'a/' || n, '', n, n FROM generate_series(1, 20000) n; ANALYZE {table}")
    purge = postgres._PURGE.format(table=table).replace("$1", "2000").replace("$2", "100")
    plan = [row[0] for row in await admin.fetch(f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) {purge}")]
    seen = [int(rows) for line in plan for rows in re.findall(r"rows=(\d+)", line)]
    assert len(seen) >= 3
    assert max(seen) <= 100, "\n".join(plan)
    await store.aclose()


@pytest.mark.parametrize("attributes", ["primary", "any"])
async def test_a_host_that_says_nothing_leaves_time_for_the_others(
    postgres_server: PostgresServer, table: str, attributes: str
) -> None:
    """A machine that lost its power refuses no connection."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{postgres_server.port}"
        store = PostgresStore(
            f"postgresql://vestibule@{hosts}/postgres?target_session_attrs={attributes}", table=table, timeout=2
        )
        assert await store.put_new("a/1", b"", 60)
        store.announcements.listen(lambda _: None)
        await until(lambda: store.announcements.are_heard)
        await store.aclose()


async def test_of_a_server_that_falls_silent_no_connection_is_tried_again(postgres_server: PostgresServer, table: str) -> None:
    """Each of them would take the time of a verb before the next host is asked."""
    with running(PostgresServer()) as silent:
        hosts = f"127.0.0.1:{silent.port},127.0.0.1:{postgres_server.port}"
        store = PostgresStore(f"postgresql://vestibule@{hosts}/postgres", table=table, timeout=2)
        await asyncio.gather(*(store.put_new(f"a/{number}", b"", 60) for number in range(5)))
        silent.freeze()
        with pytest.raises(Unavailable, match="does not answer in time"):
            await store.get("a/1")
        assert await store.get("a/1") is None
        await store.aclose()


async def test_a_host_that_only_reads_is_passed_over(postgres_server: PostgresServer, table: str) -> None:
    with running(PostgresServer(default_transaction_read_only="on")) as reading:
        hosts = f"127.0.0.1:{reading.port},127.0.0.1:{postgres_server.port}"
        store = PostgresStore(f"postgresql://vestibule@{hosts}/postgres?target_session_attrs=read-write", table=table)
        assert await store.put_new("a/1", b"", 60)
        await store.aclose()


@pytest.mark.parametrize("name", ["records; DROP TABLE x", "Records", '"records"', "a.b.c", "", "x" * 60])
def test_a_table_name_is_only_a_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match="table name"):
        PostgresStore("postgresql://host/name", table=name)


@pytest.mark.spec("TK-11", "RF-08")
class TestBehindAPooler(StoreContract):
    @pytest.fixture
    async def store(self, pooler: str, clock: HeldClock, table: str) -> AsyncIterator[PostgresStore]:
        store = PostgresStore(pooler, table=table, clock=clock)
        yield store
        await store.aclose()
