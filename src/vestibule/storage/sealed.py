"""Records as JSON objects, sealed before they reach a store.

The record's key is the associated data: what somebody else put into the store, or moved there from another key, does not open.
It counts as absent, and is counted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from vestibule.keys.sealing import Sealer
from vestibule.storage.protocol import Store

__all__ = ["SealedRecords"]

_log = logging.getLogger("vestibule.storage")

_PURPOSE = "record"


class SealedRecords:
    """A store of JSON objects over a store of bytes.

    Attributes:
        store: where the sealed records go.
        unreadable: how many records were met that do not open with the key ring.
    """

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self.store = store
        self.unreadable = 0
        self._sealer = sealer

    async def get(self, key: str) -> tuple[dict[str, Any], int] | None:
        """The object and its version, or None if there is none that can be read.

        Raises:
            Unavailable: the store fails.
        """
        record = await self.store.get(key)
        if record is None:
            return None
        content = self._open(key, record.value)
        if content is None:
            self._count_unreadable(key)
            return None
        return content, record.version

    async def put_new(self, key: str, content: dict[str, Any], ttl: float) -> bool:
        """Write an object if there is no record under the key. See :meth:`Store.put_new`."""
        return await self.store.put_new(key, self._seal(key, content), ttl)

    async def swap(self, key: str, version: int, content: dict[str, Any] | None, ttl: float) -> bool:
        """Replace or delete the record if it still has the version. See :meth:`Store.swap`."""
        return await self.store.swap(key, version, None if content is None else self._seal(key, content), ttl)

    async def scan(self, prefix: str) -> AsyncIterator[dict[str, Any]]:
        """Every object under the prefix that can be read. See :meth:`Store.scan`.

        Raises:
            Unavailable: the store fails.
        """
        unreadable = 0
        async for key, record in self.store.scan(prefix):
            content = self._open(key, record.value)
            if content is None:
                unreadable += 1
            else:
                yield content
        if unreadable:
            _log.warning("%d records under %s do not open with the key ring and count as absent", unreadable, prefix)

    def _open(self, key: str, value: bytes) -> dict[str, Any] | None:
        plaintext = self._sealer.open_bytes(_PURPOSE, value, bound_to=key.encode())
        if plaintext is None:
            return None
        content: dict[str, Any] = json.loads(plaintext)
        return content

    def _seal(self, key: str, content: dict[str, Any]) -> bytes:
        plaintext = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
        return self._sealer.seal_bytes(_PURPOSE, plaintext, bound_to=key.encode())

    def _count_unreadable(self, key: str) -> None:
        self.unreadable += 1
        kind = key.partition("/")[0]
        _log.warning("a %s record does not open with the key ring and counts as absent (%d so far)", kind, self.unreadable)
