"""Fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.providers.matrix import pytest_terminal_summary as pytest_terminal_summary

from vestibule import events as event_stream
from vestibule.events import Event
from vestibule.testing import FakeClock


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that asynchronous tests run on."""
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    """The time of everything."""
    return FakeClock()


@pytest.fixture
def events() -> Iterator[list[Event]]:
    """What happened, as it happens."""
    seen: list[Event] = []
    unsubscribe = event_stream.subscribe(seen.append)
    yield seen
    unsubscribe()


@pytest.fixture(autouse=True, scope="session")
def _home_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test, and no fixture of wider scope, finds or leaves anything in the home of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VESTIBULE_HOME", str(tmp_path_factory.mktemp("vestibule")))
        yield


@pytest.fixture(autouse=True)
def vestibule_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _home_of_the_run: None) -> Path:
    """Where this test's state and keys live: its own place, so that no test sees another's."""
    home = tmp_path / "vestibule"
    monkeypatch.setenv("VESTIBULE_HOME", str(home))
    return home


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long texts are no names, and those with random parts would be called differently in each test process."""
    return argname if isinstance(val, str | bytes) and len(val) > 40 else None
