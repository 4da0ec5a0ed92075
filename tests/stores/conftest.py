"""One server of each kind for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.stores.servers import PostgresServer, RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Of an empty server."""
    redis_server.ask("FLUSHALL")
    return redis_server.url
