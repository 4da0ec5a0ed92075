"""Several servers on one store, all in this process: real objects, a clock that only tests move, writes that fail when told to."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.properties.session_model import UPSTREAM_SECONDS, Fault, Outcome
from tests.races.house import UPSTREAM_SECRET, Answer, House
from tests.races.stores import WaitingStore

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import Unavailable
from vestibule.storage.protocol import Store
from vestibule.testing import DevelopmentProvider, FakeClock, ProviderClient, ScriptedClient, ScriptedUser

BASE_URL = "http://127.0.0.1:8000"
USERS = tuple(f"user-{number}" for number in range(120))


class FaultyStore(WaitingStore):
    """One process's way to the store. Others run around every verb; the next write meets a fault if one was ordered."""

    fault: Fault | None = None

    async def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        fault = self._take_fault()
        done = await super().put_new(key, value, ttl)
        self._lose(fault)
        return done

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        fault = self._take_fault()
        done = await super().swap(key, version, value, ttl)
        self._lose(fault)
        return done

    def _take_fault(self) -> Fault | None:
        fault, self.fault = self.fault, None
        if fault is Fault.FAILED:
            raise Unavailable(reasons.STORE_UNAVAILABLE, fault.value)
        return fault

    def _lose(self, fault: Fault | None) -> None:
        if fault is Fault.LOST:
            raise Unavailable(reasons.STORE_UNAVAILABLE, fault.value)


class CurrentClock:
    """The clock of whichever town is being lived in: the provider outlives towns, since its key takes long to make."""

    clock: Clock = FakeClock()

    def now(self) -> float:
        return self.clock.now()

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)


_time = CurrentClock()
_provider: list[DevelopmentProvider] = []


def provider(clock: FakeClock) -> DevelopmentProvider:
    """The provider, at the time of `clock`, with everybody welcome again."""
    _time.clock = clock
    if not _provider:
        _provider.append(
            DevelopmentProvider(
                clock=_time,
                clients=[ProviderClient("vestibule", UPSTREAM_SECRET, redirect_uris=(f"{BASE_URL}/auth/callback",))],
                users={name: {} for name in USERS},
                access_token_seconds=UPSTREAM_SECONDS,
            )
        )
    _provider[0].faults.clear()
    _provider[0].requests.clear()
    return _provider[0]


@dataclass
class Session:
    """What a client holds of a session.

    Attributes:
        code, attempt: of its sign-in.
        refresh_tokens: by generation, as far as the client got them.
        access_tokens: with their ends.
        redeemed: how often the code was.
    """

    user: str
    code: str
    attempt: Any
    refresh_tokens: dict[int, str] = field(default_factory=dict)
    access_tokens: list[tuple[str, float]] = field(default_factory=list)
    redeemed: int = 0

    def take(self, answer: Answer, generation: int, now: float) -> None:
        """Keep the tokens of an answer. A refresh token has one successor, however often and wherever it is asked for."""
        tokens = answer.json()
        known = self.refresh_tokens.setdefault(generation, tokens["refresh_token"])
        assert known == tokens["refresh_token"], "a refresh token was redeemed twice: it has two successors"
        self.access_tokens.append((tokens["access_token"], now + tokens["expires_in"]))


class Town:
    """The servers.

    Args:
        store: what they share.
        clock: everybody's time.
        processes: how many.
        revocation_delay: of each, in seconds.
    """

    def __init__(self, store: Store, clock: FakeClock, processes: int, revocation_delay: float) -> None:
        self.clock = clock
        self.provider = provider(clock)
        self.ways = [FaultyStore(store, seed) for seed in range(processes)]
        options = {"revocation_delay_seconds": revocation_delay}
        self.houses = [
            House(store=way, clock=clock, base_url=BASE_URL, provider=self.provider, options=options) for way in self.ways
        ]
        self.clients: list[ScriptedClient] = []

    async def settle(self) -> None:
        """Two clients, which every server knows: a client's id is its registration."""
        self.clients = [await self.houses[0].client(client_name=name) for name in ("one", "other")]

    async def sign_in(self, process: int, user: str) -> Session:
        house, client = self.houses[process], self.clients[0]
        self.provider.auto_approve_as = user
        async with ScriptedUser(user, apps=house.apps) as client.user:
            code, attempt = await house.code(client)
        return Session(user, code, attempt)

    def order(self, process: int, fault: Fault | None, seed: int) -> None:
        """The next write of that process meets the fault; the seed says who runs before whom."""
        self.ways[process].fault = fault
        self.ways[process]._random = random.Random(seed)

    async def aclose(self) -> None:
        for client in self.clients:
            await client.aclose()


def outcome(answer: Answer) -> Outcome:
    """How it was answered; nothing else may be, and nothing unavailable without word of when to come again."""
    if answer.status == 503:
        assert int(answer.header("retry-after")) > 0, "a 503 without Retry-After"
        return Outcome.UNAVAILABLE
    assert answer.status in (200, 400, 401), f"answered {answer.status}"
    return Outcome.OK if answer.status == 200 else Outcome.REFUSED
