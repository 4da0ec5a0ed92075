"""A brake on guessing client secrets (RFC 6749 §2.3.1)."""

from __future__ import annotations

import math
from typing import Final

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import OAuthError
from vestibule.net.cache import TTLCache

__all__ = ["FailureThrottle"]

_FREE_FAILURES: Final = 10
_PAUSE: Final = 30.0
_MAX_CLIENTS: Final = 1024


class FailureThrottle:
    """Counts wrong secrets per client, within bounded memory.

    It slows down whoever is wrong and never whoever is right: a client id is public, and anybody who could lock a client out by
    wrong guesses would. So it is asked after the secret was compared, and only about a wrong one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: TTLCache[str, tuple[int, float]] = TTLCache(_MAX_CLIENTS, clock)

    def count_failure(self, client_id: str) -> None:
        """Remember a wrong secret; the count is forgotten after a pause.

        Raises:
            OAuthError: status 429 with ``Retry-After``, once there were too many.
        """
        count, until = self._failures.get(client_id) or (0, 0.0)
        if count < _FREE_FAILURES:
            until = self._clock.now() + _PAUSE
        self._failures.put(client_id, (count + 1, until), until - self._clock.now())
        if count >= _FREE_FAILURES:
            wait = str(max(1, math.ceil(until - self._clock.now())))
            raise OAuthError("invalid_client", reasons.CLIENT_THROTTLED, status=429, headers={"Retry-After": wait})
