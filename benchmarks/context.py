"""What a run is told, and what its row groups share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Running


@dataclass(frozen=True, slots=True)
class Context:
    """Length of the run, sides to measure, the stand-in provider's URL."""

    quick: bool
    sides: tuple[str, ...]
    upstream: Running

    def pick(self, full: int, quick: int) -> int:
        """One of two sizes."""
        return quick if self.quick else full


@contextmanager
def fresh_home() -> Iterator[Path]:
    """An empty state directory for both sides, in force for this process and those it starts."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as home:
        os.environ["VESTIBULE_HOME"] = f"{home}/ours"
        os.environ["FASTMCP_HOME"] = f"{home}/peer"
        os.environ["FASTMCP_LOG_LEVEL"] = "ERROR"
        yield Path(home)
