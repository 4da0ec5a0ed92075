"""What one call did, seen from outside: store reads by a store that counts, cryptography by the interpreter's profiler."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

PUBLIC_KEY_OPERATIONS = {"verify", "sign", "exchange", "recover_data_from_signature"}


class CountingStore:
    """Passes the four verbs of a store on and counts them."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.used: Counter[str] = Counter()

    async def get(self, key: str) -> Any:
        self.used["get"] += 1
        return await self.store.get(key)

    async def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        self.used["put_new"] += 1
        written: bool = await self.store.put_new(key, value, ttl)
        return written

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        self.used["swap"] += 1
        written: bool = await self.store.swap(key, version, value, ttl)
        return written

    def scan(self, prefix: str) -> AsyncIterator[tuple[str, Any]]:
        self.used["scan"] += 1
        found: AsyncIterator[tuple[str, Any]] = self.store.scan(prefix)
        return found

    async def purge(self, limit: int = 1000) -> int:
        removed: int = await self.store.purge(limit)
        return removed

    async def aclose(self) -> None:
        await self.store.aclose()


async def public_key_operations(call: Callable[[], Awaitable[object]]) -> int:
    """How many signatures were made or checked during one call, by asking the interpreter for every native call."""
    seen = 0

    def watch(_frame: object, event: str, called: Any) -> None:
        nonlocal seen
        if event == "c_call" and getattr(called, "__name__", "") in PUBLIC_KEY_OPERATIONS:
            seen += type(getattr(called, "__self__", None)).__module__.startswith("cryptography")

    sys.setprofile(watch)
    try:
        await call()
    finally:
        sys.setprofile(None)
    return seen
