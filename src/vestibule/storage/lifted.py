"""A ``py-key-value-aio`` store on Redis or PostgreSQL, replaced by the store of ours on the same server.

That protocol cannot write on a condition; the server behind it can. So where the adapter would be used, and the server is one of
those two, our own store takes its place. Records that were written through the adapter before are moved over as they are met.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from key_value.aio.protocols.key_value import AsyncKeyValueProtocol
from key_value.aio.wrappers.base import BaseWrapper
from key_value.aio.wrappers.compression import CompressionWrapper
from key_value.aio.wrappers.encryption.base import BaseEncryptionWrapper
from key_value.aio.wrappers.limit_size import LimitSizeWrapper
from key_value.aio.wrappers.logging import LoggingWrapper
from key_value.aio.wrappers.prefix_collections import PrefixCollectionsWrapper
from key_value.aio.wrappers.prefix_keys import PrefixKeysWrapper
from key_value.aio.wrappers.retry import RetryWrapper
from key_value.aio.wrappers.single_collection import SingleCollectionWrapper
from key_value.aio.wrappers.statistics import StatisticsWrapper
from key_value.aio.wrappers.timeout import TimeoutWrapper
from key_value.aio.wrappers.ttl_clamp import TTLClampWrapper

from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError
from vestibule.storage.announcements import announcements_of
from vestibule.storage.key_value import KeyValueStore
from vestibule.storage.protocol import Record, RecordBusy, Store

__all__ = ["LiftedStore", "lift"]

_log = logging.getLogger("vestibule.storage")

# What these do, our own store does itself, or need not: records are sealed, bounded and end anyway.
_REPLACED: Final = (
    BaseEncryptionWrapper,
    CompressionWrapper,
    LimitSizeWrapper,
    LoggingWrapper,
    RetryWrapper,
    StatisticsWrapper,
    TimeoutWrapper,
    TTLClampWrapper,
)
# These part the records of several servers, so their names go into our keys.
_PARTING: Final = {
    PrefixKeysWrapper: "prefix",
    PrefixCollectionsWrapper: "prefix",
    SingleCollectionWrapper: "single_collection",
}
# How often a reader looks for a record that another is just moving, and the pause between.
_LOOKS = 20
_PAUSE_SECONDS = 0.05


def lift(key_value: AsyncKeyValueProtocol, clock: Clock | None = None) -> Store | None:
    """Our own store on the server of `key_value`; None if that is no Redis or PostgreSQL, or cannot be told.

    Whatever is decided about such a server is logged.
    """
    core, names = _unwrap(key_value)
    native = _native(core, ":".join(reversed(names)), clock)
    if native is None:
        return None
    _log.warning(
        "%s was given as client_storage: %r takes its place, exact between processes; records that it holds are moved over when"
        " they are used. Give the server's URL once all of them have ended",
        type(core).__name__,
        native,
    )
    return LiftedStore(native, KeyValueStore(key_value, clock, is_replaced=True), clock)


class LiftedStore:
    """A store, and beside it what the adapter left on the same server.

    A record is in one of the two. Whoever holds its claim moves it, so that no record that was replaced or has ended meanwhile
    comes back. One that dies in between leaves the record where it was, to be claimed again after half a minute, or in both, until it
    is replaced for the first time.

    Args:
        native: where records go.
        adapter: where they may still be.
        clock: the time.
    """

    def __init__(self, native: Store, adapter: KeyValueStore, clock: Clock | None = None) -> None:
        self.native = native
        self.announcements = announcements_of(native)
        self._adapter = adapter
        self._clock = clock or SystemClock()

    def __repr__(self) -> str:
        return repr(self.native)

    async def get(self, key: str) -> Record | None:
        return await self.native.get(key) or await self._moved(key)

    async def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        await self._moved(key)
        return await self.native.put_new(key, value, ttl)

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        # Whoever knows a version has read the record, and moved it by that. One that died over it may have left the old one behind, which
        # would live again when the new one ends.
        await self._adapter.drop(key)
        return await self.native.swap(key, version, value, ttl)

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        found = set()
        async for key, record in self.native.scan(prefix):
            found.add(key)
            yield key, record
        async for key, _ in self._adapter.scan(prefix):
            moved = await self.get(key) if key not in found else None
            if moved is not None:
                yield key, moved

    async def purge(self, limit: int = 1000) -> int:
        return await self.native.purge(limit)

    async def aclose(self) -> None:
        """Close what is ours. The store that was given belongs to whoever made it."""
        await self.native.aclose()

    async def _moved(self, key: str) -> Record | None:
        """The record in our own store, after it was moved there if the adapter had it."""
        for _ in range(_LOOKS):
            held = await self._adapter.get(key)
            if held is None:
                return await self.native.get(key)
            if await self._adapter.claim(key, held):
                await self.native.put_new(key, held.value, held.expires_at - self._clock.now())
                await self._adapter.drop(key)
            else:
                await self._clock.sleep(_PAUSE_SECONDS)
        raise RecordBusy("a record is being moved to the store of our own")


def _unwrap(key_value: Any) -> tuple[Any, list[str]]:
    """What the known wrappers are around, and the names that they add, from the outside inwards."""
    names = []
    while isinstance(key_value, BaseWrapper):
        parting = [attribute for kind, attribute in _PARTING.items() if isinstance(key_value, kind)]
        if not parting and not isinstance(key_value, _REPLACED):
            _log.warning("%s is not known, so what it is around is used as it is", type(key_value).__name__)
            break
        names += [str(getattr(key_value, attribute)) for attribute in parting]
        key_value = key_value.key_value
    return key_value, names


def _native(core: Any, name: str, clock: Clock | None) -> Store | None:
    kind = f"{type(core).__module__}.{type(core).__name__}"
    lifting = {
        "key_value.aio.stores.redis.store.RedisStore": _lifted_redis,
        "key_value.aio.stores.postgresql.store.PostgreSQLStore": _lifted_postgres,
    }.get(kind)
    try:
        return lifting(core, name, clock) if lifting else None
    except (AttributeError, ImportError, ConfigurationError) as error:
        _log.warning("%s stays as it is: %s", type(core).__name__, error)
        return None


def _lifted_redis(core: Any, name: str, clock: Clock | None) -> Store:
    from vestibule.storage.redis import RedisStore

    return RedisStore(core._client, prefix=f"vestibule:{name}:" if name else "vestibule:", clock=clock)


def _lifted_postgres(core: Any, name: str, clock: Clock | None) -> Store:
    from vestibule.storage.postgres import PostgresStore

    prefix = f"{name}:" if name else ""
    if core._client_provided_by_user:
        raise ConfigurationError("give the postgresql:// URL in place of a pool of your own")
    if core._url:
        return PostgresStore(core._url, prefix=prefix, clock=clock)
    chosen = {
        "host": core._host,
        "port": core._port,
        "database": core._database,
        "user": core._user,
        "password": core._password,
    }
    return PostgresStore(prefix=prefix, clock=clock, **chosen)
