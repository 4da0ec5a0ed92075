"""Authenticated ``tools/call`` over HTTP: one uvicorn worker per side, load from this process over kept-alive connections."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from benchmarks.context import Context
from benchmarks.login import start_server
from benchmarks.processes import Running
from benchmarks.rows import Row, difference, ratio, series
from benchmarks.sides import NAMES
from benchmarks.timing import quiet, rounds
from benchmarks.walk import login

CONNECTIONS = 4
PROTOCOL = "2025-06-18"
CLIENT = {"name": "benchmark", "version": "1"}
INITIALIZE = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": CLIENT}
CALL = {"name": "add", "arguments": {"a": 1, "b": 2}}


@dataclass(slots=True)
class Measured:
    """Per side and round: calls per second, and the server's CPU per call in microseconds."""

    rate: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)


class Connection:
    """One kept-alive connection with an MCP session on it."""

    def __init__(self, base_url: str, token: str | None) -> None:
        self.http = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=60)
        self.headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if token:
            self.headers["authorization"] = f"Bearer {token}"
        self._open_session()

    def _open_session(self) -> None:
        response = self._post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": INITIALIZE})
        self.headers |= {"mcp-session-id": response.headers["mcp-session-id"], "mcp-protocol-version": PROTOCOL}
        self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _post(self, message: dict[str, object]) -> http.client.HTTPResponse:
        self.http.request("POST", "/mcp", body=json.dumps(message), headers=self.headers)
        response = self.http.getresponse()
        self.body = response.read()
        if response.status not in (200, 202):
            raise RuntimeError(f"tools/call answered {response.status}: {self.body[:200]!r}")
        return response

    def call(self, times: int) -> None:
        """Call the tool, one call after the other; the last answer must carry the sum."""
        for number in range(1, times + 1):
            self._post({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": CALL})
        if b'"3"' not in self.body:
            raise RuntimeError(f"the tool did not answer: {self.body[:200]!r}")

    def close(self) -> None:
        self.http.close()


async def run(context: Context) -> list[Row]:
    sides = ("none", *context.sides)
    measured = Measured({side: [] for side in sides}, {side: [] for side in sides})
    with ExitStack() as stack:
        servers = {side: stack.enter_context(start_server(side, context)) for side in sides}
        connections = {side: await _connect(stack, side, servers[side]) for side in sides}
        pool = stack.enter_context(ThreadPoolExecutor(CONNECTIONS))
        for side in sides:
            load(pool, servers[side], connections[side], 40)
        for side in rounds(context.pick(61, 11), sides, "authenticated tools/call"):
            rate, cpu = load(pool, servers[side], connections[side], context.pick(40, 25))
            measured.rate[side].append(rate)
            measured.cpu[side].append(cpu)
    return _rows(measured)


async def _connect(stack: ExitStack, side: str, server: Running) -> list[Connection]:
    token = None
    if side != "none":
        async with httpx2.AsyncClient(timeout=60) as http_client:
            token = await login(http_client, server.base_url)
    return connect(stack, server, token)


def connect(stack: ExitStack, server: Running, token: str | None) -> list[Connection]:
    """Connections with a session each, closed with the stack."""
    opened = [Connection(server.base_url, token) for _ in range(CONNECTIONS)]
    for connection in opened:
        stack.callback(connection.close)
    return opened


def load(pool: ThreadPoolExecutor, server: Running, connections: list[Connection], calls: int) -> tuple[float, float]:
    """Make so many calls on every connection: calls per second, and the server's CPU per call in microseconds."""
    total = calls * len(connections)
    with quiet():
        cpu, begin = server.usage().cpu_ns, time.perf_counter()
        list(pool.map(lambda connection: connection.call(calls), connections))
        seconds = time.perf_counter() - begin
        return total / seconds, (server.usage().cpu_ns - cpu) / total / 1e3


def _rows(measured: Measured) -> list[Row]:
    rate, cpu = series(measured.rate), series(measured.cpu)
    with_auth = [side for side in rate if side != "none"]
    kept = {side: ratio(rate[side], rate["none"]) for side in with_auth}
    extra = {side: difference(cpu[side], cpu["none"]) for side in with_auth}
    calls = Row("calls", "authenticated tools/call", "calls/s", rate, better="higher", target="≥ 97 % of no auth")
    calls.note = "; ".join(f"{NAMES[side]} {kept[side]:.1%} of no auth" for side in with_auth)
    calls.details = {"share_of_no_auth": kept, "connections": CONNECTIONS}
    work = Row("calls_cpu", "the same, CPU per call", "µs", cpu)
    work.note = "; ".join(f"{NAMES[side]} {extra[side]:+.0f} µs" for side in with_auth)
    work.details = {"added_to_no_auth_us": extra}
    return [calls.judge("ours", lambda share: share >= 0.97, kept.get("ours")), work]
