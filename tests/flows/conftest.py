"""The deployment that flows run through, in process and on a clock that tests move."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.flows.stage import Stage, set_stage

from vestibule.events import Event
from vestibule.testing import FakeClock

SetStage = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def staged(clock: FakeClock, events: list[Event]) -> AsyncIterator[SetStage]:
    """Sets a stage with options of the test's own."""
    stages: list[Stage] = []

    async def build(**options: Any) -> Stage:
        stages.append(await set_stage(clock, events, **options))
        return stages[-1]

    yield build
    for stage in stages:
        await stage.close()


@pytest.fixture
async def stage(staged: SetStage) -> Stage:
    """The ordinary deployment: a loopback URL, everything by default."""
    return await staged()
