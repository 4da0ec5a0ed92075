"""A store that says nothing: requests do not pile up, and those after it are not held back for longer than the pause."""

from __future__ import annotations

import asyncio
import logging

import pytest
from key_value.aio.stores.memory import MemoryStore as ForeignMemoryStore
from tests.flows.stage import FaultyStore, set_stage
from tests.outages.places import Place, shows
from tests.outages.scene import call, refresh
from tests.stores.trouble import PATIENCE, recovered
from tests.stores.trouble import refused as store_refuses

from vestibule import reasons
from vestibule.clock import SystemClock
from vestibule.errors import Unavailable
from vestibule.events import Event
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.breaker import PAUSE_SECONDS, SLOW_SECONDS, TRIAL_SECONDS
from vestibule.storage.key_value import KeyValueStore
from vestibule.storage.lifted import LiftedStore
from vestibule.storage.memory import MemoryStore
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.redis import RedisStore
from vestibule.storage.sealed import SealedRecords
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

TIME_OUT = 5


class FrozenStore(FaultyStore):
    """Gives up what is asked after a time, while it is frozen.

    Attributes:
        frozen: which verbs.
        last: how long a verb takes to fail.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(MemoryStore(clock))
        self.clock = clock
        self.frozen: set[str] = set()
        self.last = TIME_OUT

    async def before(self, verb: str, key: str) -> None:
        await super().before(verb, key)
        if verb in self.frozen:
            await self.clock.sleep(self.last)
            raise Unavailable(reasons.STORE_UNAVAILABLE, "the server does not answer in time")


@pytest.fixture
def store(clock: FakeClock) -> FrozenStore:
    return FrozenStore(clock)


@pytest.fixture
def records(store: FrozenStore, clock: FakeClock) -> SealedRecords:
    return SealedRecords(store, Sealer(KeyRing.from_secrets("a key that is long enough for this test")), clock)


async def refused(records: SealedRecords) -> Unavailable:
    with pytest.raises(Unavailable) as error:
        await records.get("a/1")
    assert error.value.reason is reasons.STORE_UNAVAILABLE
    assert error.value.retry_after > 0
    return error.value


async def test_after_a_verb_that_failed_slowly_nobody_asks_for_a_moment(
    store: FrozenStore, records: SealedRecords, clock: FakeClock
) -> None:
    store.frozen = {"get"}
    await refused(records)
    for _ in range(100):
        await refused(records)
    assert store.calls == ["get"]
    clock.advance(PAUSE_SECONDS)
    await refused(records)
    assert store.calls == ["get", "get"]


async def test_and_then_one_asks_for_all(store: FrozenStore, records: SealedRecords, clock: FakeClock) -> None:
    store.frozen = {"get"}
    await refused(records)
    clock.advance(PAUSE_SECONDS)
    await asyncio.gather(*(refused(records) for _ in range(100)))
    assert store.calls == ["get", "get"]


async def test_a_trial_that_nobody_waits_for_any_more_makes_way_for_the_next(
    store: FrozenStore, records: SealedRecords, clock: FakeClock
) -> None:
    store.frozen = {"get"}
    await refused(records)
    clock.advance(PAUSE_SECONDS)
    trial = asyncio.ensure_future(records.get("a/1"))
    await asyncio.sleep(0)
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    store.frozen = set()
    clock.advance(PAUSE_SECONDS)
    assert await records.get("a/1") is None


class HangingStore(FrozenStore):
    """Never answers again what is asked while it hangs: there are stores without a time-out of their own."""

    hangs = False

    async def before(self, verb: str, key: str) -> None:
        await super().before(verb, key)
        if self.hangs:
            await asyncio.Event().wait()


async def test_a_trial_that_never_ends_makes_way_for_the_next(clock: FakeClock) -> None:
    store = HangingStore(clock)
    records = SealedRecords(store, Sealer(KeyRing.from_secrets("a key that is long enough for this test")), clock)
    store.frozen = {"get"}
    await refused(records)
    clock.advance(PAUSE_SECONDS)
    store.frozen, store.hangs = set(), True
    trial = asyncio.ensure_future(records.get("a/1"))
    await asyncio.sleep(0)
    store.hangs = False
    clock.advance(TRIAL_SECONDS - 0.1)
    await refused(records)
    clock.advance(0.1)
    assert await records.get("a/1") is None
    assert await records.get("a/2") is None
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    assert await records.get("a/1") is None


@pytest.mark.filterwarnings("ignore:A configured store is unstable")
async def test_one_record_that_nobody_gets_shuts_out_no_other(clock: FakeClock) -> None:
    """Whoever was moving it to the store of our own was killed."""
    foreign = ForeignMemoryStore()
    adapter = KeyValueStore(foreign, clock, is_replaced=True)
    assert await adapter.put_new("a/1", b"", 600)
    for collection in await foreign.collections():
        if "claims" in collection:
            for key in await foreign.keys(collection):
                await foreign.delete(key, collection=collection)
    store = LiftedStore(MemoryStore(clock), adapter, clock)
    records = SealedRecords(store, Sealer(KeyRing.from_secrets("a key that is long enough for this test")), clock)
    assert await records.put_new("a/2", {"kept": True}, 600)
    before = clock.now()
    await refused(records)
    assert clock.now() - before >= SLOW_SECONDS, "long enough to be taken for a store that does not answer"
    assert records.reading.failing_since is None
    assert await records.get("a/2") is not None


async def test_what_was_refused_is_never_absent(store: FrozenStore, records: SealedRecords, clock: FakeClock) -> None:
    assert await records.put_new("a/1", {"kept": True}, 600)
    store.frozen = {"get"}
    for _ in range(3):
        await refused(records)
    store.frozen = set()
    clock.advance(PAUSE_SECONDS)
    assert (await records.get("a/1"))[0] == {"kept": True}


async def test_everybody_goes_on_after_the_pause(store: FrozenStore, records: SealedRecords, clock: FakeClock) -> None:
    store.frozen = {"get"}
    await refused(records)
    store.frozen = set()
    clock.advance(PAUSE_SECONDS - 0.1)
    await refused(records)
    clock.advance(0.1)
    assert await records.get("a/1") is None
    assert await asyncio.gather(*(records.get("a/1") for _ in range(100))) == [None] * 100


async def test_a_failure_that_comes_at_once_holds_nobody_back(
    store: FrozenStore, records: SealedRecords, clock: FakeClock
) -> None:
    store.frozen, store.last = {"get"}, 0.1
    for _ in range(10):
        await refused(records)
    assert store.calls == ["get"] * 10
    store.frozen = set()
    assert await records.get("a/1") is None


async def test_reading_goes_on_while_writing_hangs(store: FrozenStore, records: SealedRecords) -> None:
    store.frozen = {"put_new"}
    for _ in range(2):
        with pytest.raises(Unavailable):
            await records.put_new("a/1", {}, 60)
    assert store.calls == ["put_new"]
    assert await records.get("a/1") is None


async def test_a_clock_that_is_set_back_holds_nobody_back(store: FrozenStore, records: SealedRecords, clock: FakeClock) -> None:
    store.frozen = {"get"}
    await refused(records)
    store.frozen = set()
    clock.advance(-3600)
    assert await records.get("a/1") is None


@pytest.mark.parametrize("place", ["redis", "postgres"], indirect=True)
async def test_requests_at_a_frozen_server_do_not_pile_up(place: Place, events: list[Event]) -> None:
    stage = await set_stage(SystemClock(), events, store=place.store, revocation_delay_seconds=0)
    client = await stage.signed_in()
    http = stage.http

    async def wave(size: int) -> list[int]:
        calls, refreshes = [call(stage, client, http) for _ in range(size)], [refresh(client) for _ in range(size)]
        answers = await asyncio.gather(*calls, *refreshes)
        assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status_code != 200)
        return [answer.status_code for answer in answers]

    assert set(await wave(5)) == {200}
    client.tokens = (await refresh(client)).json()
    events.clear()
    await place.begin("frozen")
    assert set(await wave(100)) == {503}
    stage.store.calls.clear()
    assert set(await wave(100)) == {503}
    assert len(stage.store.calls) <= 1, "those who come later wait for nothing"
    await place.end()
    await recovered(place.store, 100)
    await asyncio.sleep(PAUSE_SECONDS)
    assert (await call(stage, client, http)).status_code == 200, "the one who asks for all"
    assert set(await wave(5)) == {200}
    assert {"reused", "revoked"}.isdisjoint(stage.names())
    await stage.close()


async def test_the_log_does_not_take_a_read_for_the_end_of_trouble_with_writing(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vestibule.storage")
    assert await place.store.put_new("a/1", b"", 600)
    version = (await place.store.get("a/1")).version
    await place.begin("read-only")
    await shows(place.store)
    caplog.clear()
    for _ in range(3):
        assert await place.store.get("a/1") is not None
        assert not await place.store.swap("a/1", version + 1, b"", 600) if "Redis" in repr(place.store) else True
        with pytest.raises(Unavailable):
            await place.store.swap("a/1", version, b"", 600)
    assert [record.message for record in caplog.records] == []
    await place.end()
    await recovered(place.store, 100)
    assert [record.message.endswith("works again") for record in caplog.records] == [True]


@pytest.mark.parametrize("place", ["redis", "postgres"], indirect=True)
async def test_repeating_a_read_does_not_take_longer_than_one_verb_may(place: Place) -> None:
    """A server that accepts connections and breaks them late."""

    connections = []

    async def break_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        await asyncio.sleep(0.8 * PATIENCE)
        writer.close()

    listener = await asyncio.start_server(break_late, "127.0.0.1", 0)
    url = place.server.url.replace(f":{place.server.port}", f":{listener.sockets[0].getsockname()[1]}")
    store = (
        RedisStore(url, timeout=PATIENCE)
        if isinstance(place.store, RedisStore)
        else PostgresStore(f"{url}?sslmode=disable", timeout=PATIENCE)
    )
    await store_refuses(store.get("a/1"))
    await store.aclose()
    listener.close()
    await asyncio.gather(*connections)
