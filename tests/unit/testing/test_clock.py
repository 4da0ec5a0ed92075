"""The clock that tests move."""

import anyio
import pytest

from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio


async def test_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(start=100.0)
    assert clock.now() == 100.0
    clock.advance(5)
    assert clock.now() == 105.0


async def test_sleep_moves_it_and_lets_others_run() -> None:
    clock = FakeClock(start=0.0)
    seen: list[float] = []

    async def watch() -> None:
        seen.append(clock.now())

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await clock.sleep(3600)
        await clock.sleep(0)
    assert clock.now() == 3600.0
    assert seen == [3600.0]
