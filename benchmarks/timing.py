"""How a round is timed: no garbage collection in between, the sides in turn."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence

from rich.progress import track

__all__ = ["quiet", "rounds"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Collect the garbage of what went before, then keep the collector out of the measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def rounds(count: int, sides: Sequence[str], title: str) -> Iterator[str]:
    """Every side once per round, there and back: neighbours stay neighbours, and no side always goes first."""
    for number in track(range(count), description=f"{title:<34}", transient=True):
        yield from sides if number % 2 == 0 else reversed(sides)
