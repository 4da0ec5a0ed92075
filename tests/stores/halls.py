"""Two servers that share nothing but a store behind a network: what ends at one is refused by the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.races.air import refused, until
from tests.races.house import House

from vestibule.storage.announcements import Announcements, announcements_of
from vestibule.storage.protocol import Store
from vestibule.testing import FakeClock, ScriptedClient

FLOOR = 1800  # seconds of a clock that stands still: what is noticed was heard


@dataclass
class Halls:
    """Two servers, each with a store object of its own.

    Attributes:
        first: where sessions begin and end.
        second: where that is to be noticed.
    """

    first: House
    second: House

    @property
    def channels(self) -> list[Announcements]:
        found = [announcements_of(house.store) for house in (self.first, self.second)]
        return [each for each in found if each is not None]

    async def client(self) -> ScriptedClient:
        """One whose token both have seen."""
        client = await self.first.signed_in()
        await self.remember(client)
        return client

    async def remember(self, client: ScriptedClient) -> None:
        for house in (self.first, self.second):
            assert (await house.call(client.tokens["access_token"])).status == 200

    async def heard(self) -> None:
        await until(lambda: all(channel.are_heard for channel in self.channels), 30)

    async def unheard(self) -> None:
        await until(lambda: not any(channel.are_heard for channel in self.channels), 30)

    async def end(self, client: ScriptedClient) -> None:
        assert (await self.first.revoke(client, client.tokens["refresh_token"])).status == 200

    async def work(self) -> None:
        """A new session, remembered by both, ends at one and with it at the other."""
        client = await self.client()
        await self.heard()
        await self.remember(client)
        await self.end(client)
        await refused(self.second, client.tokens["access_token"])


@asynccontextmanager
async def halls(make: Callable[[FakeClock], Store], *, impatient: bool = False, floor: float = FLOOR) -> AsyncIterator[Halls]:
    """Two of them.

    Args:
        make: the store of one.
        impatient: the channel is proved every few hundred milliseconds instead of every few seconds.
        floor: their ``revocation_delay_seconds``.
    """
    clock = FakeClock()
    options: dict[str, Any] = {"revocation_delay_seconds": floor}
    first = House(store=make(clock), clock=clock, options=options)
    made = Halls(first, House(store=make(clock), clock=clock, options=options, provider=first.idp))
    for channel in made.channels if impatient else []:
        channel._probe_every, channel._probe_within = 0.2, 1
    try:
        yield made
    finally:
        for house in (made.first, made.second):
            await house.store.aclose()
