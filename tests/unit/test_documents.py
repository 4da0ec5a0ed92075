"""The documents are true: generated pages are those of today, examples are code, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from scripts import conformance, reasons

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_IMAGE = re.compile(r'(?:src|srcset)="(?!https?:)([^"]+)"')
_TEST = re.compile(r"`((?:attacks|flows|hosts|interop|properties|races|unit)/[\w/]+\.py)`")
_SWITCHED_OFF = re.compile(r"vestibule\.unsafe|require_authorization_consent=(?:False|\"external\")|verify=False")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _blocks() -> list[Any]:
    return [
        pytest.param(f"{_name(path)}#{number}", block, id=f"{_name(path)}#{number}")
        for path in DOCUMENTS
        for number, block in enumerate(_PYTHON.findall(path.read_text(encoding="utf-8")), 1)
    ]


def test_the_reason_codes_are_those_of_the_code() -> None:
    assert reasons.PAGE.read_text(encoding="utf-8") == reasons.page(), "run `make docs`"


def test_the_conformance_table_is_that_of_the_tests() -> None:
    assert conformance.PAGE.read_text(encoding="utf-8") == conformance.page(), "run `make docs`"


def test_the_readme_shows_a_server() -> None:
    assert _PYTHON.search((ROOT / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "block"), _blocks())
def test_an_example_is_code(name: str, block: str) -> None:
    compile(block, name, "exec")


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_a_link_leads_somewhere(path: Path) -> None:
    text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    broken = [link for link in [*_LINK.findall(text), *_IMAGE.findall(text)] if not (path.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize(("name", "block"), _blocks())
def test_an_example_switches_nothing_off(name: str, block: str) -> None:
    """Samples are copied (cloudflare/ai#51, GHSA-h64q-xp38-pgwr)."""
    assert not _SWITCHED_OFF.search(block)


def test_a_test_that_the_threat_model_names_is_there() -> None:
    named = _TEST.findall((ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8"))
    assert [test for test in named if not (ROOT / "tests" / test).exists()] == []
