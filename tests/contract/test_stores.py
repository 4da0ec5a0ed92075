"""Every store of the package, and the adapter over several foreign ones, keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from key_value.aio.stores.disk import DiskStore
from key_value.aio.stores.memory import MemoryStore as ForeignMemoryStore
from key_value.aio.wrappers.encryption.fernet import FernetEncryptionWrapper

from vestibule.storage.contract import HeldClock, StoreContract
from vestibule.storage.key_value import KeyValueStore
from vestibule.storage.memory import MemoryStore
from vestibule.storage.sqlite import SQLiteStore

pytestmark = [pytest.mark.anyio, pytest.mark.spec("TK-11", "RF-08")]


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self, clock: HeldClock) -> MemoryStore:
        return MemoryStore(clock)


class TestSQLiteFile(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path, clock: HeldClock) -> AsyncIterator[SQLiteStore]:
        store = SQLiteStore(tmp_path / "state.sqlite3", clock)
        yield store
        await store.aclose()


class TestSQLiteMemory(StoreContract):
    @pytest.fixture
    async def store(self, clock: HeldClock) -> AsyncIterator[SQLiteStore]:
        store = SQLiteStore(":memory:", clock)
        yield store
        await store.aclose()


class TestKeyValueMemory(StoreContract):
    @pytest.fixture
    def store(self, clock: HeldClock) -> KeyValueStore:
        return KeyValueStore(ForeignMemoryStore(), clock)


class TestKeyValueDisk(StoreContract):
    can_scan = False

    @pytest.fixture
    async def store(self, tmp_path: Path, clock: HeldClock) -> AsyncIterator[KeyValueStore]:
        disk = DiskStore(directory=tmp_path)
        yield KeyValueStore(disk, clock)
        await disk.close()


class TestKeyValueEncrypted(StoreContract):
    can_scan = False

    @pytest.fixture
    def store(self, clock: HeldClock) -> KeyValueStore:
        return KeyValueStore(FernetEncryptionWrapper(ForeignMemoryStore(), fernet=Fernet(Fernet.generate_key())), clock)
