"""One piece of work for all who want its result at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

__all__ = ["SingleFlight"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Runs work once per key, however many ask for it while it runs."""

    def __init__(self) -> None:
        self._flights: dict[K, asyncio.Task[V]] = {}

    async def share(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The result of the running work, or of new work. It goes on if whoever began it goes away: others may wait for it."""
        return await asyncio.shield(self.start(key, work))

    def start(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        """The running work, or new work, without waiting for it."""
        flight = self._flights.get(key)
        # What another event loop left behind will never come to an end.
        if flight is None or flight.done() or flight.get_loop() is not asyncio.get_running_loop():
            flight = self._flights[key] = asyncio.create_task(work())
            flight.add_done_callback(lambda done: self._land(key, done))
        return flight

    def _land(self, key: K, flight: asyncio.Task[V]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # nobody may be left to see it
