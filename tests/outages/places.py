"""The three stores as places that trouble can be brought to, and taken from again."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import asyncpg
from tests.stores.servers import PostgresServer, RedisServer, Server, free_port
from tests.stores.trouble import PATIENCE

from vestibule.clock import Clock
from vestibule.errors import Unavailable
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.protocol import Store
from vestibule.storage.redis import RedisStore
from vestibule.storage.sqlite import SQLiteStore


class Place(Protocol):
    """Where a store is.

    Attributes:
        kind: of store.
        store: what is there, empty.
        trouble: that it is in; empty if none.
    """

    kind: str
    store: Store
    trouble: str

    async def begin(self, trouble: str) -> None:
        """Bring the trouble."""

    async def end(self) -> None:
        """Take it away."""

    async def copy(self) -> None:
        """Make a copy of what is there, for a later failover."""


class ServerPlace:
    """A place at a server: some trouble is the same for every kind."""

    server: Server
    trouble = ""

    async def begin(self, trouble: str) -> None:
        self.trouble = trouble
        match trouble:
            case "unreachable":
                self.server.kill()
            case "frozen":
                self.server.freeze()
            case _:
                await self._begin(trouble)

    async def end(self) -> None:
        trouble, self.trouble = self.trouble, ""
        match trouble:
            case "unreachable":
                self.server.start()
            case "frozen":
                self.server.thaw()
            case _:
                await self._end(trouble)

    async def _begin(self, trouble: str) -> None:
        """Bring a trouble of this kind's own."""
        raise NotImplementedError

    async def _end(self, trouble: str) -> None:
        """Take it away, if it does not go by itself."""
        raise NotImplementedError


class RedisPlace(ServerPlace):
    kind = "redis"
    server: RedisServer

    def __init__(self, server: RedisServer, clock: Clock) -> None:
        self.server = server
        self.store = RedisStore(server.url, prefix=f"{uuid4().hex}:", clock=clock, timeout=PATIENCE)

    async def _begin(self, trouble: str) -> None:
        match trouble:
            case "read-only":
                self.server.ask("REPLICAOF", "127.0.0.1", str(free_port()))
            case "too few replicas":
                self.server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
            case "full":
                self.server.ask("CONFIG", "SET", "maxmemory", "1")
            case "restarted empty":
                self._restart_with(None)
            case _:
                self._restart_with(self._copy)

    async def _end(self, trouble: str) -> None:
        match trouble:
            case "read-only":
                self.server.ask("REPLICAOF", "NO", "ONE")
            case "too few replicas":
                self.server.ask("CONFIG", "SET", "min-replicas-to-write", "0")
            case "full":
                self.server.ask("CONFIG", "SET", "maxmemory", "0")

    async def copy(self) -> None:
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.server.folder, self._copy)

    @property
    def _copy(self) -> Path:
        return self.server.folder.with_suffix(".copy")

    def _restart_with(self, data: Path | None) -> None:
        self.server.kill()
        shutil.rmtree(self.server.folder)
        if data is None:
            self.server.folder.mkdir()
        else:
            shutil.move(data, self.server.folder)
        self.server.start()


class PostgresPlace(ServerPlace):
    kind = "postgres"
    server: PostgresServer

    def __init__(self, server: PostgresServer, clock: Clock) -> None:
        self.server = server
        self.table = f"records_{uuid4().hex}"
        # Without the question whether the server speaks TLS: asyncpg tells the event loop of every one that was never answered.
        self.store = PostgresStore(f"{server.url}?sslmode=disable", table=self.table, clock=clock, timeout=PATIENCE)

    async def _begin(self, trouble: str) -> None:
        match trouble:
            case "read-only":
                await self._run("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
            case "full":
                await self._run(
                    f"CREATE FUNCTION full_{self.table}() RETURNS trigger LANGUAGE plpgsql AS"
                    " $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'No space left on device'; END $$",
                    f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {self.table} EXECUTE FUNCTION full_{self.table}()",
                )
            case "restarted empty":
                self.server.kill()
                self.server.start()
                await self._run(f"DROP TABLE {self.table}")
            case _:
                await self._run(f"TRUNCATE {self.table}", f"INSERT INTO {self.table} TABLE {self.table}_copy")

    async def _end(self, trouble: str) -> None:
        match trouble:
            case "read-only":
                await self._run("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
            case "full":
                await self._run(f"DROP TRIGGER full_disk ON {self.table}")

    async def copy(self) -> None:
        await self._run(f"CREATE TABLE {self.table}_copy AS TABLE {self.table}")

    async def _run(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.server.url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()


class ReadOnlySQLite(SQLiteStore):
    """A file that can become one that may only be read. Tests may run as root, who may write every file."""

    may_write = True

    def _open(self) -> sqlite3.Connection:
        connection = super()._open()
        connection.execute(f"PRAGMA query_only = {not self.may_write}")
        return connection


class SQLitePlace:
    kind = "sqlite"
    trouble = ""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        folder.mkdir()
        self.store = ReadOnlySQLite(self._file, clock)
        self._holder: Any = None

    async def begin(self, trouble: str) -> None:
        self.trouble = trouble
        await self.store.aclose()
        match trouble:
            case "unreachable":
                self.folder.rename(self._away)
            case "frozen":
                self._holder = sqlite3.connect(self._file, isolation_level=None)
                self._holder.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._holder.execute("BEGIN IMMEDIATE")
            case "read-only":
                self.store.may_write = False
            case "full":
                await self._fill()
            case "restarted empty":
                shutil.rmtree(self.folder)
                self.folder.mkdir()
            case _:
                shutil.rmtree(self.folder)
                shutil.move(self._copy, self.folder)

    async def end(self) -> None:
        trouble, self.trouble = self.trouble, ""
        match trouble:
            case "unreachable":
                self._away.rename(self.folder)
            case "frozen":
                self._holder.close()
            case "read-only":
                self.store.may_write = True
                await self.store.aclose()
            case "full":
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                self._holder.close()

    async def copy(self) -> None:
        await self.store.aclose()
        shutil.copytree(self.folder, self._copy)

    @property
    def _file(self) -> Path:
        return self.folder / "state.sqlite3"

    @property
    def _away(self) -> Path:
        return self.folder.with_suffix(".away")

    @property
    def _copy(self) -> Path:
        return self.folder.with_suffix(".copy")

    async def _fill(self) -> None:
        """Let no file of this process become larger than the one that changes are written to, as if the disk ended there.

        Somebody who reads all the while keeps that file from being emptied. It is larger than any other file that the tests write.
        """
        self._holder = sqlite3.connect(self._file, isolation_level=None)
        self._holder.execute("BEGIN")
        self._holder.execute("SELECT count(*) FROM records").fetchone()
        for _ in range(80):
            await self.store.put_new(f"filler/{uuid4()}", b"." * 100_000, 3600)
        size = (self.folder / "state.sqlite3-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def shows(store: Store) -> None:
    """Wait until a trouble with writing has reached the store's connections."""
    for _ in range(100):
        try:
            await store.put_new(f"filler/{uuid4()}", b"." * 1500, 60)
        except Unavailable:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the trouble does not show")
