"""The command: ``python -m benchmarks [--quick] [--only GROUP] [--sides ours,peer]``."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from types import ModuleType

import click

from benchmarks import calls, footprint, login, opaque, register, report, verify
from benchmarks.context import Context, fresh_home
from benchmarks.processes import start
from benchmarks.rows import Row
from benchmarks.sides import SIDES

GROUPS: dict[str, ModuleType] = {
    "verify": verify,
    "calls": calls,
    "opaque": opaque,
    "login": login,
    "register": register,
    "footprint": footprint,
}
ROOT = Path(__file__).resolve().parent.parent


@click.command()
@click.option("--quick", is_flag=True, help="A short form with few rounds; draws no picture.")
@click.option("--only", type=click.Choice(list(GROUPS)), multiple=True, help="Measure these groups only; draws no picture.")
@click.option("--sides", default=",".join(SIDES), show_default=True, help="Sides to measure.")
def main(quick: bool, only: tuple[str, ...], sides: str) -> None:
    """Measure Vestibule and the public fastmcp's bridge side by side."""
    logging.disable(logging.WARNING)
    begin = time.monotonic()
    rows = asyncio.run(_measure(quick, only or tuple(GROUPS), tuple(sides.split(","))))
    outcome = report.Outcome.of(rows, quick=quick, seconds=time.monotonic() - begin)
    report.print_table(outcome)
    report.write_json(outcome, ROOT / "artifacts" / "benchmark.json")
    if not quick and not only and set(sides.split(",")) == set(SIDES):
        report.draw(outcome, ROOT / "docs" / "images" / "benchmark.svg")


async def _measure(quick: bool, groups: tuple[str, ...], sides: tuple[str, ...]) -> list[Row]:
    rows: list[Row] = []
    with start("benchmarks.upstream", probe="/requests") as upstream:
        context = Context(quick=quick, sides=sides, upstream=upstream)
        for name in groups:
            with fresh_home():
                rows += await GROUPS[name].run(context)
    return rows
