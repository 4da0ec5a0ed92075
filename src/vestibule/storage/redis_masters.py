"""Connections to the master of Redis or Valkey that Sentinels name."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from redis.asyncio import SentinelConnectionPool
from redis.exceptions import RedisError

__all__ = ["MasterPool"]

_LOOKS_EVERY = 1.0  # seconds


class MasterPool(SentinelConnectionPool):
    """Connections to the master that Sentinels name, and to no other for long, although it answers.

    One that was replaced while it worked goes on taking writes for seconds, all of which are lost, and processes with connections to it
    would not see what those with newer ones do. So the Sentinels are asked once a second while the pool is used. No verb waits for that;
    without an answer the connections stay.
    """

    _looked_at = float("-inf")
    _look: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Have the Sentinels asked, if it is time."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= _LOOKS_EVERY and (self._look is None or self._look.done()):
            self._looked_at = now
            self._look = asyncio.create_task(self._follow())

    async def release(self, connection: Any) -> None:
        """Take a connection back. One to a master that was replaced while it was in use finds the new one when it is used again."""
        if (connection.host, connection.port) != self.master_address:
            await connection.disconnect()
        await super().release(connection)

    async def stop(self) -> None:
        """Look no more."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait([self._look])

    async def _follow(self) -> None:
        with suppress(RedisError, OSError):
            # If it is another one, this closes what is idle.
            await self.get_master_address()  # type: ignore[no-untyped-call]
