"""One fetch: what it may cost, what comes out, how it can fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import VestibuleError

if TYPE_CHECKING:
    import httpx2

__all__ = ["FetchFailed", "FetchForbidden", "FetchResult", "Limits"]


class FetchForbidden(VestibuleError):
    """The URL must not be fetched; trying again will not help."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(reasons.FETCH_FORBIDDEN, detail)


class FetchFailed(VestibuleError):
    """The URL could not be fetched, or its answer cannot be used; another try may succeed."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(reasons.FETCH_FAILED, detail)


@dataclass(frozen=True, slots=True)
class FetchResult:
    """An answer, whatever its status.

    Attributes:
        status: HTTP status.
        headers: names in any case.
        body: decoded and complete; empty where only the status matters.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Limits:
    """How much and how long one fetch may be, all its parts together."""

    def __init__(self, clock: Clock, max_bytes: int, seconds: float) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._deadline = clock.now() + seconds
        self.seconds = seconds

    async def read(self, response: httpx2.Response) -> bytes:
        """The body.

        Raises:
            FetchFailed: a limit is passed.
        """
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._max_bytes:
                raise FetchFailed(f"larger than {self._max_bytes} bytes")
            if self._clock.now() > self._deadline:
                raise FetchFailed(f"took longer than {self.seconds:g} s")
        return bytes(body)
