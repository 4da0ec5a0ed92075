"""The long form: ``SOAK_SECONDS=300 python -m tests.scale [sqlite redis postgres]``; exit status 1 if anything cannot be explained."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter

from rich.console import Console
from rich.table import Table
from tests.scale.deployment import Plan
from tests.scale.run import Report, run
from tests.scale.stores import KINDS

_SHOWN, _TRACED = 20, 400


def main() -> None:
    console = Console(soft_wrap=True)
    seconds = float(os.environ.get("SOAK_SECONDS", "300"))
    users = int(os.environ.get("SOAK_USERS", "300"))
    seed = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1_000_000))
    reports: dict[str, Report] = {}
    for store in sys.argv[1:] or KINDS:
        console.print(f"{store}: {users} users for {seconds:.0f} s, SOAK_SEED={seed}")
        reports[store] = run(Plan(store=store, seconds=seconds, users=users, seed=seed))
        for complaint in reports[store].complaints[:_SHOWN]:
            console.print(f"  {complaint}", markup=False)
        for line in reports[store].traces[:_TRACED]:
            console.print(f"    {line}", markup=False, highlight=False)
    console.print(_table(reports))
    broken = {store: len(report.complaints) for store, report in reports.items() if report.complaints}
    console.print(f"what cannot be explained: {broken or 'nothing'}")
    sys.exit(1 if broken else 0)


def _table(reports: dict[str, Report]) -> Table:
    table = Table("", *reports)
    names = dict.fromkeys(name for report in reports.values() for name in report.counts)
    for name in sorted(names):
        table.add_row(name, *(f"{Counter(report.counts)[name]:,}" for report in reports.values()))
    return table


if __name__ == "__main__":
    main()
