"""What the page about outages shows is what the tests assert."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.outages.matrix import PROVIDER, PROVIDER_ACTIONS, STORE, STORE_ACTIONS, log_table, table

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "outages.md"


@pytest.mark.parametrize(
    "shown", [table(STORE_ACTIONS, STORE), table(PROVIDER_ACTIONS, PROVIDER), log_table()], ids=["store", "provider", "log"]
)
def test_the_page_shows_the_table(shown: str) -> None:
    assert shown in PAGE.read_text(encoding="utf-8")
