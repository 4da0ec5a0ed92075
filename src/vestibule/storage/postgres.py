"""Records in PostgreSQL, for any number of processes and machines.

Each verb is one statement on one row. No connection is changed or kept for longer than a verb, and nothing is prepared on it, so
that a pooler in front (pgbouncer in transaction mode) may hand out another one each time.

Durability is the server's: by default what was answered is on its disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any, Final

import asyncpg

from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError
from vestibule.storage.announcements import Announcements
from vestibule.storage.health import Health
from vestibule.storage.postgres_channel import PostgresChannel, part_listen_url
from vestibule.storage.postgres_pool import lent, new_pool, single
from vestibule.storage.postgres_schema import TABLE, checked_table, is_up_to_date, migrate
from vestibule.storage.postgres_trouble import FAILURES, may_repeat, trouble
from vestibule.storage.postgres_url import check_url
from vestibule.storage.protocol import Record, new_version
from vestibule.storage.remote import PerLoop, shown_url
from vestibule.storage.sweeping import Sweeper

__all__ = ["PostgresStore"]

_GET: Final = "SELECT value, version, expires_at FROM {table} WHERE key = $1 AND expires_at > $2"
_PUT_NEW: Final = (
    "INSERT INTO {table} AS held (key, value, version, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO UPDATE"
    " SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at WHERE held.expires_at <= $5"
    " RETURNING 1"
)
_REPLACE: Final = "UPDATE {table} SET value = $1, version = $2, expires_at = $3 WHERE key = $4 AND version = $5 AND expires_at > $6 RETURNING 1"
_DELETE: Final = "DELETE FROM {table} WHERE key = $1 AND version = $2 AND expires_at > $3 RETURNING 1"
# Rows that somebody is just writing are passed over: they are not worth a wait, and may be about to live again. By the rows' places and
# not by their keys: with those the server may choose to look at every expired row for each batch.
_PURGE: Final = (
    "DELETE FROM {table} WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM {table} WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1"
)
_SCAN: Final = (
    "SELECT key, value, version, expires_at FROM {table} WHERE key > $1 AND key >= $2 AND ($3::text IS NULL OR key < $3)"
    " AND expires_at > $4 ORDER BY key LIMIT 100"
)

_ATTEMPTS, _SWEPT_AT_ONCE = 3, 100


class _Opened:
    """The pool of one event loop, and whether the table is known to be there."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.pool: Any = None
        self.has_table = self.has_migrated = False


