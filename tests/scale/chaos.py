"""What goes wrong meanwhile: processes die, the store goes away and comes back, keys change."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from tests.scale.deployment import Deployment

# Seconds of the machine.
_BETWEEN_KILLS = (0.5, 3.0)
_DEAD = (0.1, 1.0)
_BETWEEN_OUTAGES = (2.0, 6.0)
_AWAY = {"sqlite": (0.2, 6.5), "redis": (0.1, 2.5), "postgres": (0.1, 2.5)}
_BETWEEN_ROTATIONS = (3.0, 10.0)


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
        """A key that comes in two steps: first all know it, then all use it."""
        while await self._wait(_BETWEEN_ROTATIONS, until):
            key = self._deployment.add_key()
            await self._restart_all()
            self._deployment.promote_key(key)
            await self._restart_all()
            self.counts["key rotations"] += 1

    async def _restart_all(self) -> None:
        for port in self._deployment.ports:
            async with self._turn:
                await self._stop(port)
                await asyncio.to_thread(self._deployment.start_server, port)
            await asyncio.sleep(0.3)

    async def _stop(self, port: int) -> None:
        await asyncio.to_thread(self._deployment.kill_server, port)
        self.counts["kills"] += 1

    async def _wait(self, between: tuple[float, float], until: float) -> bool:
        await asyncio.sleep(self._random.uniform(*between))
        return self._deployment.clock.now() < until
