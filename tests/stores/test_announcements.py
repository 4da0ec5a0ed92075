"""What ends in one process is refused by the others at once, however their store's server is reached; and what if it is not."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import time
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest
from key_value.aio.stores.redis import RedisStore as ForeignRedis
from redis.asyncio import Redis
from tests.races.air import refused, until
from tests.stores.ender import named
from tests.stores.halls import Halls, halls
from tests.stores.servers import PostgresServer, RedisServer, Server, pgbouncer

from vestibule.storage.announcements import announcements_of
from vestibule.storage.lifted import LiftedStore, lift
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.protocol import Store
from vestibule.storage.redis import RedisStore
from vestibule.storage.redis_servers import close
from vestibule.testing import FakeClock, ScriptedClient

pytestmark = [pytest.mark.anyio, pytest.mark.spec("RS-30", "RV-05")]

ROOT = Path(__file__).parents[2]

Make = Callable[[FakeClock], Store]


def on_redis(url: str, **options: float) -> Make:
    prefix = uuid4().hex
    return lambda clock: RedisStore(url, prefix=prefix, clock=clock, **options)


def on_postgres(url: str, **options: object) -> Make:
    table = f"records_{uuid4().hex}"
    return lambda clock: PostgresStore(url, table=table, clock=clock, **options)


@pytest.fixture(params=["redis", "postgres"])
def backend(request: pytest.FixtureRequest) -> tuple[Server, Make]:
    server = request.getfixturevalue(f"{request.param}_server")
    return server, on_redis(server.url, timeout=1) if request.param == "redis" else on_postgres(server.url, timeout=1)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "the channel of" in record.getMessage()]


async def test_what_ends_in_one_is_refused_by_the_other(backend, caplog: pytest.LogCaptureFixture) -> None:
    _, make = backend
    async with halls(make) as both:
        for _ in range(3):
            await both.work()
    assert told(caplog) == []


async def test_what_another_process_ends_is_refused_here(backend) -> None:
    server, _ = backend
    name = f"records_{uuid4().hex}"
    async with halls(lambda clock: named(server.url, name, clock)) as both:
        client = await both.client()
        await both.heard()
        await both.remember(client)
        token = client.tokens["access_token"]
        payload = token.split(".")[1]
        grant_id = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["gid"]
        place = {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
        command = [sys.executable, "-m", "tests.stores.ender", server.url, name, grant_id]
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **place})
        assert await process.wait() == 0
        for house in (both.first, both.second):
            await refused(house, token)


@pytest.mark.parametrize("protocol", [2, 3])
async def test_with_both_protocols_of_redis(redis_server: RedisServer, protocol: int) -> None:
    async with halls(on_redis(f"{redis_server.url}?protocol={protocol}")) as both:
        await both.work()


async def test_in_a_cluster(cluster: str) -> None:
    async with halls(on_redis(cluster)) as both:
        for _ in range(5):  # whichever node it is said to
            await both.work()


async def test_behind_sentinels_also_after_a_failover(watched) -> None:
    master, _, sentinel = watched
    async with halls(on_redis(f"redis+sentinel://127.0.0.1:{sentinel.port}/sessions/0", timeout=1), impatient=True) as both:
        await both.work()
        master.kill()
        await both.unheard()
        await both.heard()
        await both.work()


async def test_a_store_that_takes_the_place_of_another_carries_it_too(redis_server: RedisServer) -> None:
    foreign = [ForeignRedis(client=Redis.from_url(redis_server.url, decode_responses=True)) for _ in range(2)]
    waiting = iter(foreign)

    def make(clock: FakeClock) -> Store:
        store = lift(next(waiting), clock)
        assert isinstance(store, LiftedStore)
        return store

    async with halls(make) as both:
        await both.work()
    for each in foreign:
        await each._client.aclose()


async def cut_by_kill(server: Server) -> None:
    server.kill()
    server.start()


async def cut_by_the_server(server: Server) -> None:
    if isinstance(server, RedisServer):
        assert int(server.ask("CLIENT", "KILL", "TYPE", "pubsub")[1:]) >= 2
        return
    admin = await asyncpg.connect(server.url)
    ended = await admin.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    )
    assert len(ended) >= 2
    await admin.close()


@pytest.mark.parametrize("cut", [cut_by_kill, cut_by_the_server])
async def test_what_ends_while_the_channel_is_cut_is_noticed_when_it_is_back(
    backend, cut, caplog: pytest.LogCaptureFixture
) -> None:
    server, make = backend
    async with halls(make) as both:
        client = await both.client()
        await both.heard()
        await both.remember(client)
        await cut(server)
        await both.end(client)
        await refused(both.second, client.tokens["access_token"])
        await both.heard()
        await both.work()
    assert len(told(caplog)) <= 8  # each of the two says what it met, and that it is over


async def test_a_server_that_falls_silent_is_noticed_and_heard_again(backend) -> None:
    server, make = backend
    async with halls(make, impatient=True) as both:
        client = await both.client()
        await both.heard()
        await both.remember(client)
        server.freeze()
        try:
            await both.unheard()
        finally:
            server.thaw()
        await both.end(client)
        await refused(both.second, client.tokens["access_token"])
        await both.heard()
        await both.work()


@pytest.mark.parametrize(
    "settings",
    [{"server_round_robin": 1, "server_reset_query_always": 1, "min_pool_size": 4}, {"default_pool_size": 1}],
    ids=["another connection each time", "always the same connection"],
)
async def test_behind_a_pooler_in_transaction_mode_the_floor_holds(
    postgres_server: PostgresServer, settings: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    """It accepts LISTEN, and nothing ever arrives."""
    with pgbouncer(postgres_server, **settings) as url:
        async with halls(on_postgres(url), impatient=True, floor=5) as both:
            client = await both.client()
            await until(lambda: len(told(caplog)) == 2)
            await both.remember(client)
            await both.end(client)
            both.second.clock.advance(5.1)
            assert (await both.second.call(client.tokens["access_token"])).status == 401
            # Both halls have said it once, however often they have tried since.
            assert [channel.are_heard for channel in both.channels] == [False, False]
            assert len(told(caplog)) == 2
            assert "behind a pooler in transaction mode, listen_url has to name the server itself" in told(caplog)[0]
            assert "are noticed within revocation_delay_seconds" in told(caplog)[0]


@pytest.mark.parametrize("place", ["url", "parameter"])
async def test_behind_a_pooler_the_server_itself_can_be_listened_to(
    postgres_server: PostgresServer, pooler: str, place: str
) -> None:
    if place == "url":
        make = on_postgres(f"{pooler}?listen_url={quote(postgres_server.url, safe='')}&application_name=hall")
    else:
        make = on_postgres(pooler, listen_url=postgres_server.url)
    async with halls(make) as both:
        await both.work()


@pytest.mark.parametrize("missing", ["resetchannels", "-publish", "-subscribe"])
async def test_without_rights_on_the_channel_the_floor_holds_and_nothing_fails(
    redis_server: RedisServer, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"user{uuid4().hex}"
    assert redis_server.ask("ACL", "SETUSER", name, "on", ">secret", "~*", "&*", "+@all", missing) == b"+OK"
    async with halls(on_redis(f"redis://{name}:secret@127.0.0.1:{redis_server.port}"), impatient=True, floor=5) as both:
        client = await both.client()
        await until(lambda: len(told(caplog)) == 2)
        await both.end(client)
        assert (await both.first.call(client.tokens["access_token"])).status == 401
        both.second.clock.advance(5.1)
        assert (await both.second.call(client.tokens["access_token"])).status == 401
        assert [channel.are_heard for channel in both.channels] == [False, False]
        assert len(told(caplog)) == 2
        assert "the user may not publish and subscribe on the channel" in told(caplog)[0]
        assert "secret" not in caplog.text
    assert redis_server.ask("ACL", "DELUSER", name) == b":1"


async def test_a_flood_of_junk_stops_nobody(backend) -> None:
    server, make = backend
    async with halls(make) as both:
        client = await both.client()
        await both.heard()
        await both.remember(client)
        await flood(server, both)
        await both.remember(client)
        await end_patiently(both, client)
        await refused(both.second, client.tokens["access_token"])
        await both.heard()


async def end_patiently(both: Halls, client: ScriptedClient) -> None:
    """As a client does that is told to ask again: a server that has so much to tell may be slow to answer."""
    deadline = time.monotonic() + 30
    while (answer := await both.first.revoke(client, client.tokens["refresh_token"])).status != 200:
        assert (answer.status, time.monotonic() < deadline) == (503, True)
        await asyncio.sleep(0.1)


async def flood(server: Server, both: Halls) -> None:
    name = both.channels[0]._channel._name
    if isinstance(server, RedisServer):
        client = Redis.from_url(server.url)
        pipeline = client.pipeline(transaction=False)
        for number in range(30_000):
            pipeline.publish(name, b"\xff\x00" * 50 if number % 2 else b"")
        pipeline.publish(name, b"x" * 5_000_000)
        await pipeline.execute()
        await client.aclose()
        return
    admin = await asyncpg.connect(server.url)
    await admin.execute(f"SELECT pg_notify('{name}', repeat('x', 100) || n) FROM generate_series(1, 15000) n")
    await admin.close()


async def test_between_two_announcements_others_have_their_turn(redis_server: RedisServer) -> None:
    """What has already come could be read on and on, and no request be answered meanwhile."""
    store = RedisStore(redis_server.url, prefix=uuid4().hex)
    loop, turn, heard_in = asyncio.get_running_loop(), 0, Counter[int]()

    def tick() -> None:
        nonlocal turn
        turn += 1
        ticking[0] = loop.call_soon(tick)

    ticking = [loop.call_soon(tick)]
    store.announcements.listen(lambda _: heard_in.update([turn]))
    await until(lambda: store.announcements.are_heard)
    pipeline = (client := Redis.from_url(redis_server.url)).pipeline(transaction=False)
    for _ in range(2000):
        pipeline.publish(store.announcements._channel._name, "junk")
    await pipeline.execute()
    await until(lambda: heard_in.total() > 2000)
    assert max(heard_in.values()) == 1
    ticking[0].cancel()
    await client.aclose()
    await store.aclose()


async def end_all_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def test_a_server_that_stops_leaves_nothing_behind(backend, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever runs it ends the event loop, and closes no channel."""
    _, make = backend

    async def serve() -> None:
        store = make(FakeClock())
        channel = announcements_of(store)
        assert channel is not None
        channel.listen(lambda _: None)
        await until(lambda: channel.are_heard)
        await end_all_tasks()  # as the end of a loop does, and before the connections go, which the channel may just be using
        await (close(store._clients.here()) if isinstance(store, RedisStore) else store._pools.here().pool.close())

    asyncio.run(serve())
    gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR or record.name == "asyncio"] == []
