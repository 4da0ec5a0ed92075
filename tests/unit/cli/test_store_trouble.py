"""What is said of a store that does not work."""

from __future__ import annotations

from pathlib import Path

import pytest

import vestibule.storage
from vestibule import reasons
from vestibule.cli.store_trouble import REMEDIES, told_trouble
from vestibule.errors import Unavailable
from vestibule.storage.memory import MemoryStore

SOURCES = "".join(path.read_text() for path in Path(vestibule.storage.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("trouble", REMEDIES)
def test_a_remedy_is_for_something_that_stores_say(trouble: str) -> None:
    assert f'"{trouble}"' in SOURCES


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("the database does not exist", "the database does not exist; create it, or correct its name in the URL."),
        ("no connection with TLS can be made", "no connection with TLS can be made; does it speak TLS at this port?"),
        ("the server reports SomeError", "the server reports SomeError."),
    ],
)
def test_a_line_ends_once(trouble: str, told: str) -> None:
    store = MemoryStore()
    assert told_trouble(store, Unavailable(reasons.STORE_UNAVAILABLE, trouble)) == f"{store!r}: {told}"
