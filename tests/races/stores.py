"""Stores that tell what is done to them, that take their time, and that fail when told to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

from vestibule import reasons
from vestibule.errors import Unavailable
from vestibule.storage.protocol import Record, Store


class WrappedStore:
    """A store around another. ``before`` and ``after`` run around every verb."""

    def __init__(self, store: Store) -> None:
        self.inner = store

    async def before(self, verb: str, key: str) -> None:
        """Called before the verb is done."""

    async def after(self, verb: str, key: str) -> None:
        """Called after it was done and before its answer is known."""

    async def get(self, key: str) -> Record | None:
        await self.before("get", key)
        record = await self.inner.get(key)
        await self.after("get", key)
        return record

    async def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        await self.before("put_new", key)
        done = await self.inner.put_new(key, value, ttl)
        await self.after("put_new", key)
        return done

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        await self.before("swap", key)
        done = await self.inner.swap(key, version, value, ttl)
        await self.after("swap", key)
        return done

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        async for found in self.inner.scan(prefix):
            yield found

    async def purge(self, limit: int = 1000) -> int:
        return await self.inner.purge(limit)

    async def aclose(self) -> None:
        await self.inner.aclose()


class WatchedStore(WrappedStore):
    """Remembers the verbs, and fails while it is told to.

    Attributes:
        verbs: verb and key of everything that was asked.
        failing: every verb raises ``Unavailable``.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.verbs: list[tuple[str, str]] = []
        self.failing = False

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(verb, key) for verb, key in self.verbs if verb != "get"]

    async def before(self, verb: str, key: str) -> None:
        self.verbs.append((verb, key))
        if self.failing:
            raise Unavailable(reasons.STORE_UNAVAILABLE, "told to fail")


class WaitingStore(WrappedStore):
    """Lets others run for some turns of the event loop before and after every verb; a seed gives the same turns again."""

    def __init__(self, store: Store, seed: int, most: int = 7) -> None:
        super().__init__(store)
        self._random = random.Random(seed)
        self._most = most

    async def before(self, verb: str, key: str) -> None:
        await self._wait()

    async def after(self, verb: str, key: str) -> None:
        await self._wait()

    async def _wait(self) -> None:
        for _ in range(self._random.randrange(self._most)):
            await asyncio.sleep(0)


class GatedStore(WrappedStore):
    """Holds back what was read from the store until the gate opens: an answer that arrives late.

    Attributes:
        reached: set when a read waits at the gate.
        gate: the reads behind it go on when it is set; None: there is no gate.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.reached = asyncio.Event()
        self.gate: asyncio.Event | None = None

    async def after(self, verb: str, key: str) -> None:
        gate, waits = self.gate, verb == "get"
        if gate is not None and waits:
            self.gate = None  # the first one only
            self.reached.set()
            await gate.wait()
