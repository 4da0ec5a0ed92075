"""How long it takes until a session that one process ended is refused by another one on the same store.

``python -m benchmarks.spread [--rounds N]`` starts a Redis and a PostgreSQL of its own (those of the tests). Two server processes
share the store. In each round somebody signs in, both processes remember the token, the first one ends the session, and from its
answer on the second one is asked every millisecond or two. Where the store carries announcements, the floor is set out of reach; SQLite
carries none, and shows what the floor alone does with its default.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from statistics import median, quantiles

import click
import httpx2
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tests.stores.servers import PostgresServer, RedisServer

from benchmarks.context import fresh_home
from benchmarks.processes import serve, start
from benchmarks.server import build
from benchmarks.sides import build_provider
from benchmarks.verify import SIGNING_KEY
from benchmarks.walk import login

OUT_OF_REACH_SECONDS = 86_400
FLOOR_SECONDS = 5
PATIENCE_SECONDS = 30
PAUSE_SECONDS = 0.001


@dataclass
class Spread:
    """What the rounds with one store took, in milliseconds.

    Attributes:
        store: its name and version.
        until_refused: from the answer to the revocation to the answer to the first call that was refused.
        one_call: what any call takes, and so the least that could be measured.
        let_in: calls that were answered as before, in all rounds.
    """

    store: str
    until_refused: list[float] = field(default_factory=list)
    one_call: list[float] = field(default_factory=list)
    let_in: int = 0

    def row(self) -> list[str]:
        shown = (
            median(self.until_refused),
            quantiles(self.until_refused, n=20, method="inclusive")[-1],
            max(self.until_refused),
        )
        cells = [f"{value:.1f}" for value in (*shown, median(self.one_call))]
        return [self.store, str(len(self.until_refused)), *cells, str(self.let_in)]


class Pair:
    """Two server processes on one store."""

    def __init__(self, first: str, second: str, http: httpx2.AsyncClient) -> None:
        self.first = first
        self.second = second
        self.http = http

    async def round(self, spread: Spread) -> None:
        token = await login(self.http, self.first)
        for base_url in (self.first, self.second, self.second, self.second):
            if await self._call(base_url, token) == 401:
                raise RuntimeError("a new session was refused")
        begin = time.perf_counter()
        await self._call(self.second, token)
        spread.one_call.append((time.perf_counter() - begin) * 1e3)
        form = {"token": token, "client_id": _claims(token)["client_id"]}
        (await self.http.post(f"{self.first}/revoke", data=form)).raise_for_status()
        answered = time.perf_counter()
        while await self._call(self.second, token) != 401:
            spread.let_in += 1
            await asyncio.sleep(PAUSE_SECONDS)  # to ask without a break would take the time of those who are to tell
            if time.perf_counter() - answered > PATIENCE_SECONDS:
                raise RuntimeError("the end of the session was not noticed")
        spread.until_refused.append((time.perf_counter() - answered) * 1e3)

    async def _call(self, base_url: str, token: str) -> int:
        answer = await self.http.get(f"{base_url}/mcp", headers={"authorization": f"Bearer {token}"})
        return answer.status_code


def _claims(token: str) -> dict[str, str]:
    payload = token.split(".")[1]
    claims: dict[str, str] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


async def measure(name: str, url: str, upstream: str, *, rounds: int, delay: float) -> Spread:
    """Rounds with one store. One more is not counted: by then the second process hears."""
    with (
        start("benchmarks.spread", "serve", upstream, url, str(delay), probe="/benchmark/usage") as first,
        start("benchmarks.spread", "serve", upstream, url, str(delay), first.base_url, probe="/benchmark/usage") as second,
    ):
        async with httpx2.AsyncClient(timeout=PATIENCE_SECONDS) as http:
            pair = Pair(first.base_url, second.base_url, http)
            await pair.round(Spread(""))
            spread = Spread(name)
            for _ in track(range(rounds), description=f"{name:<20}", transient=True):
                await pair.round(spread)
            return spread


@contextmanager
def stores(home: str) -> Iterator[list[tuple[str, str, float]]]:
    """Name, URL and revocation delay of each."""
    servers = RedisServer(), PostgresServer()
    try:
        for server in servers:
            server.start()
        redis, postgres = servers
        yield [
            (f"Redis {_version([redis.program, '--version'], 'v=')}", redis.url, OUT_OF_REACH_SECONDS),
            (f"PostgreSQL {_version([postgres.programs / 'postgres', '--version'], ') ')}", postgres.url, OUT_OF_REACH_SECONDS),
            ("SQLite", f"sqlite:///{home}/state.sqlite3", FLOOR_SECONDS),
        ]
    finally:
        for server in servers:
            server.remove()


def _version(command: list[object], before: str) -> str:
    told = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout
    return told.partition(before)[2].split()[0]


@click.command()
@click.option(
    "--rounds", default=200, show_default=True, help="With each store that carries announcements; a tenth with the floor."
)
def main(rounds: int) -> None:
    """Measure how fast the end of a session spreads."""
    table = Table("store", "rounds", "median ms", "95 %", "max", "one call", "calls let in")
    with fresh_home() as home, start("benchmarks.upstream", probe="/requests") as upstream, stores(str(home)) as chosen:
        for name, url, delay in chosen:
            count = rounds if delay == OUT_OF_REACH_SECONDS else max(rounds // 10, 2)
            table.add_row(*asyncio.run(measure(name, url, upstream.base_url, rounds=count, delay=delay)).row())
    Console().print(table)
    Console().print(", ".join(f"{name} {metadata.version(name)}" for name in ("vestibule", "redis", "asyncpg", "uvicorn")))


def _serve(upstream: str, url: str, delay: str, base_url: str = "") -> None:
    options = {"client_storage": url, "jwt_signing_key": SIGNING_KEY, "revocation_delay_seconds": float(delay)}
    serve(lambda own: build(build_provider("ours", upstream=upstream, base_url=base_url or own, **options)))


if __name__ == "__main__":
    _serve(*sys.argv[2:]) if sys.argv[1:2] == ["serve"] else main()
