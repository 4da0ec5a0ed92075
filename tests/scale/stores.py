"""The stores of a run, and what can befall them."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path

from tests.stores.servers import PostgresServer, RedisServer

KINDS = ("sqlite", "redis", "postgres")


class SQLiteFile:
    """Has no server to be killed. Instead somebody else holds the file for a while, so that nobody can write."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vestibule-"))
        self._holder: sqlite3.Connection | None = None

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'state' / 'state.sqlite3'}"

    def start(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def kill(self) -> None:
        self._holder = sqlite3.connect(self.folder / "state" / "state.sqlite3", timeout=20, check_same_thread=False)
        self._holder.execute("BEGIN EXCLUSIVE")

    def remove(self) -> None:
        self.start()
        shutil.rmtree(self.folder, ignore_errors=True)


def new_store(kind: str) -> SQLiteFile | RedisServer | PostgresServer:
    """An empty store, not started yet."""
    return {"sqlite": SQLiteFile, "redis": RedisServer, "postgres": PostgresServer}[kind]()
