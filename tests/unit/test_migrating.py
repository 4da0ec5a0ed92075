"""What the page for people who come from FastMCP promises."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 4]
CLASS = re.compile(r"`([a-z_0-9]+)\.([A-Z]\w+)`")


def named(column: int) -> set[tuple[str, str]]:
    return {found for row in ROWS for found in CLASS.findall(row[column])}


@pytest.mark.parametrize(("module", "name"), sorted(named(1)))
def test_every_class_it_names_is_there(module: str, name: str) -> None:
    assert callable(getattr(import_module(f"vestibule.providers.{module}"), name))


def test_no_provider_of_the_older_package_is_left_out() -> None:
    folder = Path(import_module("fastmcp.server.auth.providers").__path__[0])
    for path in sorted(folder.glob("[a-z]*.py")):
        public = re.findall(r"^class ([A-Z]\w+(?:Provider|Verifier))\b", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert {(path.stem, name) for name in public} <= named(0)
