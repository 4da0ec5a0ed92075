"""Whether the provider can be talked to, for whoever wants to know without a sign-in at hand."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final

from vestibule.clock import Clock
from vestibule.condition import Condition
from vestibule.errors import VestibuleError
from vestibule.upstream.client import UpstreamClient

__all__ = ["QUIET_SECONDS", "Contact"]

QUIET_SECONDS: Final = 10
"""A provider that was asked or that answered within this time is not asked for the sake of asking."""


class Contact:
    """What is known of the provider's health.

    Args:
        known: gives our client there; None while the provider was not discovered.
        discover: discovers it, or raises ``Unavailable``.
        clock: the time.
    """

    def __init__(
        self, known: Callable[[], UpstreamClient | None], discover: Callable[[], Awaitable[object]], clock: Clock
    ) -> None:
        self._known = known
        self._discover = discover
        self._clock = clock
        self._asked_at = -math.inf
        self._undiscovered = Condition()

    @property
    def is_discovered(self) -> bool:
        """Whether everything that has to be known of the provider is known."""
        return self._known() is not None

    @property
    def condition(self) -> Condition:
        """Whether it answers."""
        client = self._known()
        return client.condition if client is not None else self._undiscovered

    async def ask(self) -> None:
        """Ask the provider whatever costs it least, unless that was done or it answered a moment ago."""
        now = self._clock.now()
        if 0 <= now - max(self._asked_at, self.condition.worked_at or -math.inf) < QUIET_SECONDS:
            return
        self._asked_at = now
        try:
            await self._discover()
            client = self._known()
            if client is not None:
                await client.contact()
        except VestibuleError as error:
            self.condition.fails(now, error.reason)
