"""What it costs to have it: import time in a fresh interpreter, memory of an idle protected server."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

from benchmarks.context import Context
from benchmarks.login import start_server
from benchmarks.rows import Row, series
from benchmarks.timing import rounds

IMPORTS = {
    "ours": "from vestibule import OIDCProxy",
    "peer": "from fastmcp.server.auth.oidc_proxy import OIDCProxy",
}
TIMED = "import time; begin = time.perf_counter_ns(); {statement}; print(time.perf_counter_ns() - begin)"


async def run(context: Context) -> list[Row]:
    return [_import_time(context), _idle_memory(context)]


def _import_time(context: Context) -> Row:
    took: dict[str, list[float]] = {side: [] for side in context.sides}
    for side in context.sides:
        _import_ms(side)  # byte code is compiled once per installation
    for side in rounds(context.pick(11, 5), context.sides, "import"):
        took[side].append(_import_ms(side))
    row = Row("import", "import of a bridge", "ms", series(took))
    row.target = "≤ 250 ms"
    ours = row.measured.get("ours")
    return row.judge("ours", lambda milliseconds: milliseconds <= 250, ours.median if ours else None)


def _import_ms(side: str) -> float:
    command = [sys.executable, "-c", TIMED.format(statement=IMPORTS[side])]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1e6


def _idle_memory(context: Context) -> Row:
    used: dict[str, list[float]] = {side: [] for side in ("none", *context.sides)}
    for side in rounds(context.pick(3, 1), tuple(used), "memory of an idle server"):
        with ExitStack() as stack:
            server = stack.enter_context(start_server(side, context))
            used[side].append(server.usage().rss / 2**20)
    row = Row("memory", "memory of an idle server", "MiB", series(used))
    row.note = f"FastMCP host; without auth {row.measured['none'].median:.0f} MiB"
    return row
