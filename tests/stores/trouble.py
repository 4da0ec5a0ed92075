"""What a verb does while its server is in trouble, and after."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest

from vestibule import reasons
from vestibule.errors import Unavailable
from vestibule.storage.protocol import Store

PATIENCE = 1.0  # seconds that a verb may take in these tests


async def refused(verb: object) -> Unavailable:
    """What a verb raises, within its time."""
    began = time.monotonic()
    with pytest.raises(Unavailable) as found:
        await verb  # type: ignore[misc]
    assert time.monotonic() - began < PATIENCE + 1
    assert found.value.reason is reasons.STORE_UNAVAILABLE
    return found.value


async def recovered(store: Store, attempts: int = 20) -> None:
    """A write succeeds; while the server comes back a few may fail."""
    for _ in range(attempts):
        try:
            assert await store.put_new(f"after/{uuid4()}", b"", 60)
            return
        except Unavailable:
            await asyncio.sleep(0.05)
    pytest.fail("the store does not recover")
