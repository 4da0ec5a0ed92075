"""One server of each kind for all tests of a process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from tests.stores.servers import PostgresServer, RedisServer, pgbouncer, running, wait_until


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with running(RedisServer()) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running(PostgresServer()) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Of an empty server."""
    redis_server.ask("FLUSHALL")
    return redis_server.url


@pytest.fixture
async def admin(postgres_server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the tests' own, past the store."""
    connection = await asyncpg.connect(postgres_server.url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def pooler(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a pgbouncer that hands out another connection for each transaction."""
    with pgbouncer(postgres_server, server_round_robin=1, server_reset_query_always=1, min_pool_size=4) as url:
        yield url


@pytest.fixture
def watched() -> Iterator[tuple[RedisServer, RedisServer, RedisServer]]:
    """A master, its replica, and a Sentinel."""
    servers: list[RedisServer] = []

    def started(*options: str) -> RedisServer:
        servers.append(RedisServer(*options))
        servers[-1].start()
        return servers[-1]

    try:
        master = started("--repl-diskless-sync-delay", "0")
        replica = started("--replicaof", "127.0.0.1", str(master.port))
        sentinel = started("--sentinel")
        sentinel.ask("SENTINEL", "MONITOR", "sessions", "127.0.0.1", str(master.port), "1")
        for name, value in {"down-after-milliseconds": "300", "failover-timeout": "2000"}.items():
            assert sentinel.ask("SENTINEL", "SET", "sessions", name, value) == b"+OK"
        # The Sentinel learns of the replica from the master, once in ten seconds.
        wait_until(lambda: b"slaves=1" in sentinel.ask_all("INFO", "sentinel"), 30)
        yield master, replica, sentinel
    finally:
        for server in servers:
            server.remove()


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """Two masters, and the URL that names one of them."""
    servers = [RedisServer("--cluster-enabled", "yes", "--cluster-node-timeout", "2000") for _ in range(2)]
    try:
        for server, slots in zip(servers, (range(8192), range(8192, 16384)), strict=True):
            server.start()
            assert server.ask("CLUSTER", "ADDSLOTS", *map(str, slots)) == b"+OK"
        servers[0].ask("CLUSTER", "MEET", "127.0.0.1", str(servers[1].port))
        wait_until(lambda: all(b"cluster_state:ok" in server.ask_all("CLUSTER", "INFO") for server in servers))
        wait_until(lambda: all(b"cluster_known_nodes:2" in server.ask_all("CLUSTER", "INFO") for server in servers))
        yield f"redis+cluster://127.0.0.1:{servers[0].port}"
    finally:
        for server in servers:
            server.remove()
