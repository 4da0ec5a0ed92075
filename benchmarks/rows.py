"""One row of the table: what was measured on each side, and what follows from it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["Row", "Series", "difference", "ratio", "series"]


@dataclass(frozen=True, slots=True)
class Series:
    """The same thing measured round by round."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Series:
        return cls(tuple(values))

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median; 0 for a single round."""
        if len(self.values) < 2 or not self.median:
            return 0.0
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return (high - low) / 2 / self.median


def series(took: Mapping[str, Sequence[float]]) -> dict[str, Series]:
    """What each side took, as series."""
    return {side: Series.of(values) for side, values in took.items()}


def ratio(above: Series, below: Series) -> float:
    """Median of the ratios of rounds that ran one after the other: what disturbs a whole round falls out."""
    return statistics.median(a / b for a, b in zip(above.values, below.values, strict=True))


def difference(more: Series, less: Series) -> float:
    """Median of the differences of rounds that ran one after the other."""
    return statistics.median(a - b for a, b in zip(more.values, less.values, strict=True))


@dataclass(slots=True)
class Row:
    """A line of the table.

    ``measured`` maps "ours", "peer" and, where there is one, "none" (no authentication) to its series; ``better`` says which
    direction is good; ``reached`` judges ``target``, or is None when there is nothing to judge. ``drawn`` rows are in the picture.
    """

    key: str
    title: str
    unit: str
    measured: dict[str, Series]
    better: Literal["lower", "higher"] = "lower"
    target: str = ""
    reached: bool | None = None
    note: str = ""
    drawn: bool = True
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def times_better(self) -> float | None:
        """How many times better we are than the peer; None with one side only, or where a side did nothing at all."""
        ours, peer = self.measured.get("ours"), self.measured.get("peer")
        if ours is None or peer is None or 0 in (*ours.values, *peer.values):
            return None
        if len(ours.values) != len(peer.values):
            return peer.median / ours.median if self.better == "lower" else ours.median / peer.median
        return ratio(peer, ours) if self.better == "lower" else ratio(ours, peer)

    def judge(self, side: str, holds: Callable[[float], bool], value: float | None) -> Row:
        """Set ``reached`` where ``side`` and ``value`` were measured."""
        if side in self.measured and value is not None:
            self.reached = holds(value)
        return self

    def as_dict(self) -> dict[str, Any]:
        measured = {
            side: {"median": values.median, "spread": values.spread, "rounds": list(values.values)}
            for side, values in self.measured.items()
        }
        return asdict(self) | {"measured": measured, "times_better": self.times_better}
