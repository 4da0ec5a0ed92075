"""What has expired leaves the store, whether much, little or nothing is written."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from weakref import ref

import pytest

from vestibule import reasons
from vestibule.errors import Unavailable
from vestibule.storage.contract import HeldClock
from vestibule.storage.sqlite import SQLiteStore
from vestibule.storage.sweeping import Sweeper


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop that does not wait: where it would, its time goes forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    def _run_once(self) -> None:
        due = [handle.when() for handle in self._scheduled if not handle.cancelled()]
        if due and not self._ready:
            self.ahead += max(min(due) - self.time(), 0)
        super()._run_once()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=HurriedLoop) as runner:
        yield runner


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite3"


def rows(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return int(connection.execute("SELECT count(*) FROM records").fetchone()[0])


def test_records_that_are_only_ever_added_do_not_pile_up(runner: asyncio.Runner, path: Path) -> None:
    """As ids of assertions do: each is written once, and nothing else is."""
    clock, most = HeldClock(), []

    async def scenario() -> None:
        store = SQLiteStore(path, clock)
        for number in range(5000):
            await store.put_new(f"spent/{number}", b"", 60)
            clock.advance(1)
            await asyncio.sleep(0.1)
            most.append(rows(path))
        await store.aclose()

    runner.run(scenario())
    assert max(most) < 60 + 2 * 64


def test_what_ends_at_once_is_gone_after_one_sweep(runner: asyncio.Runner, path: Path) -> None:
    clock = HeldClock()

    async def scenario() -> None:
        store = SQLiteStore(path, clock)
        for number in range(3000):
            await store.put_new(f"grant/{number}", b"", 60)
        clock.advance(61)
        for number in range(64):
            await store.put_new(f"new/{number}", b"", 600)
        await asyncio.sleep(10)
        await store.aclose()

    runner.run(scenario())
    assert rows(path) == 64


def test_a_server_that_is_started_often_sweeps_each_time(runner: asyncio.Runner, path: Path) -> None:
    clock = HeldClock()

    async def scenario() -> None:
        for number in range(200):
            store = SQLiteStore(path, clock)
            await store.put_new(f"spent/{number}", b"", 60)
            await asyncio.sleep(0)
            clock.advance(61)
            await store.aclose()

    runner.run(scenario())
    assert rows(path) <= 2


def test_a_server_that_only_reads_sweeps_from_time_to_time(runner: asyncio.Runner, path: Path) -> None:
    clock = HeldClock()

    async def scenario() -> None:
        other = SQLiteStore(path, clock)
        await other.put_new("grant/1", b"", 60)
        store = SQLiteStore(path, clock)
        assert await store.get("grant/1") is not None
        await other.aclose()
        clock.advance(61)
        assert rows(path) == 1
        await asyncio.sleep(301)
        await store.aclose()

    runner.run(scenario())
    assert rows(path) == 0


def test_a_sweep_does_not_wait_for_a_file_that_another_process_holds(runner: asyncio.Runner, path: Path) -> None:
    clock = HeldClock()

    async def scenario() -> float:
        store = SQLiteStore(path, clock)
        await store.put_new("grant/1", b"", 60)
        clock.advance(61)
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        before = clock.now()
        await asyncio.sleep(301)
        waited = clock.now() - before
        holder.close()
        assert rows(path) == 1
        await asyncio.sleep(301)
        await store.aclose()
        return waited

    assert runner.run(scenario()) == 0
    assert rows(path) == 0


def test_a_closed_store_sweeps_no_more(runner: asyncio.Runner) -> None:
    asked: list[int] = []

    async def purge(limit: int) -> int:
        asked.append(limit)
        return limit

    async def scenario() -> None:
        sweeper = Sweeper(purge, 10)
        sweeper.opened()
        await asyncio.sleep(1)
        sweeper.stop()
        asked.clear()
        await asyncio.sleep(1000)

    runner.run(scenario())
    assert not asked


def test_a_store_without_an_answer_is_swept_later(runner: asyncio.Runner) -> None:
    answers: list[int | Unavailable] = [Unavailable(reasons.STORE_UNAVAILABLE, "away"), 10, 10, 3]

    async def purge(limit: int) -> int:
        answer = answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    async def scenario() -> None:
        sweeper = Sweeper(purge, 10)
        sweeper.opened()
        await asyncio.sleep(1)
        assert len(answers) == 3
        await asyncio.sleep(301)

    runner.run(scenario())
    assert answers == []


def test_a_store_that_nobody_uses_is_not_kept_for_its_sweeps(runner: asyncio.Runner, path: Path) -> None:
    async def scenario() -> ref[SQLiteStore]:
        store = SQLiteStore(path)
        await store.get("grant/1")
        await asyncio.sleep(1)
        return ref(store)

    forgotten = runner.run(scenario())
    gc.collect()
    assert forgotten() is None


def test_each_event_loop_goes_on_sweeping(path: Path) -> None:
    clock = HeldClock()
    store = SQLiteStore(path, clock)

    async def scenario(number: int) -> None:
        for each in range(64):
            await store.put_new(f"spent/{number}/{each}", b"", 60)
        await asyncio.sleep(1)
        clock.advance(61)

    for number in range(3):
        with asyncio.Runner(loop_factory=HurriedLoop) as runner:
            runner.run(scenario(number))
    assert rows(path) == 64
