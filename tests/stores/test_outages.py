"""What becomes of a verb when the server is gone, silent, full or read-only, and that nothing has to be restarted afterwards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest
from tests.stores.servers import Server
from tests.stores.trouble import PATIENCE, recovered, refused

from vestibule.errors import Unavailable
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.protocol import Store
from vestibule.storage.redis import RedisStore

pytestmark = [pytest.mark.anyio, pytest.mark.spec("RF-03")]


@pytest.fixture(params=["redis", "postgres"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Server, Store]]:
    server = request.getfixturevalue(f"{request.param}_server")
    if request.param == "redis":
        store: Store = RedisStore(server.url, prefix=uuid4().hex, timeout=PATIENCE)
    else:
        store = PostgresStore(server.url, table=f"records_{uuid4().hex}", timeout=PATIENCE)
    yield server, store
    await store.aclose()


async def test_killed_and_started_again_it_goes_on_and_has_lost_nothing(backend, caplog: pytest.LogCaptureFixture) -> None:
    server, store = backend
    caplog.set_level(logging.INFO, "vestibule.storage")
    assert await store.put_new("a/1", b"kept", 600)
    version = (await store.get("a/1")).version
    await asyncio.gather(*(store.get("a/1") for _ in range(20)))  # so that there are many connections to break
    server.kill()
    for verb in (store.get("a/1"), store.put_new("a/2", b"", 60), store.swap("a/1", version, b"", 60), store.purge()):
        if not isinstance(store, RedisStore) or verb.__name__ != "purge":
            await refused(verb)
        else:
            verb.close()
    with pytest.raises(Unavailable):
        [key async for key, _ in store.scan("a/")]
    server.start()
    await recovered(store)
    assert (await store.get("a/1")).value == b"kept"
    assert await store.swap("a/1", version, b"changed", 60)
    told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == len(set(told)) <= 3
    assert any("works again" in record.message for record in caplog.records)


async def test_a_restart_between_two_verbs_costs_no_read(backend) -> None:
    server, store = backend
    assert await store.put_new("a/1", b"kept", 600)
    await asyncio.gather(*(store.get("a/1") for _ in range(10)))
    server.kill()
    server.start()
    found = await asyncio.gather(*(store.get("a/1") for _ in range(10)))
    assert {record.value for record in found} == {b"kept"}


async def test_a_silent_server_is_given_up_in_time(backend) -> None:
    server, store = backend
    assert await store.put_new("a/1", b"kept", 600)
    server.freeze()
    try:
        error, *_ = await asyncio.gather(
            *(refused(store.get("a/1")) for _ in range(20)), refused(store.put_new("a/2", b"", 60))
        )
        assert error.detail == "the server does not answer in time"
    finally:
        server.thaw()
    await recovered(store)
    assert (await store.get("a/1")).value == b"kept"


async def test_a_verb_that_is_broken_off_leaves_no_answer_for_the_next(backend) -> None:
    _, store = backend
    for number in range(50):
        assert await store.put_new(f"a/{number}", b"%d" % number, 600)
    for round_ in range(30):
        asked = [asyncio.ensure_future(store.get(f"a/{number}")) for number in range(50)]
        for _ in range(round_ % 7):
            await asyncio.sleep(0)
        for task in asked[::2]:
            task.cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(
            isinstance(answer, asyncio.CancelledError) or answer.value == b"%d" % number
            for number, answer in enumerate(answers)
        )


async def test_a_write_whose_answer_is_lost_is_not_sent_again(backend) -> None:
    """A second one would be refused because of the first, and that would look as if somebody else had been there."""
    server, store = backend
    assert await store.put_new("a/1", b"first", 600)
    version = (await store.get("a/1")).version
    async with swallowing(server) as (url, loss):
        there = type(store)(url, **({"prefix": store._prefix} if isinstance(store, RedisStore) else {"table": store._table}))
        assert await there.get("a/1") is not None
        loss.set()
        await refused(there.swap("a/1", version, b"second", 600))
        loss.clear()
        record = await there.get("a/1")
        assert (record.value, record.version != version) == (b"second", True)
        await there.aclose()


@asynccontextmanager
async def swallowing(server: Server) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A way to the server that, while the event is set, hands on what is asked and breaks when the answer is that a record was replaced."""
    loss, tasks = asyncio.Event(), set()

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, both: list, is_answer: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if is_answer and loss.is_set() and (data == b":1\r\n" or b"UPDATE 1" in data):
                    break
                writer.write(data)
        for each in both:
            each.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server.port)
        both = [writer, inner_writer]
        for task in (hand_on(reader, inner_writer, both, False), hand_on(inner_reader, writer, both, True)):
            tasks.add(asyncio.ensure_future(task))

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        yield server.url.replace(f":{server.port}", f":{port}"), loss
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_no_password_is_shown(backend, caplog: pytest.LogCaptureFixture) -> None:
    server, store = backend
    url = server.url.partition("://")[0] + "://someone:hunter2@127.0.0.1:1/0"
    closed = type(store)(url, timeout=PATIENCE)
    error = await refused(closed.get("a/1"))
    assert "hunter2" not in f"{error} {closed!r} {caplog.text}"
    await closed.aclose()
