"""Sentinels that name another master while the one before lives, TLS to them, and clusters that are down or closed to strangers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import Connection
from tests.races.air import until
from tests.stores.servers import RedisServer
from tests.stores.test_redis_servers import PAGE, a_certificate, recovers, tls_in_front_of, works

from vestibule.errors import Unavailable
from vestibule.storage.redis import RedisStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def two_masters() -> Iterator[tuple[RedisServer, RedisServer, RedisServer]]:
    """Two servers that know nothing of each other, and a Sentinel that names the first."""
    servers = [RedisServer(), RedisServer(), RedisServer("--sentinel")]
    try:
        for server in servers:
            server.start()
        name(servers[2], servers[0].port)
        yield servers[0], servers[1], servers[2]
    finally:
        for server in servers:
            server.remove()


def name(sentinel: RedisServer, port: int) -> None:
    """Have the Sentinel name that port as the master's."""
    sentinel.ask("SENTINEL", "REMOVE", "sessions")
    assert sentinel.ask("SENTINEL", "MONITOR", "sessions", "127.0.0.1", str(port), "1") == b"+OK"


async def test_a_master_that_was_replaced_is_left_although_it_answers(two_masters) -> None:
    """It would take writes, and lose them, until it has heard of it."""
    before, after, sentinel = two_masters
    store = RedisStore(f"redis+sentinel://127.0.0.1:{sentinel.port}/sessions/0")
    await works(store)
    name(sentinel, after.port)
    for number in range(2000):
        await store.put_new(f"b/{number}", b"", 60)
        if after.ask("DBSIZE") != b":0":
            break
        await asyncio.sleep(0.005)
    told = before.ask("DBSIZE")
    await works(store)
    assert before.ask("DBSIZE") == told
    sentinel.kill()  # and a master is not left because nobody names one
    for _ in range(3):
        await works(store)
    await store.aclose()


async def test_a_sentinel_that_says_nothing_leaves_time_for_the_others(two_masters) -> None:
    """It may be on the machine whose end is why they are asked."""
    *_, sentinel = two_masters
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sentinels = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{sentinel.port}"
        store = RedisStore(f"redis+sentinel://{sentinels}/sessions/0", timeout=2)
        await works(store)
        await store.aclose()


async def test_tls_and_the_certificate_hold_for_sentinels_too(two_masters, tmp_path: Path) -> None:
    master, _, sentinel = two_masters
    certificate = a_certificate(tmp_path)
    async with tls_in_front_of(master, certificate) as port, tls_in_front_of(sentinel, certificate) as sentinel_port:
        name(sentinel, port)
        store = RedisStore(f"rediss+sentinel://localhost:{sentinel_port}/sessions/0?ssl_ca_certs={certificate}")
        await works(store)
        await store.aclose()
        for place in (f"{sentinel_port}/sessions", f"{sentinel_port}/others?ssl_ca_certs={certificate}"):
            stranger = RedisStore(f"rediss+sentinel://localhost:{place}")
            with pytest.raises(Unavailable, match="no Sentinel that can be reached"):
                await stranger.get("a/1")
            await stranger.aclose()


async def test_a_connection_that_was_closed_under_a_verb_is_trouble_of_the_store(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of a cluster that is down closes all its connections, also under those who are just using them."""
    store = RedisStore(cluster, prefix=uuid4().hex)
    await works(store)
    send = Connection._send_packed_command

    async def closed_first(connection: Connection, command: Any) -> None:
        await connection.disconnect(nowait=True)
        await send(connection, command)

    monkeypatch.setattr(Connection, "_send_packed_command", closed_first)
    for verb in (store.get("a/1"), store.put_new("a/1", b"", 60), anext(store.scan("a/"))):
        with pytest.raises(Unavailable, match="the server cannot be reached"):
            await verb
    monkeypatch.undo()
    await recovers(store)
    await store.aclose()


async def test_the_rights_that_the_documentation_names_are_enough_in_a_cluster(cluster: str) -> None:
    [rule] = [line for line in PAGE.read_text().splitlines() if line.startswith("ACL SETUSER vestibule ")]
    admin = RedisCluster.from_url(cluster.replace("redis+cluster", "redis"))
    await admin.execute_command(*rule.split(), target_nodes=RedisCluster.ALL_NODES)
    url = cluster.replace("://", "://vestibule:password@")
    store = RedisStore(url, prefix=f"vestibule:{uuid4()}:")
    await works(store)
    store.announcements.listen(lambda _: None)
    await until(lambda: store.announcements.are_heard)
    await store.aclose()
    # While a slot moves, its old place sends whoever asks to the new one.
    node = Redis.from_url(url.replace("redis+cluster", "redis"))
    assert await node.execute_command("ASKING")
    await node.aclose()
    await admin.execute_command("ACL DELUSER", "vestibule", target_nodes=RedisCluster.ALL_NODES)
    await admin.aclose()
