"""Servers for the whole folder, and deployments in front of them on a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.flows.conftest import stage as stage
from tests.flows.conftest import staged as staged
from tests.outages.places import Place, PostgresPlace, RedisPlace, SQLitePlace
from tests.stores.servers import PostgresServer, RedisServer, running

from vestibule.testing import FakeClock


@pytest.fixture(scope="package")
def redis_server() -> Iterator[RedisServer]:
    with running(RedisServer()) as server:
        yield server


@pytest.fixture(scope="package")
def postgres_server() -> Iterator[PostgresServer]:
    with running(PostgresServer()) as server:
        yield server


@pytest.fixture(params=["sqlite", "redis", "postgres"])
async def place(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Place]:
    match request.param:
        case "sqlite":
            made: Place = SQLitePlace(tmp_path / "state", clock)
        case "redis":
            made = RedisPlace(request.getfixturevalue("redis_server"), clock)
        case _:
            made = PostgresPlace(request.getfixturevalue("postgres_server"), clock)
    yield made
    await made.end()
    await made.store.aclose()
