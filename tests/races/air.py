"""A network in this process that carries announcements, loses them, or breaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from vestibule.storage.announcements import Announcements, Ear


async def until(done: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for something that comes from another task or over a network."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it does not come"
        await asyncio.sleep(0.005)


async def refused(house: Any, token: str, seconds: float = 20) -> None:
    """Call until the token is good no more."""
    deadline = time.monotonic() + seconds
    while (answer := await house.call(token)).status != 401:
        assert (answer.status, time.monotonic() < deadline) == (200, True)
        await asyncio.sleep(0.005)


class Air:
    """A :class:`~vestibule.storage.announcements.Channel`.

    Attributes:
        said: everything that was sent.
        opened: how often somebody began to listen.
        is_silent: what is sent gets lost.
        is_broken: nothing can be sent, and nobody can begin to listen.
        is_stuck: what is sent is never answered.
    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self.opened = 0
        self.is_silent = self.is_broken = self.is_stuck = False
        self._waiting: list[asyncio.Queue[str | None]] = []

    @property
    def probes(self) -> list[str]:
        return [text for text in self.said if text.startswith("probe/")]

    @property
    def listeners(self) -> int:
        return len(self._waiting)

    async def say(self, text: str) -> None:
        if self.is_broken:
            raise OSError
        if self.is_stuck:
            await asyncio.Event().wait()
        self.said.append(text)
        for waiting in [] if self.is_silent else self._waiting:
            waiting.put_nowait(text)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ear]:
        if self.is_broken:
            raise OSError
        self.opened += 1
        self._waiting.append(waiting := asyncio.Queue())
        try:
            yield lambda seconds: _next(waiting, seconds)
        finally:
            self._waiting.remove(waiting)

    def cut(self) -> None:
        """Whoever listens loses the connection."""
        for waiting in self._waiting:
            waiting.put_nowait(None)

    def trouble(self, error: Exception) -> str:
        return type(error).__name__

    def announcements(self, **options: float) -> Announcements:
        """Those of one process, which proves them every few milliseconds."""
        return Announcements(self, "a store", **{"probe_every": 0.02, "probe_within": 0.02, **options})


async def _next(waiting: asyncio.Queue[str | None], seconds: float) -> str | None:
    try:
        async with asyncio.timeout(seconds):
            text = await waiting.get()
    except TimeoutError:
        return None
    if text is None:
        raise ConnectionResetError
    return text
