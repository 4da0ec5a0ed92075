"""What a provider said about a token, remembered for a short time and asked for once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import TokenRejected, Unavailable
from vestibule.events import Event, emit
from vestibule.net.cache import TTLCache
from vestibule.net.exchange import FetchResult
from vestibule.net.single_flight import SingleFlight
from vestibule.protocol.json_documents import read_json_object

__all__ = ["Answers", "credentials_refused", "no_answer", "read_answer"]

_MAX_TOKEN: Final = 16 * 1024
_B64TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 §2.1

Claims = Mapping[str, Any]


class Answers:
    """Yes-answers by token. A "no" is not kept: it would let anybody push out the yes-answers of others.

    Args:
        clock: the time.
        ttl: seconds to keep an answer, never beyond the token's ``exp``; 0 asks each time.
        max_size: how many are kept; the least recently used go first.
    """

    def __init__(self, clock: Clock, ttl: float, max_size: int) -> None:
        self._clock = clock
        self._ttl = ttl
        self._answers: TTLCache[bytes, Claims] = TTLCache(max_size, clock)
        self._flight: SingleFlight[bytes, Claims] = SingleFlight()

    async def about(self, token: str, ask: Callable[[], Coroutine[Any, Any, Claims]]) -> Claims:
        """The remembered answer about `token`, or the one that `ask` brings, asked once for all who wait for it.

        Raises:
            TokenRejected: it cannot be a token, or `ask` says so.
            Unavailable: `ask` says so.
        """
        key = _digest(token)
        known = self._answers.get(key)
        return known if known is not None else await self._flight.share(key, lambda: self._asked(key, ask))

    async def _asked(self, key: bytes, ask: Callable[[], Coroutine[Any, Any, Claims]]) -> Claims:
        claims = await ask()
        expires_at = claims.get("exp")
        life = self._ttl if expires_at is None else min(self._ttl, expires_at - self._clock.now())
        self._answers.put(key, claims, life)
        return claims


def read_answer(result: FetchResult) -> dict[str, Any]:
    """The JSON object of an answer with status 200.

    Raises:
        Unavailable: it is none. What cannot be read is not a "no".
    """
    if result.status != 200:
        raise no_answer(f"status {result.status}")
    try:
        return read_json_object(result.body)
    except ValueError as error:
        raise Unavailable(reasons.UPSTREAM_ANSWER, str(error)) from None


def no_answer(detail: str) -> Unavailable:
    """The provider did not say yes or no."""
    return Unavailable(reasons.UPSTREAM_UNAVAILABLE, detail)


def credentials_refused(detail: str) -> Unavailable:
    """The provider refuses this server, not the token: a matter for the operator, who is told."""
    emit(Event(name="operator", reason=reasons.UPSTREAM_CREDENTIALS.code, detail=detail))
    return Unavailable(reasons.UPSTREAM_CREDENTIALS, detail)


def _digest(token: str) -> bytes:
    """The whole token's digest: no two tokens ever share an answer."""
    if len(token) > _MAX_TOKEN:
        raise TokenRejected(reasons.TOKEN_TOO_LARGE)
    if _B64TOKEN.fullmatch(token) is None:
        raise TokenRejected(reasons.TOKEN_MALFORMED)
    return hashlib.sha256(token.encode("ascii")).digest()
