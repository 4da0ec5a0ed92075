import asyncio

import pytest

from vestibule.net.single_flight import SingleFlight

pytestmark = pytest.mark.anyio


class Work:
    def __init__(self):
        self.runs = 0
        self.open = asyncio.Event()

    async def __call__(self):
        self.runs += 1
        await self.open.wait()
        return self.runs


async def test_all_who_wait_share_one_run():
    flight, work = SingleFlight(), Work()
    waiting = [asyncio.create_task(flight.share("key", work)) for _ in range(50)]
    await asyncio.sleep(0)
    work.open.set()
    assert await asyncio.gather(*waiting) == [1] * 50


async def test_what_is_over_runs_again():
    flight, work = SingleFlight(), Work()
    work.open.set()
    assert [await flight.share("key", work), await flight.share("key", work)] == [1, 2]


async def test_keys_do_not_wait_for_each_other():
    flight, slow, quick = SingleFlight(), Work(), Work()
    quick.open.set()
    waiting = flight.start("slow", slow)
    assert await flight.share("quick", quick) == 1
    slow.open.set()
    await waiting


async def test_whoever_began_may_go_away():
    flight, work = SingleFlight(), Work()
    first = asyncio.create_task(flight.share("key", work))
    second = asyncio.create_task(flight.share("key", work))
    await asyncio.sleep(0)
    first.cancel()
    work.open.set()
    assert await second == 1


async def test_a_failure_reaches_all_and_is_not_kept():
    async def failing():
        await asyncio.sleep(0)
        raise ValueError("no")

    flight = SingleFlight()
    results = await asyncio.gather(*(flight.share("key", failing) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3
    work = Work()
    work.open.set()
    assert await flight.share("key", work) == 1


async def test_what_another_event_loop_left_behind_holds_nobody_up():
    flight, stuck, work = SingleFlight(), Work(), Work()
    work.open.set()
    other = asyncio.new_event_loop()

    async def begin():
        return flight.start("key", stuck)

    async def end(task):
        task.cancel()

    left_behind = await asyncio.to_thread(other.run_until_complete, begin())
    assert await flight.share("key", work) == 1
    await asyncio.to_thread(other.run_until_complete, end(left_behind))
    other.close()
