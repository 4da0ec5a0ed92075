"""The house that logins at the fakes of providers run in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.flows.conftest import staged as staged
from tests.providers.house import House

from vestibule.events import Event
from vestibule.testing import FakeClock


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration file of whoever runs the tests takes part."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
async def house(clock: FakeClock, events: list[Event]) -> AsyncIterator[House]:
    built = House(clock, {}, events)
    yield built
    await built.close()
