"""The matrix of providers at the end of a run. Results come with the reports, so that it is whole however many processes ran the tests."""

from __future__ import annotations

from typing import Any

PROPERTY = "matrix"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print it, if any of its tests ran."""
    cells = _results(terminalreporter)
    if not cells:
        return
    from tests.providers.fakes.registry import CASES, COLUMNS

    width = max(len(case.name) for case in CASES)
    reasons: dict[str, str] = {}
    write = terminalreporter.write_line
    write("")
    terminalreporter.section("providers", sep="-")
    write(" ".join([" " * width, *(column.ljust(13) for column in COLUMNS)]).rstrip())
    for case in CASES:
        row = [cells.get((case.name, column)) or _not_applicable(case, column, reasons) for column in COLUMNS]
        write(" ".join([case.name.ljust(width), *(cell.ljust(13) for cell in row)]).rstrip())
    for reason, number in reasons.items():
        write(f"{number} {reason}")


def _results(terminalreporter: Any) -> dict[tuple[str, str], str]:
    words = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}
    found: dict[tuple[str, str], str] = {}
    for outcome, word in words.items():
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == PROPERTY:
                    found[tuple(value)] = word
    return found


def _not_applicable(case: Any, column: str, reasons: dict[str, str]) -> str:
    reason = case.not_applicable.get(column)
    return f"n/a {reasons.setdefault(reason, f'({len(reasons) + 1})')}" if reason else "not run"
