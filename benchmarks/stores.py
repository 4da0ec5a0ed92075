"""The stores that several processes can share, each as durable as its page of the manual says, with a server of its own where it has one."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.stores.servers import PostgresServer, RedisServer

NAMES = {"sqlite": "SQLite", "redis": "Redis", "postgres": "PostgreSQL"}
_REDIS = ("--appendfsync", "everysec")
_POSTGRES = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "120",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A running store.

    Attributes:
        name: one of :data:`NAMES`.
        url: as ``client_storage`` takes it.
        sizes: what it takes, in bytes, by what it is.
        version: of the server or library.
    """

    name: str
    url: str
    sizes: Callable[[], dict[str, int]]
    version: str


@contextmanager
def running(name: str) -> Iterator[Place]:
    """Start the store, empty; end it and take everything away on leaving."""
    with {"sqlite": _sqlite, "redis": _redis, "postgres": _postgres}[name]() as place:
        yield place


@contextmanager
def _sqlite() -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        file = folder / "state" / "state.sqlite3"
        yield Place("sqlite", f"sqlite:///{file}", lambda: {"file": _size(file), "log": _size(Path(f"{file}-wal"))}, _library())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _redis() -> Iterator[Place]:
    server = RedisServer(*_REDIS)
    try:
        server.start()
        about = _told(server, "server")

        def sizes() -> dict[str, int]:
            files = sum(_size(file) for file in server.folder.rglob("*"))
            return {"memory": int(_told(server, "memory")["used_memory_rss"]), "append-only file": files}

        yield Place("redis", server.url, sizes, f"{about.get('server_name', 'redis')} {about['redis_version']}")
    finally:
        server.remove()


@contextmanager
def _postgres() -> Iterator[Place]:
    server = PostgresServer(**_POSTGRES)
    try:
        server.start()

        def sizes() -> dict[str, int]:
            table, indexes = _query(
                server, "SELECT pg_table_size(oid), pg_indexes_size(oid) FROM pg_class WHERE relname = 'vestibule_records'"
            )
            return {"table": int(table), "indexes": int(indexes)}

        yield Place("postgres", server.url, sizes, "PostgreSQL " + _query(server, "SHOW server_version")[0])
    finally:
        server.remove()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _library() -> str:
    return f"SQLite {sqlite3.sqlite_version}"


def _told(server: RedisServer, section: str) -> dict[str, str]:
    from redis import Redis

    with closing(Redis(port=server.port)) as client:
        return client.info(section)


def _query(server: PostgresServer, query: str) -> list[str]:
    import asyncio

    import asyncpg

    async def ask() -> list[str]:
        connection = await asyncpg.connect(server.url)
        try:
            return list(await connection.fetchrow(query))
        finally:
            await connection.close()

    return asyncio.run(ask())
