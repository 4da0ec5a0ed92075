"""What goes wrong meanwhile: processes die, the store goes away and comes back, keys change."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from tests.scale.deployment import Deployment

# Seconds of the machine.
_BETWEEN_KILLS = (0.5, 2.5)
_DEAD = (0.1, 1.0)
_BETWEEN_OUTAGES = (2.0, 6.0)
_AWAY = {"sqlite": (0.2, 6.5), "redis": (0.1, 2.5), "postgres": (0.1, 2.5)}
_BETWEEN_ROTATIONS = (0.5, 3.0)
_TRIES = 100


class Chaos:
    """Kills, outages and rotations, at random, one of each kind at a time."""

    def __init__(self, deployment: Deployment) -> None:
        self.counts: Counter[str] = Counter()
        self._deployment = deployment
        self._random = random.Random(f"{deployment.plan.seed} chaos")
        self._turn = asyncio.Lock()  # a server is restarted by one of them at a time

    async def reign(self, until: float) -> None:
        """Until the clock says so. What was broken is mended then."""
        await asyncio.gather(self._kill(until), self._outages(until), self._rotate(until))

    async def _kill(self, until: float) -> None:
        while await self._wait(_BETWEEN_KILLS, until):
            async with self._turn:
                many = self._random.choice([1, 1, 1, 2])
                ports = self._random.sample(self._deployment.ports, min(many, len(self._deployment.ports)))
                for port in ports:
                    await self._stop(port)
                await asyncio.sleep(self._random.uniform(*_DEAD))
                for port in ports:
                    await asyncio.to_thread(self._deployment.start_server, port)

    async def _outages(self, until: float) -> None:
        while await self._wait(_BETWEEN_OUTAGES, until):
            await asyncio.to_thread(self._deployment.fail_store)
            away = self._random.uniform(*_AWAY[self._deployment.plan.store])
            await asyncio.sleep(away / (self._deployment.plan.pace if self._deployment.plan.store == "sqlite" else 1))
            await asyncio.to_thread(self._deployment.recover_store)
            self.counts["store outages"] += 1

    async def _rotate(self, until: float) -> None:
        """Keys come, and are used once all know them, and one goes: by what the commands do, while everything runs.

        One that goes takes with it the sessions that hang from it, so early in the run one does, and afterwards none.
        """
        deployment = self._deployment
        two_thirds = until - (until - deployment.clock.now()) / 3
        while await self._wait(_BETWEEN_ROTATIONS, until):
            used_from = await asyncio.to_thread(deployment.add_key)
            await deployment.clock.sleep(used_from - deployment.clock.now())
            self.counts["keys that came"] += 1
            if not self.counts["keys that went"] and await self._wait(_BETWEEN_ROTATIONS, two_thirds):
                await self._retire()

    async def _retire(self) -> None:
        for _ in range(_TRIES):
            if await asyncio.to_thread(self._deployment.retire_key):
                self.counts["keys that went"] += 1
                return
            await asyncio.sleep(0.3)

    async def _stop(self, port: int) -> None:
        await asyncio.to_thread(self._deployment.kill_server, port)
        self.counts["kills"] += 1

    async def _wait(self, between: tuple[float, float], until: float) -> bool:
        await asyncio.sleep(self._random.uniform(*between))
        return self._deployment.clock.now() < until
