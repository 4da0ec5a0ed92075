"""One server process on a store that holds many grants: ``python -m benchmarks.grown ORDER``, where ORDER is a JSON file.

It prints what it measured as one line of JSON. Requests go straight to the ASGI application: what is measured is the server and the store.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.types import Receive, Scope, Send
from tests.races.house import ask

from benchmarks.many import DAY, SESSION_DAYS, SIGNING_KEY, Maker
from benchmarks.opaque import Ahead
from benchmarks.server import resident_bytes
from benchmarks.sides import build_provider

BASE_URL = "http://127.0.0.1:8"
FORM = [(b"content-type", b"application/x-www-form-urlencoded")]
REMEMBERED = 10_000  # tokens, by the guard
SWEPT_SECONDS = 15.0


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """The protected application."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


class Measured:
    """One server and its figures.

    Args:
        order: url, upstream, template, now, grants (first and end), times, full (whether everything is measured that changes the store).
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self.clock = Ahead()
        self.maker = Maker(order["template"], order["now"])
        self.grants = range(*order["grants"])
        self.chosen = random.Random(7)
        options = {"client_storage": order["url"], "jwt_signing_key": SIGNING_KEY, "clock": self.clock}
        # No revocation delay: each verification is a miss, which reads the record.
        self.proxy = build_provider(
            "ours", upstream=order["upstream"], base_url=BASE_URL, revocation_delay_seconds=0, **options
        )
        self.app = self.proxy.protect(answer)
        self.hall = self.proxy._built.hall
        self.store = self.proxy._built.records.store
        self.client_id = order["template"]["client_id"]

    def numbers(self, count: int) -> list[int]:
        return self.chosen.choices(self.grants, k=count)

    def access_token(self, number: int) -> str:
        grant = self.maker.grant(number)
        token, _ = self.hall.access_tokens.mint(grant, grant.scopes)
        return str(token)

    async def misses(self, count: int) -> list[float]:
        """Verifications of tokens that this process never saw, of living grants; microseconds each."""
        took = []
        now = self.clock.now() + 60
        numbers = [number for number in self.numbers(2 * count) if self.maker.grant(number).expires_at > now][:count]
        tokens = [self.access_token(number) for number in numbers]
        for token in tokens:
            took.append(await _timed(self._verify, token))
            await asyncio.sleep(0)
        return took

    async def _verify(self, token: str) -> None:
        if await self.proxy.verify_token(token) is None:
            raise RuntimeError("a token of a living grant was refused")

    async def refreshes(self, count: int) -> list[float]:
        """Whole requests to the token endpoint; microseconds each."""
        numbers = self.chosen.sample(self.grants, k=min(count, len(self.grants)))
        tokens = [self.maker.refresh_token(number).text for number in numbers]
        return [await _timed(self._refresh, token) for token in tokens]

    async def _refresh(self, token: str) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client_id}
        answered = await ask(self.app, "POST", "/token", headers=FORM, body=urlencode(form).encode(), host=b"127.0.0.1:8")
        if answered.status != 200:
            raise RuntimeError(f"a refresh was answered {answered.status}: {answered.body[:200]!r}")

    async def memory(self) -> dict[str, float]:
        """Resident bytes at the start, when every cache is full, and after as many other sessions again."""
        levels = {"at start": float(resident_bytes())}
        for name in ("caches full", "as many again"):
            for token in (self.access_token(number) for number in self.numbers(int(REMEMBERED * 1.2))):
                await self._verify(token)
            gc.collect()
            levels[name] = float(resident_bytes())
        return levels

    async def sweep(self) -> dict[str, float]:
        """A tenth of all ends at once: how fast it goes along with requests, and what a verification costs meanwhile."""
        before = statistics.median(await self.misses(200))
        self.clock.seconds += SESSION_DAYS * DAY // 10
        removed = 0
        inner = self.store._sweeper._purge

        async def counted(limit: int) -> int:
            nonlocal removed
            gone = await inner(limit)
            removed += gone
            return gone

        self.store._sweeper._purge = counted
        for number in range(64):  # after so many writes a sweep begins
            await self.store.put_new(f"spent/{number}", b"", 1)
        begin, took = time.perf_counter(), []
        while (seconds := time.perf_counter() - begin) < SWEPT_SECONDS and not self.store._sweeper._task.done():
            took += await self.misses(50)
        self.store._sweeper.stop()
        return {"removed per second": removed / seconds, "miss before": before, "miss meanwhile": statistics.median(took)}

    async def purge(self) -> dict[str, float]:
        """Everything ends: batches of the store's own size, then all that is left."""
        self.clock.seconds += 2 * SESSION_DAYS * DAY
        batch = self.store._sweeper._batch
        batches = [await _timed(self.store.purge, batch) for _ in range(min(100, len(self.grants) // batch // 2))]
        begin, removed = time.perf_counter(), 0
        while gone := await self.store.purge(1000):
            removed += gone
        seconds = time.perf_counter() - begin
        return {"batch of": batch, "batch": statistics.median(batches), "slowest batch": max(batches)} | {
            "removed": removed,
            "seconds": seconds,
        }


async def _timed(what: Callable[[Any], Awaitable[Any]], argument: Any) -> float:
    begin = time.perf_counter_ns()
    await what(argument)
    return (time.perf_counter_ns() - begin) / 1e3


async def measure(order: dict[str, Any]) -> dict[str, Any]:
    server = Measured(order)
    times = order["times"]
    await server.misses(50)  # keys and connections belong to the start
    found: dict[str, Any] = {"miss": _summary(await server.misses(times)), "refresh": _summary(await server.refreshes(times))}
    if order["full"]:
        found["memory"] = await server.memory()
        if hasattr(server.store, "_sweeper"):
            found["sweep"] = await server.sweep()
            found["purge"] = await server.purge()
    await server.store.aclose()
    return found


def _summary(took: list[float]) -> dict[str, float]:
    return {"median": statistics.median(took), "p99": statistics.quantiles(took, n=100)[98]}


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(measure(json.loads(Path(sys.argv[1]).read_text())))))
