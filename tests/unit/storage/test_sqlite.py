"""The SQLite store in trouble: locked, damaged, in the way."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from vestibule.errors import ConfigurationError, Unavailable
from vestibule.storage.contract import HeldClock
from vestibule.storage.sqlite import SQLiteStore

pytestmark = pytest.mark.anyio


@contextmanager
def held_by_another(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    finally:
        connection.close()


async def test_a_held_file_is_waited_for_a_bounded_time(tmp_path: Path) -> None:
    clock = HeldClock()
    store = SQLiteStore(tmp_path / "state.sqlite3", clock)
    await store.put_new("a/1", b"value", 600)
    before = clock.now()
    with held_by_another(tmp_path / "state.sqlite3"):
        assert await store.get("a/1") is not None
        with pytest.raises(Unavailable, match="another process holds the file"):
            await store.put_new("a/2", b"value", 600)
    assert 3 <= clock.now() - before <= 10
    assert await store.put_new("a/2", b"value", 600)
    await store.aclose()


async def test_a_file_that_is_let_go_in_time_is_written(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with held_by_another(path) as other:

        class LettingGo(HeldClock):
            async def sleep(self, seconds: float) -> None:
                await super().sleep(seconds)
                other.close()

        store = SQLiteStore(path, LettingGo())
        assert await store.put_new("a/1", b"value", 600)
    await store.aclose()


async def test_a_file_that_is_no_database_is_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "state.sqlite3"
    path.write_bytes(b"not a database at all" * 100)
    store = SQLiteStore(path)
    with caplog.at_level(logging.INFO, "vestibule"):
        for _ in range(3):
            with pytest.raises(Unavailable):
                await store.get("a/1")
        assert [record.getMessage() for record in caplog.records] == [
            f"<SQLiteStore {path}>: the file is no SQLite database: move it away to start empty"
        ]
        path.unlink()
        assert await store.put_new("a/1", b"value", 600)
        assert "works again" in caplog.records[-1].getMessage()
    await store.aclose()


def remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def open_to_others(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.stat().st_mode & 0o077]


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_was_removed_or_replaced_is_used_no_more(tmp_path: Path, replaced: bool) -> None:
    """Else one that starts later would have another store, and both would redeem what they know."""
    path, clock = tmp_path / "state.sqlite3", HeldClock()
    store = SQLiteStore(path, clock)
    await store.put_new("a/1", b"value", 600)
    remove(path)
    if replaced:
        backup = SQLiteStore(path, clock)
        await backup.put_new("a/0", b"value", 600)
        await backup.aclose()
    await clock.sleep(2)
    assert await store.get("a/1") is None
    assert (await store.get("a/0") is not None) == replaced
    later = SQLiteStore(path, clock)
    assert await later.put_new("a/2", b"value", 600)
    assert not await store.put_new("a/2", b"value", 600)
    await store.aclose()
    assert await later.get("a/2") is not None
    await later.aclose()


async def test_a_file_that_is_made_again_is_its_owners_alone(tmp_path: Path) -> None:
    path, clock = tmp_path / "state.sqlite3", HeldClock()
    store = SQLiteStore(path, clock)
    await store.put_new("a/1", b"value", 600)
    await store.aclose()
    remove(path)
    before = os.umask(0o022)
    try:
        await store.put_new("a/1", b"value", 600)
    finally:
        os.umask(before)
    assert open_to_others(tmp_path) == []
    await store.aclose()


async def test_a_damaged_file_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    store = SQLiteStore(path)
    for number in range(200):
        await store.put_new(f"a/{number}", b"x" * 1000, 600)
    await store.aclose()
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xa5" * (len(data) - 100))
    with pytest.raises(Unavailable):
        await store.get("a/1")
    await store.aclose()


async def test_a_folder_in_the_files_place_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite3").mkdir()
    with pytest.raises(Unavailable, match="cannot be opened"):
        await SQLiteStore(tmp_path / "state.sqlite3").get("a/1")


def test_a_file_in_the_folders_place_is_a_matter_of_configuration(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(ConfigurationError, match="set client_storage"):
        SQLiteStore(tmp_path / "home" / "state.sqlite3")


async def test_a_closed_store_opens_again(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "state.sqlite3")
    await store.put_new("a/1", b"value", 600)
    await store.aclose()
    assert await store.get("a/1") is not None
    await store.aclose()


async def test_threads_share_a_store(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "state.sqlite3")
    wins: list[int] = []

    async def create() -> int:
        return sum([await store.put_new(f"a/{number}", b"", 600) for number in range(100)])

    threads = [Thread(target=lambda: wins.append(asyncio.run(create()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wins) == 100
    await store.aclose()
