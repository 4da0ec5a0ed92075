"""Whether something that this server depends on works, and since when."""

from __future__ import annotations

from dataclasses import dataclass

from vestibule.reasons import Reason

__all__ = ["Condition"]


@dataclass(slots=True)
class Condition:
    """What the last uses of a dependency told.

    Attributes:
        worked_at: when it last worked, seconds since the epoch; None: not yet.
        failing_since: when the first of the failures since then was; None: it works, or was never used.
        reason: of the last failure.
    """

    worked_at: float | None = None
    failing_since: float | None = None
    reason: Reason | None = None

    def works(self, now: float) -> None:
        """It was used, and worked."""
        self.worked_at, self.failing_since, self.reason = now, None, None

    def fails(self, now: float, reason: Reason) -> None:
        """It was used, and did not work."""
        if self.failing_since is None:
            self.failing_since = now
        self.reason = reason
