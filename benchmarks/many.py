"""Many grants: made and sealed by the code that a sign-in runs, kept in a file, and from there put into a store in its fastest way.

Everything about the grant of a number follows from the number, so that another process can present its tokens.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import multiprocessing
import pickle
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vestibule.grants.model import Grant, Rotation
from vestibule.grants.store import Grants
from vestibule.grants.tokens import RefreshToken, new_grant_id
from vestibule.grants.user_index import Entries, UserIndex
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.memory import MemoryStore
from vestibule.storage.protocol import Record
from vestibule.storage.sealed import SealedRecords
from vestibule.testing import FakeClock

SIGNING_KEY = "one-key-for-every-instance-of-this-benchmark-0123456789"
DAY = 86_400
SESSION_DAYS = 30
GRANTS_PER_USER = 4

_CHUNK = 2000

Row = tuple[str, Record]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the grant of any number from one that a real sign-in gave.

    Attributes:
        template: as a record.
        now: when the last of them was used; the others were in the days before, evenly.
    """

    template: dict[str, Any]
    now: float

    def grant(self, number: int) -> Grant:
        template = Grant.from_record(self.template)
        grant_id = new_grant_id(f"benchmark {number}")
        used_at = self.now - SESSION_DAYS * DAY * (_random(number, "used") * 0.999)
        assert template.upstream is not None
        return replace(
            template,
            id=grant_id,
            subject=f"user-{number // GRANTS_PER_USER}",
            created_at=used_at,
            expires_at=used_at + SESSION_DAYS * DAY,
            code=replace(template.code, digest=_digest(number, "code"), spent_at=used_at),
            rotation=Rotation(generation=1, digest=self.refresh_token(number).digest, rotated_at=used_at),
            upstream=replace(template.upstream, expires_at=self.now + 2 * SESSION_DAYS * DAY),
            used=True,
        )

    def refresh_token(self, number: int) -> RefreshToken:
        """As ``RefreshToken.first`` makes it, but from the number."""
        secret = hashlib.sha256(f"refresh {number}".encode()).digest()
        return RefreshToken._make(KEYRING, new_grant_id(f"benchmark {number}"), 1, secret)


KEYRING = KeyRing.from_secrets(SIGNING_KEY)


def make(maker: Maker, numbers: range, file: Path) -> None:
    """Seal what the sign-ins of these numbers write, in two processes, into a file. Every user's sessions are all among them."""
    chunks = [numbers[start : start + _CHUNK] for start in range(0, len(numbers), _CHUNK)]
    with multiprocessing.Pool(2) as pool, file.open("wb") as written:
        for rows in pool.imap(partial(_sealed, maker), chunks):
            pickle.dump(rows, written)


def _sealed(maker: Maker, numbers: range) -> list[Row]:
    return asyncio.run(_signed_in(maker, numbers))


async def _signed_in(maker: Maker, numbers: range) -> list[Row]:
    """What the sign-ins write: the grants, and the list of each user's."""
    clock = FakeClock()
    store = MemoryStore(clock)
    records = SealedRecords(store, Sealer(KEYRING))
    grants = Grants(records, clock)
    index = UserIndex(records, KEYRING, clock, issuer=maker.template["issuer"], life=SESSION_DAYS * DAY)
    for number in numbers:
        grant = maker.grant(number)
        clock.advance(grant.created_at - clock.now())
        await grants.create(replace(grant, listed=await index.add(grant, _unchanged)))
    return [row async for row in store.scan("")]


async def _unchanged(entries: Entries) -> Entries:
    return entries


def read(file: Path) -> Iterator[list[Row]]:
    """The rows, chunk by chunk."""
    with file.open("rb") as written:
        while True:
            try:
                yield pickle.load(written)
            except EOFError:
                return


async def load(url: str, file: Path) -> None:
    """Put the rows into the store, as it would have written them itself."""
    scheme = url.partition(":")[0]
    await {"sqlite": _load_sqlite, "redis": _load_redis, "postgresql": _load_postgres}[scheme](url, file)


async def _load_sqlite(url: str, file: Path) -> None:
    from vestibule.storage import sqlite

    store = sqlite.SQLiteStore(url.removeprefix("sqlite:///"))
    await store.get("nothing")  # makes the table
    await store.aclose()
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("PRAGMA cache_size = -1000000")  # kB; nothing but this connection uses the room
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    for rows in read(file):
        values = [(key, record.value, record.version, record.expires_at, 0) for key, record in rows]
        connection.executemany(sqlite._PUT_NEW, values)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _load_redis(url: str, file: Path) -> None:
    from vestibule.storage.redis import RedisStore

    store = RedisStore(url)
    client = store._clients.here()
    for rows in read(file):
        pipeline = client.pipeline(transaction=False)
        now = time.time()
        for key, record in rows:
            packed, milliseconds = store._packed(record.value, record.expires_at - now)
            pipeline.set(store._prefix + key, packed, px=milliseconds)
        await pipeline.execute()
    await store.aclose()


async def _load_postgres(url: str, file: Path) -> None:
    import asyncpg

    from vestibule.storage.postgres import PostgresStore

    store = PostgresStore(url)
    await store.prepare()
    connection = await asyncpg.connect(url)
    for rows in read(file):
        values = [(key, record.value, record.version, record.expires_at) for key, record in rows]
        await connection.copy_records_to_table(
            "vestibule_records", records=values, columns=["key", "value", "version", "expires_at"]
        )
    await connection.execute("VACUUM ANALYZE vestibule_records")
    await connection.execute("CHECKPOINT")
    await connection.close()
    await store.aclose()


def _digest(number: int, what: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(f"{what} {number}".encode()).digest()).rstrip(b"=").decode()


def _random(number: int, what: str) -> float:
    """Between 0 and 1, the same each time."""
    return int.from_bytes(hashlib.sha256(f"{what} {number}".encode()).digest()[:6]) / 2**48
