"""Sessions on several servers with one store, driven at random beside a model of what may happen.

No code and no refresh token is redeemed twice, no session is lost that the model keeps, no token lives that the model has ended, beyond the
revocation delay, and nothing is unavailable without ``Retry-After``. ``VESTIBULE_FUZZ=5000`` does so for longer than a test
run does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.properties.machine import OpenStore, Sessions
from tests.races.stores import WrappedStore
from tests.stores.servers import PostgresServer, RedisServer

from vestibule.storage.memory import MemoryStore
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.redis import RedisStore
from vestibule.storage.sqlite import SQLiteStore

LONG = "VESTIBULE_FUZZ" in os.environ
LONGER = int(os.environ.get("VESTIBULE_FUZZ", 0)) // 20  # an example is a whole history, which takes as long as many requests
EXAMPLES = {"sqlite": 16, "redis": 12, "postgres": 12}


def profile(examples: int, phases: Iterable[Phase]) -> settings:
    """The same examples in every run, unless it is a long one."""
    return settings(
        phases=phases,
        max_examples=max(examples, LONGER),
        stateful_step_count=100 if LONG else 50,
        derandomize=not LONG,
        deadline=None,
        database=None,
        print_blob=LONG,
        suppress_health_check=list(HealthCheck),
    )


def drive(open_store: OpenStore, examples: int, *, phases: Iterable[Phase] = tuple(Phase), **chosen: Any) -> None:
    """Run the machine on a store: a fresh one for each example."""
    machine = type("SessionsOnThisStore", (Sessions,), {"open_store": staticmethod(open_store), **chosen})
    run_state_machine_as_test(machine, settings=profile(examples, phases))


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        started: dict[str, Any] = {}
        for name, server in (("redis", RedisServer("--appendfsync", "no")), ("postgres", PostgresServer())):
            stack.callback(server.remove)
            server.start()
            started[name] = server
        yield started


def opener(name: str, servers: dict[str, Any], folder: Path) -> OpenStore:
    """Opens a store of that kind which no earlier example has written to."""
    numbers = count()
    return {
        "sqlite": lambda clock: SQLiteStore(folder / f"{next(numbers)}.sqlite3", clock),
        "redis": lambda clock: RedisStore(servers["redis"].url, prefix=f"{next(numbers)}:", clock=clock),
        "postgres": lambda clock: PostgresStore(servers["postgres"].url, prefix=f"{next(numbers)}:", clock=clock),
    }[name]


@pytest.mark.spec("TK-11", "RF-02", "RF-03", "RF-08", "RV-05")
@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.timeout(0 if LONG else 120)
def test_sessions_are_what_the_model_allows(name: str, servers: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        drive(opener(name, servers, Path(folder)), EXAMPLES[name])


# The shortest way to it is of no interest, so it is not looked for.
FOUND_OUT = "cannot follow from|redeemed twice"


class Careless(WrappedStore):
    """Replaces whatever version there is."""

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        record = await self.inner.get(key)
        return record is not None and await self.inner.swap(key, record.version, value, ttl)


class Forgetful(WrappedStore):
    """Says of every third replacement that it was done, and does not do it."""

    swaps = 0

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        self.swaps += 1
        return True if self.swaps % 3 == 0 else await self.inner.swap(key, version, value, ttl)


@pytest.mark.parametrize("broken", [Careless, Forgetful])
def test_a_store_that_breaks_its_word_is_found_out(broken: type[WrappedStore]) -> None:
    with pytest.raises(AssertionError, match=FOUND_OUT):
        drive(lambda clock: broken(MemoryStore(clock)), 200, phases=[Phase.generate])


def test_a_revocation_that_comes_late_is_found_out() -> None:
    with pytest.raises(AssertionError, match=FOUND_OUT):
        drive(MemoryStore, 200, phases=[Phase.generate], revocation_delay=3600)
