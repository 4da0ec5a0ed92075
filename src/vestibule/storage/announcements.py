"""Telling other processes at once that something has changed, where the store's server can carry that.

An announcement is a hint and has no authority: whoever hears one reads the record again. Any of them may be lost, so nothing rests
on them alone; :attr:`Announcements.are_heard` tells whether they come, and the log says it when they do not.

All waiting here is for a network and goes by the event loop's timers, like that of the stores: nobody's request waits for it, and a
clock that a test holds is not moved by it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from secrets import token_hex
from typing import Final, Protocol, TypeAlias

from vestibule.storage.health import Health
from vestibule.storage.remote import PerLoop

__all__ = ["Announcements", "Channel", "Ear", "Hearer", "NotHeard", "announcements_of"]

Ear: TypeAlias = Callable[[float], Awaitable["str | None"]]
"""The next announcement, or None if that many seconds bring none. Raises when the connection is lost."""

Hearer: TypeAlias = Callable[["str | None"], object]
"""Called with every announcement; with None when any may have been missed."""

_PATIENCE: Final = 1.0  # seconds that an announcement may take: somebody waits for the answer behind it
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0


class NotHeard(Exception):
    """What was sent does not arrive, although nothing was refused."""


class Channel(Protocol):
    """What a server offers for it. Both ways may raise anything."""

    async def say(self, text: str) -> None:
        """Send to all who listen, oneself included. Not over a connection that listens, or hearing it would prove nothing."""
        ...

    def open(self) -> AbstractAsyncContextManager[Ear]:
        """Listen, with a connection for that alone."""
        ...

    def trouble(self, error: Exception) -> str:
        """What the log says of an error; no credentials."""
        ...


class _Listening:
    """What listens in one event loop."""

    def __init__(self) -> None:
        self.hearers: set[Hearer] = set()
        self.task: asyncio.Task[None] | None = None
        self.are_heard = False
        self.failures = 0

    def tell(self, announced: str | None) -> None:
        for hear in self.hearers:
            hear(announced)


class Announcements:
    """What a store announces to other processes, and hears from them. May be used from several event loops.

    Args:
        channel: what carries them.
        name: what the log calls the store.
        probe_every: seconds between two proofs that the channel still carries.
        probe_within: seconds after which it counts as lost.
    """

    def __init__(self, channel: Channel, name: str, *, probe_every: float = 10.0, probe_within: float = 5.0) -> None:
        self._channel = channel
        self._health = Health(f"the channel of {name}", logging.WARNING)
        self._probe_every = probe_every
        self._probe_within = probe_within
        self._listening = PerLoop(_Listening)

    @property
    def are_heard(self) -> bool | None:
        """Whether announcements reach the running event loop; None while nobody in it listens."""
        listening = self._listening.here()
        return listening.are_heard if listening.task is not None else None

    async def announce(self, text: str) -> None:
        """Tell all who listen, within about a second. Never raises: what it is about has happened, whoever hears of it."""
        try:
            await self._say(text, _PATIENCE)
        except Exception as error:
            self._say_trouble(error)

    def listen(self, hear: Hearer) -> None:
        """From now on call `hear`, also after the connection was lost and made anew. A second call changes nothing."""
        listening = self._listening.here()
        listening.hearers.add(hear)
        if listening.task is None:
            # The context of the request that happens to be the first is not that of the task, which outlives it.
            listening.task = asyncio.get_running_loop().create_task(self._listen(listening), context=Context())

    async def aclose(self) -> None:
        """Stop listening in this event loop."""
        listening = self._listening.forget()
        if listening is not None and listening.task is not None:
            listening.task.cancel()
            await asyncio.wait([listening.task])

    async def _listen(self, listening: _Listening) -> None:
        try:
            while True:
                await self._hear_until_lost(listening)
                pause = min(_FIRST_PAUSE * 2**listening.failures, _LONGEST_PAUSE)
                listening.failures += 1
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 so that not all come back at once
        finally:
            listening.are_heard = False
            listening.task = None  # it would keep the event loop alive
            listening.hearers.clear()

    async def _hear_until_lost(self, listening: _Listening) -> None:
        try:
            async with self._channel.open() as ear:
                while True:
                    await self._prove(listening, ear)
                    await self._hear(listening, ear, self._probe_every)
        except Exception as error:
            listening.are_heard = False
            self._say_trouble(error)

    async def _prove(self, listening: _Listening, ear: Ear) -> None:
        """Say something and hear it.

        To have subscribed proves nothing: a pooler takes the subscription to one connection and the next one elsewhere, a
        connection that is broken in between stays silent, and some servers accept what they then do not deliver.
        """
        probe = f"probe/{token_hex(16)}"
        await self._say(probe, self._probe_within)
        if not await self._hear(listening, ear, self._probe_within, until=probe):
            raise NotHeard
        if not listening.are_heard:
            listening.are_heard, listening.failures = True, 0
            listening.tell(None)
        self._health.works(is_read=False)

    async def _hear(self, listening: _Listening, ear: Ear, seconds: float, until: str = "") -> bool:
        """Pass on what comes, for so many seconds or until the one that is waited for has come; tells whether it has."""
        now = asyncio.get_running_loop().time
        end = now() + seconds
        while (left := end - now()) > 0:
            announced = await ear(left)
            if announced == until:
                return True
            if announced is not None:
                listening.tell(announced)
        return False

    async def _say(self, text: str, within: float) -> None:
        async with asyncio.timeout(within):
            await self._channel.say(text)

    def _say_trouble(self, error: Exception) -> None:
        trouble = self._channel.trouble(error)
        self._health.failed(f"{trouble}; sessions that end elsewhere are noticed within revocation_delay_seconds", is_read=True)


def announcements_of(store: object) -> Announcements | None:
    """Those of a store; None where its server cannot carry them."""
    found = getattr(store, "announcements", None)
    return found if isinstance(found, Announcements) else None
