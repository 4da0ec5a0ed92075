"""``verify_token`` of a bridge: a token seen before, and tokens never seen, both sides on their memory store."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import httpx2
from starlette.applications import Starlette

from benchmarks.context import Context
from benchmarks.counting import CountingStore, public_key_operations
from benchmarks.rows import Row, series
from benchmarks.sides import build_provider, memory_store
from benchmarks.timing import quiet, rounds
from benchmarks.walk import login

BASE_URL = "http://127.0.0.1:8"
SIGNING_KEY = "one-key-for-every-instance-of-this-benchmark-0123456789"


@dataclass(slots=True)
class Bridge:
    """One side's bridge, its store, and tokens that it issued."""

    side: str
    upstream: str
    store: Any
    tokens: list[str]
    provider: Any = None
    routes: Any = None

    def restart(self) -> None:
        """A new instance on the same store and key: what it remembered of tokens is gone."""
        options = {"client_storage": self.store, "jwt_signing_key": SIGNING_KEY}
        self.provider = build_provider(self.side, upstream=self.upstream, base_url=BASE_URL, **options)
        self.routes = self.provider.get_routes("/mcp")


async def run(context: Context) -> list[Row]:
    bridges = {side: await _bridge(side, context) for side in context.sides}
    seen, counted = await _seen_before(context, bridges), {}
    if "ours" in bridges:
        counted = await _assert_nothing_asked(context, bridges["ours"])
    seen.details = counted
    return [seen, await _not_seen_before(context, bridges, counted)]


async def _bridge(side: str, context: Context) -> Bridge:
    store = CountingStore(memory_store(side)) if side == "ours" else memory_store(side)
    bridge = Bridge(side, context.upstream.base_url, store, [])
    bridge.restart()
    app = httpx2.ASGITransport(Starlette(routes=bridge.routes))
    upstream = {context.upstream.base_url: httpx2.AsyncHTTPTransport()}
    async with httpx2.AsyncClient(transport=app, mounts=upstream) as http:
        for _ in range(context.pick(40, 10)):
            bridge.tokens.append(await login(http, BASE_URL))
    await _check(bridge, bridge.tokens[0])
    return bridge


async def _check(bridge: Bridge, token: str) -> None:
    if await bridge.provider.verify_token(token) is None:
        raise RuntimeError(f"{bridge.side} refused its own token")


async def _seen_before(context: Context, bridges: dict[str, Bridge]) -> Row:
    took: dict[str, list[float]] = {side: [] for side in bridges}
    for side in rounds(context.pick(15, 5), tuple(bridges), "verify_token, seen before"):
        # A multiple as many on the faster side, so that a round takes about as long on both.
        times = context.pick(5000, 2000) if side == "ours" else context.pick(200, 60)
        took[side].append(await _mean_us(bridges[side], repeat(bridges[side].tokens[0], times)))
    row = Row("verify_seen", "verify_token, token seen before", "µs", series(took))
    row.target = "≥ 50 × the peer"
    row.note = "memory store"
    return row.judge("ours", lambda times: times >= 50, row.times_better)


async def _mean_us(bridge: Bridge, tokens: Iterable[str]) -> float:
    verify = bridge.provider.verify_token
    with quiet():
        begin, count = time.perf_counter_ns(), 0
        for token in tokens:
            await verify(token)
            count += 1
        return (time.perf_counter_ns() - begin) / count / 1e3


async def _assert_nothing_asked(context: Context, bridge: Bridge) -> dict[str, int]:
    """The claim behind the figure: a known token costs no store verb, no request and no public-key operation."""
    bridge.restart()
    await _check(bridge, bridge.tokens[1])
    unseen = await _asked(context, bridge, bridge.tokens[0])
    seen = await _asked(context, bridge, bridge.tokens[0])
    # The same counters must have moved for the unseen token, or their silence would prove nothing.
    if not unseen["store reads"] or not unseen["public-key operations"]:
        raise AssertionError(f"the counters are blind: {unseen}")
    if any(seen.values()):
        raise AssertionError(f"a known token was not answered from memory: {seen}")
    return {f"{name}, seen": count for name, count in seen.items()} | {f"{name}, unseen": n for name, n in unseen.items()}


async def _asked(context: Context, bridge: Bridge, token: str) -> dict[str, int]:
    bridge.store.used.clear()
    before = _requests(context)
    operations = await public_key_operations(lambda: bridge.provider.verify_token(token))
    return {
        "store reads": bridge.store.used.total(),
        "requests": _requests(context) - before,
        "public-key operations": operations,
    }


def _requests(context: Context) -> int:
    count: int = httpx2.get(f"{context.upstream.base_url}/requests").json()
    return count


async def _not_seen_before(context: Context, bridges: dict[str, Bridge], counted: dict[str, int]) -> Row:
    took: dict[str, list[float]] = {side: [] for side in bridges}
    for side in rounds(context.pick(15, 5), tuple(bridges), "verify_token, not seen before"):
        bridge = bridges[side]
        bridge.restart()
        await _check(bridge, bridge.tokens[0])  # keys are fetched and imported once per process, not once per token
        took[side].append(await _mean_us(bridge, bridge.tokens[1:]))
    row = Row("verify_unseen", "verify_token, token not seen", "µs", series(took))
    row.target = "faster than the peer, one store read"
    reads = counted.get("store reads, unseen")
    row.note = "memory store" if reads is None else f"memory store; store reads: {reads}"
    return row.judge("ours", lambda times: times > 1 and reads == 1, row.times_better)
