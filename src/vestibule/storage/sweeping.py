"""Expired records leave a store by themselves: a few at a time, beside the requests and never in one.

A sweep begins when the store is opened, after some writes, and from time to time where nothing is written. It goes on with pauses
until nothing expired is left, so that it keeps up whatever ended at once: a burst of sign-ins, or a million sessions of one day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final
from weakref import ref

from vestibule.errors import Unavailable

__all__ = ["Sweeper"]

# A sweep takes out more than what was written since the last one, and lets requests have nine tenths of the event loop's time.
_WRITES_PER_SWEEP: Final = 64
_PAUSE_SECONDS: Final = 0.02
_IDLE_SECONDS: Final = 300.0


class Sweeper:
    """Starts the sweeps of one store.

    Args:
        purge: removes at most so many expired records, and tells how many. What it cannot do now, a later sweep does.
        batch: how many at once; while that takes, a request may have to wait.
    """

    def __init__(self, purge: Callable[[int], Awaitable[int]], batch: int) -> None:
        self._purge = purge
        self._batch = batch
        self._writes = 0
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def opened(self) -> None:
        """The store was opened: sweep, and from now on also where nothing is written, from the running event loop."""
        loop = _running_loop()
        if loop is not None and loop is not self._loop:
            self._loop = loop
            _sweep_and_come_again(ref(self))

    def written(self) -> None:
        """A record was written: sweep once there were enough of them."""
        self._writes += 1
        if self._writes >= _WRITES_PER_SWEEP:
            self.start()

    def start(self) -> None:
        """Sweep, unless a sweep is running."""
        loop, task = _running_loop(), self._task
        # What another event loop left behind will never come to an end.
        if loop is not None and (task is None or task.done() or task.get_loop() is not loop):
            self._writes = 0
            self._task = loop.create_task(self._sweep())

    def stop(self) -> None:
        """Sweep no more until the store is opened again."""
        self._loop = None
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.cancel()

    def is_of(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it is this event loop that sweeps where nothing is written."""
        return self._loop is loop

    async def _sweep(self) -> None:
        with suppress(Unavailable):
            while await self._purge(self._batch) >= self._batch:  # noqa: ASYNC110 - nobody would set the event
                await asyncio.sleep(_PAUSE_SECONDS)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """None where the verbs are driven by hand: nobody sweeps there."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _sweep_and_come_again(whose: ref[Sweeper]) -> None:
    """By a weak reference: a store that nobody uses any more is not kept for its sweeps."""
    sweeper, loop = whose(), asyncio.get_running_loop()
    if sweeper is not None and sweeper.is_of(loop):
        sweeper.start()
        loop.call_later(_IDLE_SECONDS, _sweep_and_come_again, whose)
