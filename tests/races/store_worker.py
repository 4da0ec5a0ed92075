"""One of several processes on a store. Run by tests as a program: ``store_worker.py TASK FILE``, or a URL in place of the file."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from vestibule.errors import Unavailable
from vestibule.storage.locate import open_store
from vestibule.storage.protocol import Store
from vestibule.storage.sqlite import SQLiteStore

KEYS = 600


async def compete(store: Store) -> None:
    """Create the same keys and swap the same versions as everybody else; tell which were won."""
    versions = [record.version for number in range(KEYS) if (record := await store.get(f"swap/{number}")) is not None]
    say("ready")
    sys.stdin.readline()
    created, swapped = [], []
    for number, version in enumerate(versions):
        if await store.put_new(f"new/{number}", b"mine", 60):
            created.append(number)
        os.sched_yield()  # so that the processes meet on a machine of one core, too
        if await store.swap(f"swap/{number}", version, b"%d" % os.getpid(), 60):
            swapped.append(number)
    say(json.dumps({"created": created, "swapped": swapped}))


async def count(store: Store) -> None:
    """Count up in one record until killed; tell each number after its write was answered."""
    await store.put_new("count", b"0", 3600)
    while True:
        record = await store.get("count")
        assert record is not None
        number = int(record.value) + 1
        assert await store.swap("count", record.version, b"%d" % number, 3600)
        say(str(number))


async def modes(store: SQLiteStore) -> None:
    """Write, then tell the modes of everything that was created."""
    await store.put_new("a/1", b"value", 60)
    assert store.path is not None
    paths = [store.path.parent, *store.path.parent.iterdir()]
    say(json.dumps({path.name: path.stat().st_mode & 0o7777 for path in paths}))


async def fill(store: SQLiteStore) -> None:
    """Write until the file may not grow any more, then tell whether reading still works."""
    await store.put_new("a/1", b"kept", 60)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    try:
        for number in range(10_000):
            await store.put_new(f"b/{number}", b"x" * 4000, 60)
    except Unavailable as error:
        record = await store.get("a/1")
        say(json.dumps({"error": error.detail, "kept": record is not None and record.value == b"kept"}))


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    task, path, *rest = sys.argv[1:]
    if task == "modes":
        os.umask(int(rest[0], 8))
        asyncio.run(modes(SQLiteStore(Path(path))))
    else:
        store: Any = open_store(path, namespace="", public_url="") if "://" in path else SQLiteStore(Path(path))
        asyncio.run({"compete": compete, "count": count, "fill": fill}[task](store))


if __name__ == "__main__":
    main()
