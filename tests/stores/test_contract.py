"""Redis and PostgreSQL keep the contract of every store, also where they take the place of a foreign one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from key_value.aio.stores.postgresql import PostgreSQLStore as ForeignPostgres
from key_value.aio.stores.redis import RedisStore as ForeignRedis
from key_value.aio.wrappers.encryption.fernet import FernetEncryptionWrapper
from tests.stores.servers import PostgresServer

from vestibule.storage.contract import HeldClock, StoreContract
from vestibule.storage.lifted import LiftedStore, lift
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.protocol import Store
from vestibule.storage.redis import RedisStore

pytestmark = [pytest.mark.anyio, pytest.mark.spec("TK-11", "RF-08")]


def new_table() -> str:
    return f"records_{uuid4().hex}"


class TestRedis(StoreContract):
    @pytest.fixture
    async def store(self, redis_url: str, clock: HeldClock) -> AsyncIterator[RedisStore]:
        store = RedisStore(redis_url, clock=clock)
        yield store
        await store.aclose()

    async def test_purge_removes_only_what_has_expired(self, store: Store, clock: HeldClock) -> None:
        """The server does it, by its own time."""
        assert await store.put_new("a/1", b"", 0.01)
        assert await store.put_new("a/2", b"", 1000)
        assert await store.purge() == 0
        assert await store.get("a/2") is not None


class TestPostgres(StoreContract):
    @pytest.fixture
    async def store(self, postgres_server: PostgresServer, clock: HeldClock) -> AsyncIterator[PostgresStore]:
        store = PostgresStore(postgres_server.url, table=new_table(), clock=clock)
        yield store
        await store.aclose()


class TestLiftedRedis(TestRedis):
    @pytest.fixture
    async def store(self, redis_url: str, clock: HeldClock) -> AsyncIterator[LiftedStore]:
        foreign = ForeignRedis(url=redis_url)
        store = lift(FernetEncryptionWrapper(foreign, fernet=Fernet(Fernet.generate_key())), clock)
        assert isinstance(store, LiftedStore)
        yield store
        await store.aclose()
        await foreign.close()


@pytest.mark.filterwarnings("ignore:A configured store is unstable")
class TestLiftedPostgres(StoreContract):
    @pytest.fixture
    async def store(self, postgres_server: PostgresServer, clock: HeldClock) -> AsyncIterator[LiftedStore]:
        foreign = ForeignPostgres(url=postgres_server.url)
        store = lift(foreign, clock)
        assert isinstance(store, LiftedStore)
        assert isinstance(store.native, PostgresStore)
        assert store.native._table == "vestibule_records"
        async for key, record in store.native.scan(""):
            await store.native.swap(key, record.version, None, 0)
        yield store
        await store.aclose()
        await foreign.close()
