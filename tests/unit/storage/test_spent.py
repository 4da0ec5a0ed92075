"""What counts once."""

from __future__ import annotations

from pathlib import Path

import pytest

from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.memory import MemoryStore
from vestibule.storage.sealed import SealedRecords
from vestibule.storage.spent import CLOCKS_DIFFER, SpentRecords
from vestibule.storage.sqlite import SQLiteStore
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio


async def test_what_was_noted_with_a_key_that_is_gone_stays_spent() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)

    def under(secret: str) -> SpentRecords:
        return SpentRecords(SealedRecords(store, Sealer(KeyRing.from_secrets(secret)), clock))

    before, after = under("a key that is long enough for this test"), under("another key that is long enough for it")
    assert await before.spend("page session", "one", 600)
    assert await after.is_spent("page session", "one")
    assert not await after.is_spent("page session", "two")
    clock.advance(601 + CLOCKS_DIFFER)
    assert not await after.is_spent("page session", "one")


async def test_a_use_is_remembered_until_it_is_over_on_a_machine_whose_clock_is_slow(tmp_path: Path) -> None:
    """One whose clock is fast noted it, and took it out of the store when it was over there."""
    fast, slow = FakeClock(1_800_000_030), FakeClock(1_800_000_000)
    stores = [SQLiteStore(tmp_path / "state.sqlite3", clock) for clock in (fast, slow)]
    first, second = (
        SpentRecords(SealedRecords(store, Sealer(KeyRing.from_secrets("a" * 32)), clock))
        for store, clock in zip(stores, (fast, slow), strict=True)
    )
    ends = 1_800_000_060
    assert await first.spend("assertion", "one", ends - fast.now())
    fast.advance(59)
    slow.advance(59)
    await stores[0].purge()
    assert await second.is_spent("assertion", "one")
    assert not await second.spend("assertion", "one", ends - slow.now())
    for store in stores:
        await store.aclose()
