"""What goes from process to process, what is done when it does not, and that somebody is told."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest
from tests.races.air import Air, until

from vestibule.storage.announcements import Announcements, announcements_of
from vestibule.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio

FLOOR = "sessions that end elsewhere are noticed within revocation_delay_seconds"


@pytest.fixture
def air() -> Air:
    return Air()


@pytest.fixture
async def here(air: Air) -> AsyncIterator[Announcements]:
    made = air.announcements()
    yield made
    await made.aclose()


def others(heard: list[str | None]) -> list[str | None]:
    """Without the probes."""
    return [text for text in heard if text is None or not text.startswith("probe/")]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def test_what_one_says_all_hear(air: Air, here: Announcements) -> None:
    heard: list[str | None] = []
    here.listen(heard.append)
    await until(lambda: here.are_heard)
    await air.announcements().announce("grant/1")
    await here.announce("grant/2")
    await until(lambda: len(others(heard)) == 3)
    assert others(heard) == [None, "grant/1", "grant/2"]


async def test_all_who_listen_share_one_connection(air: Air, here: Announcements) -> None:
    first: list[str | None] = []
    second: list[str | None] = []
    listeners = first.append, second.append
    for _ in range(3):
        for hear in listeners:
            here.listen(hear)
    await until(lambda: here.are_heard)
    await here.announce("grant/1")
    await until(lambda: "grant/1" in first)
    assert others(first) == others(second) == [None, "grant/1"]
    assert air.opened == 1


async def test_nobody_listens_until_somebody_wants_to(air: Air, here: Announcements) -> None:
    await here.announce("grant/1")
    assert (here.are_heard, air.listeners) == (None, 0)
    here.listen(lambda _: None)
    assert here.are_heard is False
    await until(lambda: here.are_heard)
    await here.aclose()
    assert (here.are_heard, air.listeners) == (None, 0)


async def test_after_a_loss_it_is_heard_again_and_whoever_listens_knows_that_something_may_be_missing(
    air: Air, here: Announcements, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vestibule.storage")
    heard: list[str | None] = []
    here.listen(heard.append)
    await until(lambda: here.are_heard)
    air.is_broken = True
    air.cut()
    await until(lambda: here.are_heard is False)
    air.is_broken = False
    await until(lambda: here.are_heard)
    assert others(heard) == [None, None]
    assert told(caplog)[0] == f"the channel of a store: ConnectionResetError; {FLOOR}"
    assert told(caplog)[-1] == "the channel of a store works again"
    assert len(told(caplog)) == len(set(told(caplog))) <= 3


async def test_a_channel_that_accepts_everything_and_carries_nothing_is_no_channel(
    air: Air, here: Announcements, caplog: pytest.LogCaptureFixture
) -> None:
    air.is_silent = True
    heard: list[str | None] = []
    here.listen(heard.append)
    await until(lambda: air.opened == 3)
    assert (here.are_heard, heard) == (False, [])
    assert told(caplog) == [f"the channel of a store: NotHeard; {FLOOR}"]
    air.is_silent = False
    await until(lambda: here.are_heard)
    assert others(heard) == [None]


async def test_one_that_falls_silent_later_is_noticed(air: Air, here: Announcements) -> None:
    here.listen(lambda _: None)
    await until(lambda: here.are_heard)
    air.is_silent = True
    await until(lambda: here.are_heard is False)


async def test_so_is_one_that_can_no_longer_be_spoken_to(air: Air, here: Announcements) -> None:
    here.listen(lambda _: None)
    await until(lambda: here.are_heard)
    air.is_stuck = True
    await until(lambda: here.are_heard is False)


@pytest.mark.parametrize("trouble", ["is_broken", "is_stuck"])
async def test_to_announce_ends_in_time_and_never_fails(
    air: Air, here: Announcements, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    setattr(air, trouble, True)
    async with asyncio.timeout(10):
        await here.announce("grant/1")
        await here.announce("grant/2")
    assert len(told(caplog)) == 1
    assert FLOOR in told(caplog)[0]


async def test_a_probe_is_found_amid_a_flood(air: Air) -> None:
    here = air.announcements(probe_within=10)
    heard: list[str | None] = []
    here.listen(heard.append)
    await until(lambda: here.are_heard)
    probes = len(air.probes)
    for number in range(10_000):
        await air.say(f"junk {number}")
    await until(lambda: len(air.probes) > probes + 1)
    assert (len(heard), air.opened) == (10_001, 1)  # the own probes are not passed on
    await here.aclose()


async def test_the_request_that_was_first_does_not_stay_with_it(here: Announcements) -> None:
    request: ContextVar[str] = ContextVar("request")
    request.set("the first")
    seen: list[str | None] = []
    here.listen(lambda _: seen.append(request.get(None)))
    await until(lambda: seen)
    assert set(seen) == {None}


def test_a_loop_that_ends_takes_it_along(air: Air, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody has to close it: servers do not."""
    here = air.announcements()

    async def serve() -> None:
        here.listen(lambda _: None)
        await until(lambda: here.are_heard)

    for number in range(1, 3):
        asyncio.run(serve())
        gc.collect()
        assert (air.listeners, air.opened) == (0, number)
    assert not caplog.records


def test_a_store_that_cannot_has_none() -> None:
    assert announcements_of(MemoryStore()) is None
