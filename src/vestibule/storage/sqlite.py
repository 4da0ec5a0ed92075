"""Records in one SQLite file: the default store.

Durability: a write that was answered survives the end of the process, also by kill -9. After a loss of power or a crash of the
operating system the file is intact, but writes of the last moments before it may be missing (WAL with ``synchronous=NORMAL``):
someone may have to sign in again, and a code or refresh token used in those moments could be used once more while it lives.

Cost: one statement on one row takes microseconds, less than handing it to a thread would, so statements run on the event loop.
They never wait there: where another process holds the file, the verb sleeps and tries again, for a bounded time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any, Final
from weakref import WeakSet

from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError, Unavailable
from vestibule.keys.private_files import create_private_file
from vestibule.storage.health import Health
from vestibule.storage.protocol import Record, new_version
from vestibule.storage.sqlite_schema import prepare
from vestibule.storage.sweeping import Sweeper

__all__ = ["SQLiteStore"]

_GET: Final = "SELECT value, version, expires_at FROM records WHERE key = ? AND expires_at > ?"
_PUT_NEW: Final = (
    "INSERT INTO records (key, value, version, expires_at) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE"
    " SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at WHERE records.expires_at <= ?"
)
_REPLACE: Final = "UPDATE records SET value = ?, version = ?, expires_at = ? WHERE key = ? AND version = ? AND expires_at > ?"
_DELETE: Final = "DELETE FROM records WHERE key = ? AND version = ? AND expires_at > ?"
_PURGE: Final = "DELETE FROM records WHERE key IN (SELECT key FROM records WHERE expires_at <= ? LIMIT ?)"
_SCAN: Final = (
    "SELECT key, value, version, expires_at FROM records WHERE key > ? AND key >= ? AND key < ? AND expires_at > ?"
    " ORDER BY key LIMIT 100"
)
_READS: Final = (_GET, _SCAN)

# Seconds between tries while another process holds the file: about five in all, then the store counts as unavailable.
_PAUSES: Final = (0.001, 0.002, 0.004, 0.008, 0.016, 0.03, 0.06, 0.1, *[0.2] * 24)
_SWEPT_AT_ONCE: Final = 32
_LOOK_SECONDS: Final = 1

_TROUBLE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file or its folder cannot be written",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore it, or move it away to start empty",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database: move it away to start empty",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_BUSY: "another process holds the file",
    sqlite3.SQLITE_LOCKED: "another process holds the file",
}


class SQLiteStore:
    """A :class:`~vestibule.storage.protocol.Store` in a file that any number of processes may share.

    May be used from several threads and event loops, and across ``os.fork``.

    Args:
        path: the file, created with mode 0600 in a folder of mode 0700; ``":memory:"`` for none.
        clock: the time.

    Raises:
        ConfigurationError: the file cannot be created.
    """

    def __init__(self, path: str | os.PathLike[str], clock: Clock | None = None) -> None:
        self.path: Path | None = None if os.fspath(path) == ":memory:" else Path(path).absolute()
        self._clock = clock or SystemClock()
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._looked_at = 0.0
        self._sweeper = Sweeper(self._purge_unhindered, _SWEPT_AT_ONCE)
        self._health = Health(repr(self))
        if self.path is not None:
            _create(self.path)
            _stores.add(self)

    def __repr__(self) -> str:
        return f"<SQLiteStore {self.path or ':memory:'}>"

    async def get(self, key: str) -> Record | None:
        rows, _ = await self._execute(_GET, (key, self._clock.now()))
        return Record(*rows[0]) if rows else None

    async def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        now = self._clock.now()
        return await self._write(_PUT_NEW, (key, value, new_version(), now + ttl, now))

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        now = self._clock.now()
        if value is None:
            return await self._write(_DELETE, (key, version, now))
        return await self._write(_REPLACE, (value, new_version(), now + ttl, key, version, now))

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        last, end = "", prefix + "\U0010ffff"
        while True:
            rows, _ = await self._execute(_SCAN, (last, prefix, end, self._clock.now()))
            if not rows:
                return
            for key, *record in rows:
                yield key, Record(*record)
            last = rows[-1][0]

    async def purge(self, limit: int = 1000) -> int:
        _, removed = await self._execute(_PURGE, (self._clock.now(), limit))
        return removed

    async def aclose(self) -> None:
        """Close the file. Another use of the store opens it again."""
        self._sweeper.stop()
        with self._lock:
            self._close()

    async def _write(self, statement: str, values: Sequence[Any]) -> bool:
        _, changed = await self._execute(statement, values)
        self._sweeper.written()
        return changed == 1

    async def _purge_unhindered(self, limit: int) -> int:
        """Remove a few expired records, if nobody holds the file: that is not worth a wait."""
        try:
            return self._execute_now(_PURGE, (self._clock.now(), limit))[1]
        except sqlite3.Error:
            return 0

    async def _execute(self, statement: str, values: Sequence[Any]) -> tuple[list[Any], int]:
        """Run one statement; wait and try again while another process holds the file."""
        for pause in _PAUSES:
            try:
                return self._execute_now(statement, values)
            except sqlite3.Error as error:
                if _primary_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise self._unavailable(error, statement) from error
            await self._clock.sleep(pause)
        try:
            return self._execute_now(statement, values)
        except sqlite3.Error as error:
            raise self._unavailable(error, statement) from error

    def _execute_now(self, statement: str, values: Sequence[Any]) -> tuple[list[Any], int]:
        # The lock keeps threads apart: SQLite counts changed rows per connection.
        with self._lock:
            cursor = self._current().execute(statement, values)
            rows, changed = cursor.fetchall(), cursor.rowcount
        self._health.works(is_read=statement in _READS or not changed)  # a write that was not done tells nothing of writing
        return rows, changed

    def _current(self) -> sqlite3.Connection:
        """The connection to the file that has the path now.

        One that was removed or replaced, by a backup for instance, is still there for whoever has it open: this process would go on
        with it, and none that starts later would know what it writes.
        """
        now = self._clock.now()
        if self.path is not None and self._connection is not None and not 0 <= now - self._looked_at < _LOOK_SECONDS:
            self._looked_at = now
            if _identity(self.path) != self._opened:
                self._close()
        return self._connection or self._open()

    def _open(self) -> sqlite3.Connection:
        if self.path is not None:
            _create_again(self.path)
            self._opened, self._looked_at = _identity(self.path), self._clock.now()
        connection = sqlite3.connect(self.path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False)
        try:
            prepare(connection)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection
        self._sweeper.opened()
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _unavailable(self, error: sqlite3.Error, statement: str) -> Unavailable:
        """What to raise. The next try starts afresh."""
        if self.path is not None:
            with self._lock:
                self._close()
        trouble = _TROUBLE.get(_primary_code(error), str(error))
        return self._health.failed(trouble, is_read=statement in _READS)


def _primary_code(error: sqlite3.Error) -> int:
    """The result code without its extension (https://sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _create(path: Path) -> None:
    # SQLite gives the files beside it, -wal and -shm, the mode of the file itself.
    try:
        if not path.exists():
            create_private_file(path)
    except OSError as error:
        raise ConfigurationError(f"The store file {path} cannot be created ({error.strerror}); set client_storage.") from error


def _create_again(path: Path) -> None:
    """Where somebody removed the file, SQLite would make one that others can read. What is in the way of it, SQLite says."""
    with suppress(OSError):
        if path.parent.is_dir() and not path.exists():
            create_private_file(path)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells the file from another one of this name; None: there is none that can be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


# A connection must not cross a fork (https://sqlite.org/howtocorrupt.html §2.6): the child would believe that it holds the locks
# of its parent. So all are closed before a fork, and opened again where they are used.
_stores: WeakSet[SQLiteStore] = WeakSet()
_held: list[SQLiteStore] = []


def _before_fork() -> None:
    _held.extend(_stores)
    for store in _held:
        store._lock.acquire()
        store._close()


def _after_fork() -> None:
    while _held:
        _held.pop()._lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
