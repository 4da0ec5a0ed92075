"""Records in this process: for tests and demonstrations. They end with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from threading import Lock

from vestibule.clock import Clock, SystemClock
from vestibule.storage.protocol import Record, new_version

__all__ = ["MemoryStore"]

_SWEPT_PER_WRITE = 4


class MemoryStore:
    """A :class:`~vestibule.storage.protocol.Store` in a dictionary; may be used from several threads and event loops."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._records: dict[str, Record] = {}
        self._lock = Lock()
        self._sweep: Iterator[str] = iter(())

    async def get(self, key: str) -> Record | None:
        return self._living(key)

    async def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        with self._lock:
            if self._living(key) is not None:
                return False
            self._write(key, value, ttl)
            return True

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        with self._lock:
            record = self._living(key)
            if record is None or record.version != version:
                return False
            if value is None:
                del self._records[key]
            else:
                self._write(key, value, ttl)
            return True

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        for key in [key for key in tuple(self._records) if key.startswith(prefix)]:
            record = self._living(key)
            if record is not None:
                yield key, record

    async def purge(self, limit: int = 1000) -> int:
        with self._lock:
            now = self._clock.now()
            expired = list(islice((key for key, record in self._records.items() if record.expires_at <= now), limit))
            for key in expired:
                del self._records[key]
            return len(expired)

    async def aclose(self) -> None:
        pass

    def _living(self, key: str) -> Record | None:
        record = self._records.get(key)
        return record if record is not None and record.expires_at > self._clock.now() else None

    def _write(self, key: str, value: bytes, ttl: float) -> None:
        self._records[key] = Record(value, new_version(), self._clock.now() + ttl)
        self._sweep_some()

    def _sweep_some(self) -> None:
        """Look at a few keys per write, round and round, so that expired records go without a timer."""
        candidates = tuple(islice(self._sweep, _SWEPT_PER_WRITE))
        if not candidates:
            self._sweep = iter(tuple(self._records))
        for key in candidates:
            if key in self._records and self._living(key) is None:
                del self._records[key]
