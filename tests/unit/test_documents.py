"""The documents are true: generated pages are those of today, examples are code, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripts import conformance, reasons

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_IMAGE = re.compile(r'(?:src|srcset)="(?!https?:)([^"]+)"')


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _blocks() -> list[tuple[str, str]]:
    return [
        (f"{_name(path)}#{number}", block)
        for path in DOCUMENTS
        for number, block in enumerate(_PYTHON.findall(path.read_text(encoding="utf-8")), 1)
    ]


def test_the_reason_codes_are_those_of_the_code() -> None:
    assert reasons.PAGE.read_text(encoding="utf-8") == reasons.page(), "run `make docs`"


def test_the_conformance_table_is_that_of_the_tests() -> None:
    assert conformance.PAGE.read_text(encoding="utf-8") == conformance.page(), "run `make docs`"


def test_the_readme_shows_a_server() -> None:
    assert any(name.startswith("README.md") for name, _ in _blocks())


@pytest.mark.parametrize(("name", "block"), _blocks(), ids=lambda value: value if str(value).count("#") == 1 else "")
def test_an_example_is_code(name: str, block: str) -> None:
    compile(block, name, "exec")


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_a_link_leads_somewhere(path: Path) -> None:
    text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    broken = [link for link in [*_LINK.findall(text), *_IMAGE.findall(text)] if not (path.parent / link).exists()]
    assert broken == []
