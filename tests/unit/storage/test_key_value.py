"""What the adapter makes of a store without compare-and-swap, when several processes share it or it fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography.fernet import Fernet
from key_value.aio.stores.memory import MemoryStore as ForeignMemoryStore
from key_value.aio.wrappers.encryption.fernet import FernetEncryptionWrapper

from vestibule.errors import Unavailable
from vestibule.storage.contract import HeldClock
from vestibule.storage.key_value import KeyValueStore

pytestmark = pytest.mark.anyio


class Slow(ForeignMemoryStore):
    """Lets others run before each verb, as a network does."""

    async def get(self, key: str, *, collection: str | None = None) -> dict[str, Any] | None:
        await asyncio.sleep(0)
        return await super().get(key, collection=collection)

    async def delete(self, key: str, *, collection: str | None = None) -> bool:
        await asyncio.sleep(0)
        return await super().delete(key, collection=collection)


@pytest.mark.spec("TK-11", "RF-08")
async def test_of_several_processes_one_swaps_a_version() -> None:
    shared = Slow()
    stores = [KeyValueStore(shared) for _ in range(8)]  # each with its own locks, as processes have
    await stores[0].put_new("a/1", b"first", 60)
    record = await stores[0].get("a/1")
    assert record is not None
    wins = await asyncio.gather(*(store.swap("a/1", record.version, b"%d" % n, 60) for n, store in enumerate(stores)))
    assert wins.count(True) == 1
    after = await stores[0].get("a/1")
    assert after is not None
    assert after.value == b"%d" % wins.index(True)


async def test_a_claim_that_died_with_its_process_comes_back() -> None:
    foreign, clock = ForeignMemoryStore(), HeldClock()
    store = KeyValueStore(foreign, clock)
    await store.put_new("a/1", b"first", 600)
    record = await store.get("a/1")
    assert record is not None
    for collection in await foreign.collections():
        if "claims" in collection:
            for key in await foreign.keys(collection):
                await foreign.delete(key, collection=collection)
    assert not await store.swap("a/1", record.version, b"second", 600)
    clock.advance(29)
    assert not await store.swap("a/1", record.version, b"second", 600)
    clock.advance(2)
    assert not await store.swap("a/1", record.version, b"second", 600)
    assert await store.swap("a/1", record.version, b"second", 600)


class Failing(ForeignMemoryStore):
    async def get(self, key: str, *, collection: str | None = None) -> dict[str, Any] | None:
        raise OSError("connection to redis://user:hunter2@host lost")


async def test_a_failing_store_is_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    store = KeyValueStore(Failing())
    for verb in (store.get("a/1"), store.put_new("a/1", b"", 60), store.swap("a/1", 1, b"", 60)):
        with pytest.raises(Unavailable) as caught:
            await verb
        assert "hunter2" not in str(caught.value)
    assert "hunter2" not in caplog.text


async def test_what_cannot_be_decrypted_or_is_none_of_ours_is_absent(caplog: pytest.LogCaptureFixture) -> None:
    foreign = ForeignMemoryStore()
    before = FernetEncryptionWrapper(foreign, fernet=Fernet(Fernet.generate_key()))
    after = FernetEncryptionWrapper(foreign, fernet=Fernet(Fernet.generate_key()))
    await KeyValueStore(before).put_new("a/1", b"value", 60)
    assert await KeyValueStore(after).get("a/1") is None
    assert "counts as absent" in caplog.text
    await foreign.put("a/2", {"value": "?", "version": 1, "expires_at": 1}, collection="vestibule-records")
    assert await KeyValueStore(foreign).get("a/2") is None
