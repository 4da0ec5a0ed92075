"""Records as JSON objects, sealed before they reach a store.

The record's key is the associated data: what somebody else put into the store, or moved there from another key, does not open.
It counts as absent, and is counted. It still holds its place: what :meth:`SealedRecords.put_new` finds there stays, so that a single
use that was noted with a lost key is not possible again.

All use of the store goes through here, so this is also where it is known whether the store works.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from vestibule import reasons
from vestibule.clock import Clock, SystemClock
from vestibule.events import Event, emit
from vestibule.keys.sealing import Sealer
from vestibule.storage.breaker import Breaker
from vestibule.storage.protocol import Store

__all__ = ["SealedRecords"]

_log = logging.getLogger("vestibule.storage")

_PURPOSE = "record"


class SealedRecords:
    """A store of JSON objects over a store of bytes.

    Args:
        store: where the sealed records go.
        sealer: seals and opens them.
        clock: the time.

    Attributes:
        store: where the sealed records go.
        reading, writing: whether that works, each for itself: a replica of a store can often be read only.
        unreadable: how many records were met that do not open with the key ring.
    """

    def __init__(self, store: Store, sealer: Sealer, clock: Clock | None = None) -> None:
        self.store = store
        self.unreadable = 0
        self._told: set[str] = set()
        self._sealer = sealer
        clock = clock or SystemClock()
        self._reads, self._writes = Breaker(clock), Breaker(clock)
        self.reading, self.writing = self._reads.condition, self._writes.condition

    async def get(self, key: str) -> tuple[dict[str, Any], int] | None:
        """The object and its version, or None if there is none that can be read.

        Raises:
            Unavailable: the store fails.
        """
        content, version = await self.hold(key)
        return None if content is None or version is None else (content, version)

    async def hold(self, key: str) -> tuple[dict[str, Any] | None, int | None]:
        """The object and its version. One that does not open is None, but has a version to swap against; where nothing is, both are None.

        Raises:
            Unavailable: the store fails.
        """
        record = await self._reads.ask(self.store.get, key)
        if record is None:
            return None, None
        content = self.open(key, record.value)
        if content is None:
            self._count_unreadable(key)
        return content, record.version

    async def put_new(self, key: str, content: dict[str, Any], ttl: float) -> bool:
        """Write an object if there is no record under the key. See :meth:`Store.put_new`."""
        return await self._writes.ask(self.store.put_new, key, self._seal(key, content), ttl)

    async def swap(self, key: str, version: int, content: dict[str, Any] | None, ttl: float) -> bool:
        """Replace or delete the record if it still has the version. See :meth:`Store.swap`."""
        value = None if content is None else self._seal(key, content)
        return await self._writes.ask(self.store.swap, key, version, value, ttl)

    def open(self, key: str, value: bytes) -> dict[str, Any] | None:
        """The object in the value of a record that was read from the store; None if it does not open."""
        plaintext = self._sealer.open_bytes(_PURPOSE, value, bound_to=key.encode())
        if plaintext is None:
            return None
        content: dict[str, Any] = json.loads(plaintext)
        return content

    async def scan(self, prefix: str) -> AsyncIterator[dict[str, Any]]:
        """Every object under the prefix that can be read. See :meth:`Store.scan`.

        Raises:
            Unavailable: the store fails.
        """
        unreadable = 0
        async for key, record in self.store.scan(prefix):
            content = self.open(key, record.value)
            if content is None:
                unreadable += 1
            else:
                yield content
        if unreadable:
            _log.warning("%d records under %s do not open with the key ring and count as absent", unreadable, prefix)

    def _seal(self, key: str, content: dict[str, Any]) -> bytes:
        plaintext = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
        return self._sealer.seal_bytes(_PURPOSE, plaintext, bound_to=key.encode())

    def _count_unreadable(self, key: str) -> None:
        self.unreadable += 1
        kind = key.partition("/")[0]
        _log.warning("a %s record does not open with the key ring and counts as absent (%d so far)", kind, self.unreadable)
        if kind not in self._told:
            self._told.add(kind)
            detail = f"{kind} records do not open with the key ring and count as absent: is a key missing?"
            emit(Event(name="operator", reason=reasons.RECORD_UNREADABLE.code, detail=detail))
