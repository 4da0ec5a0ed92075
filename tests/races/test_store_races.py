"""Several real processes on one SQLite file: exactly one wins, and a killed one does no harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.races.store_worker import KEYS

from vestibule.storage.contract import HeldClock
from vestibule.storage.sqlite import SQLiteStore

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name != "posix", reason="needs fork and kill -9")]

WORKER = Path(__file__).with_name("store_worker.py")


@contextmanager
def worker(task: str, path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(WORKER), task, str(path), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def compete(path: Path | str) -> bool:
    """Let four processes go for the same keys: each key has one winner. Whether more than one process won something."""
    with worker("compete", path) as a, worker("compete", path) as b, worker("compete", path) as c, worker("compete", path) as d:
        workers = (a, b, c, d)
        assert [answer(process) for process in workers] == ["ready"] * 4
        for process in workers:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        results = [json.loads(answer(process)) for process in workers]
    for verb in ("created", "swapped"):
        winners = sorted(number for result in results for number in result[verb])
        assert winners == list(range(KEYS)), verb
    return sum(1 for result in results if result["created"]) > 1


ATTEMPTS = 6
"""On a busy machine the first process may be done before the second begins; then nothing was tried."""


@pytest.mark.spec("TK-11", "RF-08", "TK-28")
async def test_of_four_processes_one_creates_and_one_swaps(tmp_path: Path) -> None:
    for attempt in range(ATTEMPTS):
        path = tmp_path / f"{attempt}.sqlite3"
        store = SQLiteStore(path)
        for number in range(KEYS):
            await store.put_new(f"swap/{number}", b"first", 600)
        met = compete(path)
        await store.aclose()
        if met:
            return
    pytest.fail("the processes never ran at the same time")


async def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    for _ in range(3):
        with worker("count", path) as process:
            for _ in range(50):
                told = int(answer(process))
            process.kill()
            assert process.stdout is not None
            told = max([told, *(int(line) for line in process.stdout.read().split("\n")[:-1])])
        store = SQLiteStore(path)
        record = await store.get("count")
        assert record is not None
        assert int(record.value) in (told, told + 1)
        assert await store.swap("count", record.version, record.value, 3600)
        await store.aclose()


async def test_a_store_is_used_on_both_sides_of_a_fork(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "state.sqlite3", HeldClock())
    await store.put_new("a/1", b"before", 60)
    child = fork()
    if child == 0:
        os._exit(run_child(store))
    _, status = os.waitpid(child, 0)  # noqa: ASYNC222 - nothing else runs in this loop
    assert os.waitstatus_to_exitcode(status) == 0
    record = await store.get("a/1")
    assert record is not None
    assert record.value == b"by the child"
    assert await store.swap("a/1", record.version, b"after", 60)
    await store.aclose()


def fork() -> int:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pytest itself may have threads
        return os.fork()


def run_child(store: SQLiteStore) -> int:
    """Swap the record in the child, without an event loop: the one of the parent is running here."""
    try:
        reading = store.get("a/1")
        record = finish(reading)
        return 0 if finish(store.swap("a/1", record.version, b"by the child", 60)) else 1
    except BaseException:
        return 2


def finish(verb):
    try:
        verb.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the verb waited")


@pytest.mark.parametrize("umask", ["000", "022", "777"])
def test_files_are_private_whatever_the_umask(tmp_path: Path, umask: str) -> None:
    path = tmp_path / "home" / "deeper" / "state.sqlite3"
    with worker("modes", path, umask) as process:
        found = json.loads(answer(process))
    assert found == {"deeper": 0o700, "state.sqlite3": 0o600, "state.sqlite3-wal": 0o600, "state.sqlite3-shm": 0o600}


def test_a_full_disk_is_told_and_leaves_the_rest_readable(tmp_path: Path) -> None:
    with worker("fill", tmp_path / "state.sqlite3") as process:
        found = json.loads(answer(process))
    assert found["error"] in ("the disk is full", "the disk reports an error")
    assert found["kept"]
