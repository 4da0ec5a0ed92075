"""Records in Redis or Valkey, for any number of processes and machines.

A record is one string: a line with its version and its end, then the value. Each write is one script on that one key, so it is
atomic, and a cluster can run it. The server ends records itself; the end in the record counts besides, so that every store goes by
the same clock.

Durability is the server's: with ``appendonly yes`` and ``appendfsync everysec`` a crash of its machine may cost the last second. A
failover may cost what the replica had not yet got: someone may have to sign in again, and a code or refresh token of that moment
could be used once more while it lives.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final, TypeVar

from redis import exceptions
from redis.asyncio import Redis

from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError
from vestibule.storage.announcements import Announcements
from vestibule.storage.health import Health
from vestibule.storage.protocol import Record, new_version
from vestibule.storage.redis_channel import RedisChannel
from vestibule.storage.redis_servers import Builder, Client, client_builder, close, ready, reconnect, same_server, weaknesses
from vestibule.storage.redis_trouble import FAILURES, closed_meanwhile, kind_of, trouble
from vestibule.storage.remote import PerLoop, shown_url

__all__ = ["RedisStore"]

_log = logging.getLogger("vestibule.storage")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class _Script:
    text: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        # What EVALSHA wants; nothing rests on its strength.
        object.__setattr__(self, "digest", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


# ARGV: now, and then what the verb needs. What is no record of ours counts as absent.
_HELD = r"""
local head = redis.call('GETRANGE', KEYS[1], 0, 63)
local version, expires_at = string.match(head, '^(%d+) (%d+%.%d+)\n')
local is_living = version and tonumber(expires_at) > tonumber(ARGV[1])
"""
_WRITE = "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1"
_PUT_NEW: Final = _Script(f"{_HELD} if is_living then return 0 end {_WRITE}")
_REPLACE: Final = _Script(f"{_HELD} if not is_living or version ~= ARGV[4] then return 0 end {_WRITE}")
_DELETE: Final = _Script(f"{_HELD} if not is_living or version ~= ARGV[2] then return 0 end return redis.call('DEL', KEYS[1])")

_SCANNED_AT_ONCE = 100


class RedisStore:
    """A :class:`~vestibule.storage.protocol.Store` in Redis 6.2 or newer, or Valkey. May be used from several event loops.

    Args:
        server: a URL, see :func:`~vestibule.storage.redis_servers.client_builder`, or a ``redis.asyncio`` client: its settings are
            taken over, its connections are left alone.
        prefix: what every key starts with.
        clock: the time.
        timeout: seconds that a verb may take.

    Attributes:
        announcements: what reaches other processes at once.

    Raises:
        ConfigurationError: the URL cannot be understood, or the client's server is found in a way that cannot be taken over.
    """

    def __init__(
        self, server: str | Redis, *, prefix: str = "vestibule:", clock: Clock | None = None, timeout: float = 5.0
    ) -> None:
        build = _builder(server, timeout)
        self._clients = PerLoop(build)
        self._name = f"<RedisStore {_shown(server)}>"
        self._health = Health(self._name)
        self._prefix = prefix
        self._clock = clock or SystemClock()
        self._timeout = timeout
        self._is_known = False
        channel = RedisChannel(f"{prefix}announcements", self._clients, build, timeout, trouble)
        self.announcements = Announcements(channel, self._name)

    def __repr__(self) -> str:
        return self._name

    async def get(self, key: str) -> Record | None:
        async def read(client: Client) -> Any:
            return await client.get(self._prefix + key)

        return self._living(await self._read(read))

    async def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        return await self._write(_PUT_NEW, key, *self._packed(value, ttl))

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        if value is None:
            return await self._write(_DELETE, key, version)
        return await self._write(_REPLACE, key, *self._packed(value, ttl), version)

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        found: set[str] = set()  # the server may name a key twice while its table grows
        async for keys in self._keys(prefix):
            new = [key for key in dict.fromkeys(keys) if key not in found]
            found.update(new)
            for key, record in zip(new, await self._many(new), strict=True):
                if record is not None:
                    yield key, record

    async def purge(self, limit: int = 1000) -> int:
        """Does nothing: the server ends its records itself."""
        return 0

    async def aclose(self) -> None:
        """Close this event loop's connections. Another use of the store opens new ones."""
        await self.announcements.aclose()
        client = self._clients.forget()
        if client is not None:
            with suppress(*FAILURES):
                await close(client)

    def _packed(self, value: bytes, ttl: float) -> tuple[bytes, int]:
        head = f"{new_version()} {self._clock.now() + ttl:.3f}\n"
        return head.encode() + value, max(ceil(ttl * 1000), 1)

    def _living(self, packed: bytes | None) -> Record | None:
        head, _, value = (packed or b"").partition(b"\n")
        version, _, expires_at = head.partition(b" ")
        try:
            record = Record(value, int(version), float(expires_at))
        except ValueError:
            return None
        return record if record.expires_at > self._clock.now() else None

    async def _write(self, script: _Script, key: str, *values: Any) -> bool:
        async def run(client: Client) -> bool:
            arguments = (1, self._prefix + key, repr(self._clock.now()), *values)
            try:
                return bool(await client.evalsha(script.digest, *arguments))
            except exceptions.NoScriptError:  # a new server, or one that was restarted: EVAL teaches it
                return bool(await client.eval(script.text, *arguments))

        return await self._asked(run, self._deadline(), is_read=False)

    async def _read(self, verb: Callable[[Client], Awaitable[_Answer]]) -> _Answer:
        """Ask, and once more if the connection was broken: unlike a write, a read may be repeated."""
        deadline = self._deadline()
        try:
            return await self._asked(verb, deadline, is_read=True, is_last=False)
        except exceptions.ConnectionError:
            return await self._asked(verb, deadline, is_read=True)

    def _deadline(self) -> float:
        """By the event loop's own clock."""
        return asyncio.get_running_loop().time() + self._timeout

    async def _asked(
        self, verb: Callable[[Client], Awaitable[_Answer]], deadline: float, *, is_read: bool, is_last: bool = True
    ) -> _Answer:
        try:
            async with asyncio.timeout_at(deadline):
                with closed_meanwhile():
                    answer = await verb(await ready(self._clients.here()))
        except FAILURES as error:
            if issubclass(kind_of(error), exceptions.ReadOnlyError):
                with suppress(*FAILURES):
                    await reconnect(self._clients.here())
            if isinstance(error, exceptions.ConnectionError) and not is_last:
                raise
            raise self._health.failed(trouble(error), is_read=is_read) from error
        self._health.works(is_read=is_read or not answer)  # a write that was not done tells nothing of writing
        await self._get_known()
        return answer

    async def _get_known(self) -> None:
        """With the first answer, ask how durable the server is, and say so."""
        if self._is_known:
            return
        self._is_known = True
        with suppress(*FAILURES):
            async with asyncio.timeout(self._timeout):
                for weakness in await weaknesses(self._clients.here()):
                    _log.warning("%r: %s", self, weakness)

    async def _keys(self, prefix: str) -> AsyncIterator[list[str]]:
        batch: list[str] = []
        try:
            client = await ready(self._clients.here())
            with closed_meanwhile():
                async for name in client.scan_iter(match=_literally(self._prefix + prefix) + "*", count=1000):
                    batch.append(name.decode().removeprefix(self._prefix))
                    if len(batch) == _SCANNED_AT_ONCE:
                        yield batch
                        batch = []
        except FAILURES as error:
            raise self._health.failed(trouble(error), is_read=True) from error
        yield batch

    async def _many(self, keys: Iterable[str]) -> list[Record | None]:
        async def read(client: Client) -> list[Any]:
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.get(self._prefix + key)
            return list(await pipeline.execute())

        return [self._living(packed) for packed in await self._read(read)]


def _builder(server: str | Redis, timeout: float) -> Builder:
    builder = client_builder(server, timeout=timeout) if isinstance(server, str) else same_server(server, timeout=timeout)
    if builder is None:
        raise ConfigurationError("client_storage: give the redis+sentinel:// URL in place of a client that asks Sentinels.")
    return builder


def _shown(server: str | Redis) -> str:
    if isinstance(server, str):
        return shown_url(server)
    chosen = server.connection_pool.connection_kwargs
    return chosen.get("path") or f"redis://{chosen.get('host', 'localhost')}:{chosen.get('port', 6379)}/{chosen.get('db') or 0}"


def _literally(text: str) -> str:
    """The text as a pattern that matches nothing else (https://redis.io/docs/latest/commands/keys/)."""
    return "".join(f"\\{letter}" if letter in r"\*?[]^-" else letter for letter in text)
