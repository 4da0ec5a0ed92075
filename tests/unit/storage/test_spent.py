"""What counts once."""

from __future__ import annotations

import pytest

from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.memory import MemoryStore
from vestibule.storage.sealed import SealedRecords
from vestibule.storage.spent import SpentRecords
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
    clock.advance(601)
    assert not await after.is_spent("page session", "one")
