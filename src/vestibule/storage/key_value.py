"""Any ``py-key-value-aio`` store, wrappers included, as a :class:`~vestibule.storage.protocol.Store`.

That protocol can get, put and delete; it cannot write on a condition. What is missing is made up for like this:

- Within one event loop a lock per key makes every verb exact.
- Between processes a replacement is claimed first: each version has a claim beside it, and whoever deletes the claim may
  replace the version. That is exact wherever the backend's ``delete`` tells exactly one caller that it removed something, and no
  process stands still for half a minute between the two: by then it counts as dead, and another may claim the version again.
- ``put_new`` cannot be made exact between processes. It matters for keys that several processes create on purpose, such as
  the records that make an assertion or a proof single-use.

For more than one process use SQLite on one machine, or another store with four exact verbs.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from key_value.aio.errors import DecryptionError, DeserializationError
from key_value.aio.protocols.key_value import AsyncEnumerateKeysProtocol, AsyncKeyValueProtocol

from vestibule import reasons
from vestibule.clock import Clock, SystemClock
from vestibule.errors import Unavailable
from vestibule.storage.protocol import Record, new_version

__all__ = ["KeyValueStore"]

_log = logging.getLogger("vestibule.storage")
_Answer = TypeVar("_Answer")

_RECORDS = "vestibule-records"
_CLAIMS = "vestibule-claims"
_LOCKS = 64
_MINIMUM_TTL = 1.0
_CLAIM_LOST_AFTER = 30.0
_MAX_LOST_CLAIMS = 1000
_MAX_SCANNED = 100_000


class KeyValueStore:
    """The adapter. Use it from one event loop.

    Args:
        key_value: the store to adapt.
        clock: the time.
        is_replaced: whether it only hands over its records to another store, so that nothing need be said of what it lacks.

    Attributes:
        can_scan: whether the store can list its keys; without that :meth:`scan` finds nothing.
    """

    def __init__(self, key_value: AsyncKeyValueProtocol, clock: Clock | None = None, *, is_replaced: bool = False) -> None:
        self._key_value = key_value
        self._clock = clock or SystemClock()
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[asyncio.Lock, ...]] = WeakKeyDictionary()
        self._lost_claims: OrderedDict[str, float] = OrderedDict()
        self.can_scan = isinstance(key_value, AsyncEnumerateKeysProtocol)
        if not is_replaced:
            self._say_what_is_missing()

    def __repr__(self) -> str:
        return f"<KeyValueStore over {type(self._key_value).__name__}>"

    async def get(self, key: str) -> Record | None:
        content = await self._asked(self._read(key))
        record = _unpack(content) if content is not None else None
        return record if record is not None and record.expires_at > self._clock.now() else None

    async def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        async with self._lock(key):
            if await self.get(key) is not None:
                return False
            await self._put(key, value, ttl)
            return True

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        async with self._lock(key):
            record = await self.get(key)
            if record is None or record.version != version or not await self.claim(key, record):
                return False
            if value is None:
                return await self.drop(key)
            await self._put(key, value, ttl)
            return True

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        if not isinstance(self._key_value, AsyncEnumerateKeysProtocol):
            return
        for key in await self._asked(self._key_value.keys(_RECORDS, limit=_MAX_SCANNED)):
            record = await self.get(key) if key.startswith(prefix) else None
            if record is not None:
                yield key, record

    async def purge(self, limit: int = 1000) -> int:
        """Does nothing: the adapted store ends its records itself."""
        return 0

    async def aclose(self) -> None:
        """Does nothing: the adapted store belongs to whoever made it."""

    async def claim(self, key: str, record: Record) -> bool:
        """Whether the caller, and nobody else, may replace or remove this version of the record."""
        claim = _claim_key(key, record.version)
        if await self._asked(self._key_value.delete(claim, collection=_CLAIMS)):
            return True
        if self._is_lost(claim):
            ttl = max(record.expires_at - self._clock.now(), _MINIMUM_TTL)
            await self._asked(self._key_value.put(claim, {}, collection=_CLAIMS, ttl=ttl))
        return False

    async def drop(self, key: str) -> bool:
        """Remove a record that the caller has claimed, or of which another store has the newer state."""
        return await self._asked(self._key_value.delete(key, collection=_RECORDS))

    async def _read(self, key: str) -> dict[str, Any] | None:
        try:
            return await self._key_value.get(key, collection=_RECORDS)
        except (DecryptionError, DeserializationError):
            _log.warning("%r: a record cannot be decrypted or read and counts as absent", self)
            return None

    async def _put(self, key: str, value: bytes, ttl: float) -> None:
        version, kept = new_version(), max(ttl, _MINIMUM_TTL)
        content = {"value": b64encode(value).decode(), "version": version, "expires_at": self._clock.now() + ttl}
        # The claim first: a record without its claim could not be replaced, a claim without its record hurts nobody.
        await self._asked(self._key_value.put(_claim_key(key, version), {}, collection=_CLAIMS, ttl=kept))
        await self._asked(self._key_value.put(key, content, collection=_RECORDS, ttl=kept))

    def _is_lost(self, claim: str) -> bool:
        """Whether a process must have died between its claim and its write: the version outlives the claim for long."""
        now = self._clock.now()
        first_missed = self._lost_claims.setdefault(claim, now)
        if len(self._lost_claims) > _MAX_LOST_CLAIMS:
            self._lost_claims.popitem(last=False)
        if now - first_missed < _CLAIM_LOST_AFTER:
            return False
        self._lost_claims.pop(claim, None)
        return True

    def _lock(self, key: str) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        locks = self._locks.get(loop)
        if locks is None:
            locks = self._locks[loop] = tuple(asyncio.Lock() for _ in range(_LOCKS))
        return locks[hash(key) % _LOCKS]

    async def _asked(self, answer: Awaitable[_Answer]) -> _Answer:
        try:
            return await answer
        except Exception as error:
            _log.error("%r does not answer: %s", self, type(error).__name__)
            raise Unavailable(reasons.STORE_UNAVAILABLE, type(error).__name__) from error

    def _say_what_is_missing(self) -> None:
        _log.warning(
            "%r has no compare-and-swap: with one process everything is exact; with several, records are replaced exactly only"
            " if its delete is, and an assertion or proof sent to two processes at once may count twice%s",
            self,
            "" if self.can_scan else "; sessions cannot be listed",
        )


def _claim_key(key: str, version: int) -> str:
    return f"{key}:{version}"


def _unpack(content: dict[str, Any]) -> Record | None:
    try:
        return Record(b64decode(content["value"], validate=True), int(content["version"]), float(content["expires_at"]))
    except (KeyError, TypeError, ValueError):
        _log.warning("a record that is none of ours counts as absent")
        return None
