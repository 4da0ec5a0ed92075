"""One whole login, register to token: CPU time of the server's process, every side on its default store."""

from __future__ import annotations

from contextlib import AbstractContextManager, AsyncExitStack

import httpx2

from benchmarks.context import Context
from benchmarks.processes import Running, start
from benchmarks.rows import Row, series
from benchmarks.timing import rounds
from benchmarks.walk import login


async def run(context: Context) -> list[Row]:
    used: dict[str, list[float]] = {side: [] for side in context.sides}
    async with AsyncExitStack() as stack:
        servers = {side: stack.enter_context(start_server(side, context)) for side in context.sides}
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=60))
        for server in servers.values():
            await _cpu_ms(http, server, 2)  # connections, keys and lazy imports belong to the start, not to a login
        for side in rounds(context.pick(11, 4), context.sides, "whole login"):
            used[side].append(await _cpu_ms(http, servers[side], context.pick(10, 4)))
    row = Row("login", "whole login, CPU in the server", "ms", series(used))
    row.target = "≤ 1/10 of the peer"
    row.note = "register … token, default store"
    return [row.judge("ours", lambda times: times >= 10, row.times_better)]


def start_server(side: str, context: Context) -> AbstractContextManager[Running]:
    """A server of this side in its own process."""
    return start("benchmarks.server", side, context.upstream.base_url, probe="/benchmark/usage")


async def _cpu_ms(http: httpx2.AsyncClient, server: Running, logins: int) -> float:
    before = server.usage().cpu_ns
    for _ in range(logins):
        await login(http, server.base_url)
    return (server.usage().cpu_ns - before) / logins / 1e6
