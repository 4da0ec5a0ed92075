"""Providers with opaque access tokens, which only the provider can judge: how often it is asked, and what a call then costs.

Both sides sign in at the same stand-in over loopback, without TLS and with nothing to wait for, every option and the store at their
defaults. A real provider is some tens of milliseconds away and limits how often it may be asked, so each request weighs more there.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.applications import Starlette

from benchmarks.calls import connect, load
from benchmarks.context import Context, fresh_home
from benchmarks.processes import Running, start
from benchmarks.rows import Row, series
from benchmarks.sides import NAMES, build_vendor_provider
from benchmarks.timing import quiet, rounds
from benchmarks.vendors import HOSTS, VENDORS, diverted
from benchmarks.walk import login

BASE_URL = "http://127.0.0.1:8"
AT_ONCE = 25
CHECK_SECONDS = 300


class Ahead:
    """A clock that can be put forward, so that a check is due again without waiting for it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return time.time() + self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class Signed:
    """One side's provider class for one vendor, with a token that it issued."""

    side: str
    vendor: str
    token: str = ""
    provider: Any = None

    async def sign_in(self) -> None:
        self.provider = build_vendor_provider(self.side, self.vendor, base_url=BASE_URL)
        app = httpx2.ASGITransport(Starlette(routes=self.provider.get_routes("/mcp")))
        mounts = {f"https://{host}": httpx2.AsyncHTTPTransport() for host in HOSTS}
        async with httpx2.AsyncClient(transport=app, mounts=mounts) as http:
            self.token = await login(http, BASE_URL, VENDORS[self.vendor].scope)

    def restart(self, **options: Any) -> None:
        """A new instance on the same state, nothing remembered."""
        self.provider = build_vendor_provider(self.side, self.vendor, base_url=BASE_URL, **options)
        self.provider.get_routes("/mcp")

    async def verify(self) -> None:
        if await self.provider.verify_token(self.token) is None:
            raise RuntimeError(f"{NAMES[self.side]} refused its own {self.vendor} token")


async def run(context: Context) -> list[Row]:
    rows: list[Row] = []
    with start("benchmarks.vendors", probe="/requests") as stand_in, diverted(stand_in.base_url):
        for vendor in VENDORS:
            with fresh_home():
                rows += [*await _in_process(context, stand_in, vendor), *await _over_http(context, stand_in, vendor)]
    return rows


async def _in_process(context: Context, stand_in: Running, vendor: str) -> list[Row]:
    signed = {side: Signed(side, vendor) for side in context.sides}
    for one in signed.values():
        await one.sign_in()
        await one.verify()
    return [await _verified(context, stand_in, vendor, signed), await _at_once(context, stand_in, vendor, signed)]


async def _verified(context: Context, stand_in: Running, vendor: str, signed: dict[str, Signed]) -> Row:
    rate: dict[str, list[float]] = {side: [] for side in signed}
    asked: dict[str, list[float]] = {side: [] for side in signed}
    for side in rounds(context.pick(5, 3), tuple(signed), f"{vendor}: verify_token"):
        times = context.pick(20_000, 2000) if side == "ours" else context.pick(15, 5)
        before = _requests(stand_in)
        rate[side].append(await _rate(signed[side], times))
        asked[side].append((_requests(stand_in) - before) * 1000 / times)
    row = Row(f"opaque_{vendor.lower()}_verify", f"{vendor}: verify_token, seen before", "calls/s", series(rate))
    row.better, row.drawn, row.target = "higher", False, "no request while the check is fresh"
    row.details = {"requests_per_1000_calls": asked}
    if "peer" in signed and VENDORS[vendor].keeping:
        kept = row.details["peer_keeping_answers"] = await _rate_keeping(signed["peer"], context.pick(300, 60))
        row.note = f"fastmcp with its cache switched on: {kept:,.0f} calls/s"
    return row.judge("ours", lambda requests: requests == 0, sum(asked.get("ours", [])))


async def _rate_keeping(peer: Signed, times: int) -> float:
    """The peer with its answers kept, which it does when told to."""
    peer.restart(**VENDORS[peer.vendor].keeping)
    await peer.verify()
    return await _rate(peer, times)


async def _rate(signed: Signed, times: int) -> float:
    with quiet():
        begin = time.perf_counter()
        for _ in range(times):
            await signed.verify()
        return times / (time.perf_counter() - begin)


async def _at_once(context: Context, stand_in: Running, vendor: str, signed: dict[str, Signed]) -> Row:
    """Requests for many checks of one token at once by an instance that never saw it, and for one such check alone."""
    clock = Ahead()
    asked: dict[str, list[float]] = {side: [] for side in signed}
    alone: dict[str, float] = {}
    for side in rounds(context.pick(3, 2), tuple(signed), f"{vendor}: {AT_ONCE} checks at once"):
        alone[side] = await _asked_for(1, stand_in, signed[side], clock)
        asked[side].append(await _asked_for(AT_ONCE, stand_in, signed[side], clock))
    row = Row(f"opaque_{vendor.lower()}_at_once", f"{vendor}: {AT_ONCE} first checks at once", "requests", series(asked))
    row.drawn, row.target, row.details = False, "those of one check", {"requests_of_one_check": alone}
    row.note = "one check: " + ", ".join(f"{NAMES[side]} {requests:.0f}" for side, requests in alone.items())
    return row.judge("ours", lambda requests: 0 < requests == alone["ours"], max(asked.get("ours", [0])))


async def _asked_for(checks: int, stand_in: Running, signed: Signed, clock: Ahead) -> float:
    clock.seconds += CHECK_SECONDS + 1
    # Only ours takes a clock; the peer asks whatever the time is.
    signed.restart(**({"clock": clock} if signed.side == "ours" else {}))
    before = _requests(stand_in)
    await asyncio.gather(*(signed.verify() for _ in range(checks)))
    return _requests(stand_in) - before


async def _over_http(context: Context, stand_in: Running, vendor: str) -> list[Row]:
    rate: dict[str, list[float]] = {side: [] for side in context.sides}
    asked: dict[str, list[float]] = {side: [] for side in context.sides}
    times = context.pick(10, 5)
    with ExitStack() as stack:
        servers = {side: stack.enter_context(_server(side, stand_in, vendor)) for side in context.sides}
        pool = stack.enter_context(ThreadPoolExecutor())
        connections = {}
        async with httpx2.AsyncClient(timeout=60) as http:
            for side, server in servers.items():
                connections[side] = connect(stack, server, await login(http, server.base_url, VENDORS[vendor].scope))
                load(pool, server, connections[side], 2)
        for side in rounds(context.pick(5, 3), context.sides, f"{vendor}: tools/call"):
            before = _requests(stand_in)
            rate[side].append(load(pool, servers[side], connections[side], times)[0])
            asked[side].append((_requests(stand_in) - before) * 1000 / (times * len(connections[side])))
    calls = Row(f"opaque_{vendor.lower()}_calls", f"{vendor}: tools/call", "calls/s", series(rate), better="higher")
    requests = Row(f"opaque_{vendor.lower()}_requests", f"{vendor}: asked in 1,000 calls", "requests", series(asked))
    requests.target = "0"
    return [calls, requests.judge("ours", lambda count: count == 0, sum(asked.get("ours", [])))]


def _server(side: str, stand_in: Running, vendor: str) -> Any:
    return start("benchmarks.server", side, stand_in.base_url, vendor, probe="/benchmark/usage")


def _requests(stand_in: Running) -> int:
    count: int = httpx2.get(f"{stand_in.base_url}/requests").json()
    return count
