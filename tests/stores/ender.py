"""Another process that ends sessions: ``python -m tests.stores.ender URL NAME GRANT``; run by the tests of this folder."""

from __future__ import annotations

import asyncio
import sys

from tests.races.house import KEY

from vestibule import reasons
from vestibule.grants.store import Grants
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.protocol import Store
from vestibule.storage.redis import RedisStore
from vestibule.storage.sealed import SealedRecords
from vestibule.testing import FakeClock


def named(url: str, name: str, clock: FakeClock) -> Store:
    """A store that all who know its name share."""
    if url.startswith("redis"):
        return RedisStore(url, prefix=name, clock=clock, timeout=1)
    return PostgresStore(url, table=name, clock=clock, timeout=1)


async def main(url: str, name: str, grant_id: str) -> None:
    clock = FakeClock()
    store = named(url, name, clock)
    grants = Grants(SealedRecords(store, Sealer(KeyRing.from_secrets(KEY))), clock)
    assert await grants.end(grant_id, reasons.GRANT_ENDED) is not None
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