class PostgresStore:
    """A :class:`~vestibule.storage.protocol.Store` in one table, which is made if it is not there. For several event loops.

    Args:
        url: e.g. ``postgresql://user:password@host:5432/database?sslmode=verify-full``, as ``asyncpg`` and ``libpq`` read it;
            with `listen_url`, percent-encoded, as one more parameter.
        table: its name, perhaps with a schema before it.
        prefix: what every key in the table starts with.
        clock: the time.
        timeout: seconds that a verb may take.
        max_connections: for each event loop; one more listens.
        listen_url: of the server itself, where `url` is that of a pooler in transaction mode, through which nobody can listen.
        options: further options of ``asyncpg.connect``, e.g. ``host`` and ``password`` in place of a URL.

    Attributes:
        announcements: what reaches other processes at once.

    Raises:
        ConfigurationError: `table` is no name, or something in a URL cannot be right.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        table: str = TABLE,
        prefix: str = "",
        clock: Clock | None = None,
        timeout: float = 5.0,
        max_connections: int = 10,
        listen_url: str | None = None,
        **options: Any,
    ) -> None:
        try:
            self._table = checked_table(table)
        except ValueError as error:
            raise ConfigurationError(f"client_storage: {error}") from error
        if url is not None:
            check_url(url)
        url, named = part_listen_url(url)
        listen_url = listen_url or named
        if listen_url is not None:
            check_url(listen_url, "listen_url")
        self._settings = {"dsn": url, "timeout": timeout, **options}
        self._max_connections = max_connections
        shown = shown_url(url) if url else f"postgresql://{options.get('host', '')}/{options.get('database', '')}"
        self._name = f"<PostgresStore {shown} {table}>"
        self._health = Health(self._name)
        self._prefix = prefix
        self._clock = clock or SystemClock()
        self._timeout = timeout
        self._sweeper = Sweeper(self.purge, _SWEPT_AT_ONCE)
        self._pools = PerLoop(_Opened)
        say = partial(self._execute, is_read=True)  # like a read, it may be repeated
        channel = PostgresChannel(f"{table} {prefix}", say, self._settings, listen_url, timeout, trouble)
        self.announcements = Announcements(channel, self._name)

    def __repr__(self) -> str:
        return self._name

    async def get(self, key: str) -> Record | None:
        rows = await self._execute(_GET, self._prefix + key, self._clock.now(), is_read=True)
        return Record(*rows[0]) if rows else None

    async def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        now = self._clock.now()
        return await self._write(_PUT_NEW, self._prefix + key, value, new_version(), now + ttl, now)

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        now = self._clock.now()
        if value is None:
            return await self._write(_DELETE, self._prefix + key, version, now)
        return await self._write(_REPLACE, value, new_version(), now + ttl, self._prefix + key, version, now)

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        start = self._prefix + prefix
        last, end = "", start[:-1] + chr(ord(start[-1]) + 1) if start else None
        while rows := await self._execute(_SCAN, last, start, end, self._clock.now(), is_read=True):
            for key, *record in rows:
                yield key.removeprefix(self._prefix), Record(*record)
            last = rows[-1][0]

    async def purge(self, limit: int = 1000) -> int:
        return len(await self._execute(_PURGE, self._clock.now(), limit))

    async def prepare(self) -> bool:
        """Create the table or bring it up to date now, instead of with the first verb. True if there was anything to do.

        Raises:
            Unavailable: the server does not answer, or refuses.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await self._pool()
        except FAILURES as error:
            raise self._health.failed(trouble(error), is_read=False) from error
        return self._pools.here().has_migrated

    async def is_prepared(self) -> bool:
        """Whether the table is there and up to date. Unlike the first verb, this does not make it.

        Raises:
            Unavailable: as :meth:`prepare`.
        """
        try:
            async with asyncio.timeout(self._timeout), single(self._settings, self._timeout) as connection:
                return await is_up_to_date(connection, self._table)
        except FAILURES as error:
            raise self._health.failed(trouble(error), is_read=True) from error

    async def aclose(self) -> None:
        """Close this event loop's connections. Another use of the store opens new ones."""
        self._sweeper.stop()
        await self.announcements.aclose()
        opened = self._pools.forget()
        if opened is None or opened.pool is None:
            return
        with suppress(*FAILURES):
            async with asyncio.timeout(self._timeout):
                await opened.pool.close()

    async def _write(self, statement: str, *values: Any) -> bool:
        done = bool(await self._execute(statement, *values))
        self._sweeper.written()
        return done

    async def _execute(self, statement: str, *values: Any, is_read: bool = False) -> list[Any]:
        """Run one statement; again if the server says that it did nothing, or if it only reads and the connection was broken."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                rows = await self._execute_now(statement.format(table=self._table), values, deadline)
            except FAILURES as error:
                await self._renew(error)
                if attempt < _ATTEMPTS and may_repeat(error, is_read):
                    continue
                raise self._health.failed(trouble(error), is_read=is_read) from error
            break
        self._health.works(is_read=is_read or not rows)  # a write that was not done tells nothing of writing
        return rows

    async def _execute_now(self, statement: str, values: tuple[Any, ...], deadline: float) -> list[Any]:
        async with asyncio.timeout_at(deadline):
            pool = await self._pool()
            async with lent(pool, self._timeout) as connection:
                rows: list[Any] = await connection.fetch(statement, *values)
                return rows

    async def _pool(self) -> Any:
        opened = self._pools.here()
        async with opened.lock:
            if opened.pool is None:
                opened.pool = await new_pool(self._settings, self._max_connections)
            if not opened.has_table:
                async with lent(opened.pool, self._timeout) as connection:
                    opened.has_migrated = await migrate(connection, self._table)
                opened.has_table = True
                self._sweeper.opened()
        return opened.pool

    async def _renew(self, error: Exception) -> None:
        """Let go of connections to a server that is not, or no longer, the right one, and look anew for a table that is gone."""
        opened = self._pools.here()
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError | TimeoutError) and opened.pool is not None:
            await opened.pool.expire_connections()  # another one may be in its place, or soon be
        if isinstance(error, asyncpg.UndefinedTableError):
            opened.has_table = False
