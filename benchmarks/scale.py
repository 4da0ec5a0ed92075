"""What more processes bring, on each store and beside the peer: ``python -m benchmarks.scale [--quick]``.

Verifications that miss, refreshes and whole logins per second, with 1, 2 and 4 server processes on one store; then storms of requests at the
moment when the provider's token has ended. Load comes from this process over loopback and goes to the server processes in turn. Writes its
block of ``docs/reference/scale.md`` and ``artifacts/scale.json``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import click
from rich.console import Console

from benchmarks import page
from benchmarks.context import fresh_home
from benchmarks.processes import start
from benchmarks.replica import BASE_URL
from benchmarks.replicas import Caller, Replicas, replicas
from benchmarks.rows import Series
from benchmarks.stores import NAMES, Place, running
from benchmarks.storm import storms
from benchmarks.timing import quiet, rounds
from benchmarks.walk import sign_in

PROCESSES = (1, 2, 4)
CALLERS = 4  # at once
CHAINS = 8  # sessions, for each caller as many; lengths of rounds are multiples of the callers

_console = Console(width=150)


@dataclass(slots=True)
class Contestant:
    """One side on one store, with so many processes.

    Attributes:
        unseen: access tokens that no process has seen.
        sessions: token answers whose refresh token is current.
        rates, cpu: by what is measured, round by round: per second; microseconds in the server processes.
    """

    name: str
    replicas: Replicas
    callers: list[Caller]
    unseen: list[str] = field(default_factory=list)
    sessions: list[dict[str, str]] = field(default_factory=list)
    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    async def log_in(self, count: int) -> None:
        """So many logins, several at once."""
        each = count // CALLERS

        async def one_after_the_other() -> list[dict[str, str]]:
            async with self.replicas.browser() as browser:
                return [await sign_in(browser, BASE_URL) for _ in range(each)]

        for signed in await asyncio.gather(*(one_after_the_other() for _ in range(CALLERS))):
            self.sessions += signed

    def refresh(self, count: int) -> None:
        """So many refreshes. Each caller has sessions of its own."""
        own = [self.sessions[number::CALLERS][:CHAINS] for number in range(CALLERS)]

        def work(number: int) -> list[str]:
            tokens, sessions = [], own[number]
            for turn in range(count // CALLERS):
                session = sessions[turn % len(sessions)]
                session |= self.callers[number].refresh(session["client_id"], session["refresh_token"])
                tokens.append(session["access_token"])
            return tokens

        self.unseen += [token for tokens in self._at_once(work) for token in tokens]

    def miss(self, count: int) -> None:
        """So many calls, each with a token that its process has not seen."""
        tokens, self.unseen = self.unseen[:count], self.unseen[count:]
        if len(tokens) < count:
            raise RuntimeError("too few tokens were prepared")

        def work(number: int) -> None:
            for token in tokens[number::CALLERS]:
                self.callers[number].call(token)

        self._at_once(work)

    def measure(self, what: str, times: int, action: Callable[[int], None]) -> None:
        """One round of so many actions."""
        with quiet():
            cpu, begin = self.replicas.cpu_ns(), time.perf_counter()
            action(times)
            seconds = time.perf_counter() - begin
            used = (self.replicas.cpu_ns() - cpu) / times / 1e3
        self.rates.setdefault(what, []).append(times / seconds)
        self.cpu.setdefault(what, []).append(used)

    def _at_once(self, work: Callable[[int], Any]) -> list[Any]:
        with ThreadPoolExecutor(CALLERS) as pool:
            return list(pool.map(work, range(CALLERS)))

    def figures(self) -> dict[str, dict[str, float]]:
        return {
            what: {
                "rate": Series.of(rates).median,
                "spread": Series.of(rates).spread,
                "cpu": Series.of(self.cpu[what]).median,
            }
            for what, rates in self.rates.items()
        }


@click.command()
@click.option("--quick", is_flag=True, help="A short form with few rounds; leaves the page as it is.")
@click.option("--stores", default=",".join(NAMES), show_default=True, help="Where.")
def main(quick: bool, stores: str) -> None:
    """Measure processes and stores."""
    logging.disable(logging.WARNING)
    begin = time.monotonic()
    found: dict[str, Any] = {"processes": {}}
    with ExitStack() as stack:
        stack.enter_context(fresh_home())
        upstream = stack.enter_context(start("benchmarks.upstream", probe="/requests")).base_url
        places = {name: stack.enter_context(running(name)) for name in stores.split(",")}
        found["stores"] = {name: place.version for name, place in places.items()}
        for count in PROCESSES:
            found["processes"][str(count)] = _measured(count, places, upstream, quick)
            _console.print_json(data={str(count): found["processes"][str(count)]})
        if "redis" in places:
            found["storms"] = storms(places["redis"], repeats=1 if quick else 3)
            _console.print_json(data=found["storms"])
    found["seconds"] = time.monotonic() - begin
    page.keep("scale", found)
    if not quick and set(places) == set(NAMES):
        page.write("scale", found)


def _measured(count: int, places: dict[str, Place], upstream: str, quick: bool) -> dict[str, Any]:
    lengths = {"miss": 200, "refresh": 80, "login": 16} if quick else {"miss": 240, "refresh": 100, "login": 20}
    repeats = 3 if quick else 5
    with ExitStack() as stack:
        contestants = [_contestant(stack, name, count, place, upstream) for name, place in _names(places)]
        for each in contestants:
            _prepare(each, lengths, repeats)
        by_name = {each.name: each for each in contestants}
        actions = {"miss": Contestant.miss, "refresh": Contestant.refresh, "login": _log_in}
        for what, action in actions.items():
            for name in rounds(repeats, tuple(by_name), f"{count} processes: {what}"):
                one = by_name[name]
                one.measure(what, lengths[what], lambda times, one=one, action=action: action(one, times))
        return {each.name: each.figures() for each in contestants}


def _names(places: dict[str, Place]) -> Sequence[tuple[str, Place]]:
    peer = [("peer", places["redis"])] if "redis" in places else []
    return [*places.items(), *peer]


def _contestant(stack: ExitStack, name: str, count: int, place: Place, upstream: str) -> Contestant:
    side = "peer" if name == "peer" else "ours"
    servers = stack.enter_context(replicas(count, side, upstream, place.url))
    callers = [Caller(servers) for _ in range(CALLERS)]
    for caller in callers:
        stack.callback(caller.close)
    return Contestant(name, servers, callers)


def _prepare(one: Contestant, lengths: dict[str, int], repeats: int) -> None:
    """Sessions, and as many unseen tokens as the rounds use up. Connections, keys and lazy imports belong to the start."""
    asyncio.run(one.log_in(CALLERS * CHAINS))
    for session in one.sessions[: 4 * len(one.replicas.running)]:
        one.callers[0].call(session["access_token"])
    one.refresh(lengths["miss"] * repeats)


def _log_in(one: Contestant, times: int) -> None:
    asyncio.run(one.log_in(times))


if __name__ == "__main__":
    main()
