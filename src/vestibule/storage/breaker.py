"""One way of using a store, reading or writing: what became of it, and a pause where it does not answer.

A server that is gone says so at once. One that is frozen says nothing, and every request would wait until its verb is given up: requests
would pile up for as long as it lasts. So after a verb that failed slowly no other is tried for a moment, and then one at a time, until one
is answered. A trial that is never answered does not stand in the way of the next for long: not every store gives up by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, ParamSpec, TypeVar

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.condition import Condition
from vestibule.errors import Unavailable
from vestibule.storage.protocol import RecordBusy

__all__ = ["PAUSE_SECONDS", "SLOW_SECONDS", "TRIAL_SECONDS", "Breaker"]

SLOW_SECONDS: Final = 0.5
"""A verb that takes so long and fails is not tried by everyone."""

PAUSE_SECONDS: Final = 2
"""How long nobody tries after it."""

TRIAL_SECONDS: Final = 10
"""How long the others wait for the one who tries."""

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


class Breaker:
    """Lets verbs through to a store while that makes sense.

    Args:
        clock: the time.

    Attributes:
        condition: whether the verbs work.
    """

    def __init__(self, clock: Clock) -> None:
        self.condition = Condition()
        self._clock = clock
        self._failed_slowly_at: float | None = None
        self._tried_at: float | None = None

    async def ask(self, verb: Callable[_Given, Awaitable[_Answer]], *arguments: _Given.args, **named: _Given.kwargs) -> _Answer:
        """What the verb answers.

        Raises:
            Unavailable: the store fails, or did so slowly a moment ago.
        """
        trial = self._admitted()
        began = self._clock.now()
        try:
            answer = await verb(*arguments, **named)
        except RecordBusy:
            raise  # the store has answered
        except Unavailable as error:
            self._failed(error, began)
            raise
        finally:
            if trial is not None and trial == self._tried_at:
                self._tried_at = None
        self._failed_slowly_at = None
        if answer is not False:  # a write whose condition did not hold wrote nothing, and tells nothing about writing
            self.condition.works(self._clock.now())
        return answer

    def _admitted(self) -> float | None:
        """When this verb is the one that is tried: since when it is; None: nothing is wrong.

        Raises:
            Unavailable: it is not this one's turn.
        """
        if self._failed_slowly_at is None:
            return None
        if self._is_within(PAUSE_SECONDS, self._failed_slowly_at) or self._is_within(TRIAL_SECONDS, self._tried_at):
            raise Unavailable(reasons.STORE_UNAVAILABLE, "it did not answer a moment ago")
        self._tried_at = self._clock.now()
        return self._tried_at

    def _is_within(self, seconds: float, since: float | None) -> bool:
        return since is not None and 0 <= self._clock.now() - since < seconds

    def _failed(self, error: Unavailable, began: float) -> None:
        now = self._clock.now()
        self.condition.fails(now, error.reason)
        self._failed_slowly_at = now if now - began >= SLOW_SECONDS else None
