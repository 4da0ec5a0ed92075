"""The outcome of a run as a table for people, as JSON for programs, and as a picture for the README."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from rich.console import Console
from rich.table import Table

from benchmarks.rows import Row
from benchmarks.sides import NAMES

PACKAGES = ("vestibule", "fastmcp", "mcp", "starlette", "uvicorn", "httpx2", "joserfc", "cryptography", "py-key-value-aio")
TEMPLATES = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Outcome:
    """The rows with everything needed to judge them later."""

    rows: list[Row]
    quick: bool
    seconds: float
    date: str
    machine: str
    versions: dict[str, str]

    @classmethod
    def of(cls, rows: list[Row], *, quick: bool, seconds: float) -> Outcome:
        return cls(rows, quick, seconds, f"{datetime.now(UTC):%Y-%m-%d}", describe_machine(), installed_versions())


def installed_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def describe_machine() -> str:
    """Processor, cores, system, and how busy it was: a loaded machine explains a wide spread."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{name or platform.machine()}, {os.cpu_count()} cores, {platform.system()}, load {os.getloadavg()[0]:.1f}"


def figure(value: float) -> str:
    """Three significant digits without an exponent; a whole number as it is."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    digits = max(0, 3 - len(str(int(abs(value)))))
    return f"{value:,.{digits}f}"


def print_table(outcome: Outcome) -> None:
    console = Console(width=None if Console().is_terminal else 160)
    table = Table(title=f"Vestibule and fastmcp side by side, {outcome.date}", show_lines=True)
    for heading in ("what", *NAMES.values()):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for heading in ("ratio", "to reach", "", "note"):
        table.add_column(heading)
    for row in outcome.rows:
        table.add_row(*_cells(row))
    console.print(table)
    console.print(f"{outcome.machine}; {outcome.seconds:.0f} s{'; quick run' if outcome.quick else ''}")
    console.print(", ".join(f"{name} {version}" for name, version in outcome.versions.items()), style="dim")
    console.print("Medians of rounds taken in turn; ± is half the distance between the quartiles.", style="dim")


def _cells(row: Row) -> list[str]:
    verdict = {True: "[green]reached[/]", False: "[red]missed[/]", None: ""}[row.reached]
    times = f"{row.times_better:.3g} ×" if row.times_better else ""
    return [row.title, *(_series(row, side) for side in NAMES), times, row.target, verdict, row.note]


def _series(row: Row, side: str) -> str:
    series = row.measured.get(side)
    return f"{figure(series.median)} {row.unit}\n± {series.spread:.0%}" if series else ""


def write_json(outcome: Outcome, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "date": outcome.date,
        "machine": outcome.machine,
        "quick": outcome.quick,
        "seconds": round(outcome.seconds, 1),
        "versions": outcome.versions,
        "rows": [row.as_dict() for row in outcome.rows],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def draw(outcome: Outcome, path: Path) -> None:
    """Bars per row, each row on its own scale; the picture carries its versions and date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = figure
    rows = [_bars(row) for row in outcome.rows if row.drawn]
    path.write_text(environment.get_template("benchmark.svg.jinja").render(outcome=outcome, rows=rows))


def _bars(row: Row) -> dict[str, Any]:
    medians = {side: row.measured[side].median for side in NAMES if side in row.measured}
    longest = max(medians.values()) or 1.0
    bars = [{"side": side, "name": NAMES[side], "value": median, "share": median / longest} for side, median in medians.items()]
    return {"title": row.title, "unit": row.unit, "better": row.better, "times": row.times_better, "bars": bars}
