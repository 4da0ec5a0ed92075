"""The tests that every store has to pass, for the stores of this package and for anybody's own.

Subclass :class:`StoreContract` in a test module and give it a fixture ``store``; a fixture ``clock`` that the store was made with
lets the tests move the time::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, clock: HeldClock) -> MyStore:
            return MyStore(clock)

Needs ``pytest`` and the pytest plugin of ``anyio``.
"""

from __future__ import annotations

import asyncio

import pytest

from vestibule.storage.protocol import Record, Store

__all__ = ["HeldClock", "StoreContract"]


class HeldClock:
    """A clock that stands still until a test moves it; to sleep moves it too and takes no time."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move the time on."""
        self._now += seconds


@pytest.mark.anyio
class StoreContract:
    """What :class:`~vestibule.storage.protocol.Store` promises."""

    can_scan = True
    """Set to False for a store that cannot list its keys."""

    @pytest.fixture
    def clock(self) -> HeldClock:
        return HeldClock()

    async def test_is_a_store(self, store: Store) -> None:
        assert isinstance(store, Store)

    async def test_an_unknown_key_has_no_record(self, store: Store) -> None:
        assert await store.get("a/1") is None

    async def test_a_record_is_read_as_it_was_written(self, store: Store, clock: HeldClock) -> None:
        value = bytes(range(256))
        assert await store.put_new("a/1", value, 60)
        record = await _found(store, "a/1")
        assert record.value == value
        assert record.expires_at == pytest.approx(clock.now() + 60)

    async def test_an_empty_value_is_a_value(self, store: Store) -> None:
        assert await store.put_new("a/1", b"", 60)
        assert (await _found(store, "a/1")).value == b""

    async def test_a_large_value_is_kept(self, store: Store) -> None:
        value = b"\x00\xff" * 100_000
        assert await store.put_new("a/1", value, 60)
        assert (await _found(store, "a/1")).value == value

    async def test_put_new_leaves_a_living_record_alone(self, store: Store) -> None:
        assert await store.put_new("a/1", b"first", 60)
        assert not await store.put_new("a/1", b"second", 60)
        assert (await _found(store, "a/1")).value == b"first"

    async def test_swap_replaces_the_version_it_names(self, store: Store, clock: HeldClock) -> None:
        await store.put_new("a/1", b"first", 60)
        before = await _found(store, "a/1")
        assert await store.swap("a/1", before.version, b"second", 90)
        after = await _found(store, "a/1")
        assert after.value == b"second"
        assert after.version != before.version
        assert after.expires_at == pytest.approx(clock.now() + 90)

    async def test_swap_refuses_another_version(self, store: Store) -> None:
        await store.put_new("a/1", b"first", 60)
        version = (await _found(store, "a/1")).version
        assert await store.swap("a/1", version, b"second", 60)
        assert not await store.swap("a/1", version, b"third", 60)
        assert not await store.swap("a/1", version, None, 60)
        assert (await _found(store, "a/1")).value == b"second"

    async def test_swap_of_nothing_does_nothing(self, store: Store) -> None:
        assert not await store.swap("a/1", 1, b"value", 60)
        assert await store.get("a/1") is None

    async def test_swap_deletes(self, store: Store) -> None:
        await store.put_new("a/1", b"first", 60)
        assert await store.swap("a/1", (await _found(store, "a/1")).version, None, 0)
        assert await store.get("a/1") is None

    async def test_a_version_is_not_used_again_after_deletion(self, store: Store) -> None:
        await store.put_new("a/1", b"first", 60)
        old = (await _found(store, "a/1")).version
        await store.swap("a/1", old, None, 0)
        assert await store.put_new("a/1", b"second", 60)
        assert not await store.swap("a/1", old, b"third", 60)
        assert (await _found(store, "a/1")).value == b"second"

    async def test_an_expired_record_is_absent(self, store: Store, clock: HeldClock) -> None:
        await store.put_new("a/1", b"first", 60)
        version = (await _found(store, "a/1")).version
        clock.advance(59.5)
        assert await store.get("a/1") is not None
        clock.advance(0.5)
        assert await store.get("a/1") is None
        assert not await store.swap("a/1", version, b"second", 60)

    async def test_put_new_takes_the_place_of_an_expired_record(self, store: Store, clock: HeldClock) -> None:
        await store.put_new("a/1", b"first", 60)
        clock.advance(61)
        assert await store.put_new("a/1", b"second", 60)
        assert (await _found(store, "a/1")).value == b"second"

    async def test_a_record_without_time_to_live_is_absent_at_once(self, store: Store) -> None:
        await store.put_new("a/1", b"first", 0)
        assert await store.get("a/1") is None
        assert await store.put_new("a/1", b"second", 60)

    async def test_purge_removes_only_what_has_expired(self, store: Store, clock: HeldClock) -> None:
        for number in range(10):
            await store.put_new(f"short/{number}", b"", 10)
        await store.put_new("long/1", b"kept", 1000)
        clock.advance(11)
        assert await store.purge(4) <= 4
        await store.purge()
        assert (await _found(store, "long/1")).value == b"kept"
        assert await store.get("short/9") is None
        assert await store.purge() == 0

    async def test_scan_finds_the_living_records_of_a_prefix(self, store: Store, clock: HeldClock) -> None:
        for number in range(250):
            await store.put_new(f"a/{number:03}", b"%d" % number, 60)
        for key in ("a", "a0", "b/1", "A/1"):
            await store.put_new(key, b"other", 60)
        await store.put_new("a/short", b"expired", 1)
        clock.advance(2)
        found = {key: record.value async for key, record in store.scan("a/")}
        assert found == ({f"a/{number:03}": b"%d" % number for number in range(250)} if self.can_scan else {})

    async def test_scan_takes_the_prefix_literally(self, store: Store) -> None:
        for key in ("a%/1", "ab/1", "a_/1"):
            await store.put_new(key, b"", 60)
        found = [key async for key, _ in store.scan("a%")]
        assert found == (["a%/1"] if self.can_scan else [])

    async def test_of_many_creations_one_wins(self, store: Store) -> None:
        values = [b"%d" % number for number in range(50)]
        wins = await asyncio.gather(*(store.put_new("a/1", value, 60) for value in values))
        assert wins.count(True) == 1
        assert (await _found(store, "a/1")).value == values[wins.index(True)]

    async def test_of_many_swaps_of_a_version_one_wins(self, store: Store) -> None:
        await store.put_new("a/1", b"first", 60)
        version = (await _found(store, "a/1")).version
        values = [b"%d" % number for number in range(50)]
        wins = await asyncio.gather(*(store.swap("a/1", version, value, 60) for value in values))
        assert wins.count(True) == 1
        assert (await _found(store, "a/1")).value == values[wins.index(True)]


async def _found(store: Store, key: str) -> Record:
    record = await store.get(key)
    assert record is not None
    return record
