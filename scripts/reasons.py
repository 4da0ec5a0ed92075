"""Writes docs/reference/reasons.md from the one list of reasons: ``python -m scripts.reasons``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vestibule import reasons

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "reasons.md"

_SECTION = re.compile(r"# --- (.+?) -*$")
_DECLARATION = re.compile(r"([A-Z_]+) = _reason\(")

_HEAD = """\
# Reason codes

<!-- Written by `python -m scripts.reasons` from src/vestibule/reasons.py. -->

Every refusal has one of these codes: in the answer, on the error page, in the event and in the log line, beside the request id that
tells them apart. Codes are stable; they are never renamed or used for something else.
"""


def page() -> str:
    """The page's text."""
    return _HEAD + "".join(_section(title, names) for title, names in _sections().items())


def _sections() -> dict[str, list[str]]:
    """Names of reasons by the heading that they stand under in the source."""
    found: dict[str, list[str]] = {}
    for line in Path(reasons.__file__).read_text(encoding="utf-8").splitlines():
        if heading := _SECTION.match(line):
            names = found.setdefault(heading[1], [])
        elif declaration := _DECLARATION.match(line):
            names.append(declaration[1])
    return found


def _section(title: str, names: list[str]) -> str:
    return "\n".join(
        [f"\n## {title.capitalize()}\n", "| code | what happened | what to do |", "|---|---|---|", *_rows(names), ""]
    )


def _rows(names: list[str]) -> Iterator[str]:
    for name in names:
        reason: reasons.Reason = getattr(reasons, name)
        yield f"| `{reason.code}` | {reason.text} | {reason.remedy} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
