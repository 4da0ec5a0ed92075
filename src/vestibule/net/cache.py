"""A bounded memory with an end to each entry, and how long an HTTP answer says that it stays true."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar

from vestibule.clock import Clock

__all__ = ["TTLCache", "http_freshness"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TTLCache(Generic[K, V]):
    """Keeps at most `max_size` entries, each until its time is over; the least recently used go first.

    Args:
        max_size: how many entries are kept; 0 keeps none.
        clock: the time.
    """

    def __init__(self, max_size: int, clock: Clock) -> None:
        self._max_size = max_size
        self._clock = clock
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value, or None if it is not there or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires_at, value = entry
        if expires_at <= self._clock.now():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V, ttl: float) -> None:
        """Keep a value for `ttl` seconds. One that is over at once is not kept, and ends what was kept before."""
        if ttl <= 0:
            self.discard(key)
            return
        self._entries[key] = (self._clock.now() + ttl, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_size:
            self._entries.popitem(last=False)

    def discard(self, key: K) -> None:
        """Forget a value, if it is there."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


def http_freshness(headers: Mapping[str, str], default: float, minimum: float, maximum: float) -> float:
    """For how many seconds an answer is fresh (RFC 9111 §4.2), within bounds of ours.

    Args:
        headers: the answer's headers; names in lower case, or a mapping that does not mind.
        default: where the headers say nothing that can be used.
        minimum: the least, also for ``no-store`` and ``no-cache``: a floor on how often we ask.
        maximum: the most.
    """
    directives = _cache_directives(headers.get("cache-control", ""))
    if "no-store" in directives or "no-cache" in directives:
        lifetime: float | None = 0.0
    elif "max-age" in directives:
        lifetime = _seconds(directives["max-age"])
    else:
        lifetime = _until_expires(headers)
    if lifetime is None:
        return min(max(default, minimum), maximum)
    return min(max(lifetime - (_seconds(headers.get("age", "")) or 0.0), minimum), maximum)


def _cache_directives(value: str) -> dict[str, str]:
    pairs = (item.strip().partition("=") for item in value.split(","))
    return {name.strip().lower(): argument.strip().strip('"') for name, _, argument in pairs}


def _seconds(text: str) -> float | None:
    # Delta-seconds are ASCII digits only (RFC 9111 §1.2.2); ten of them are more than any bound.
    text = text.strip()
    return float(text[:10]) if text.isascii() and text.isdigit() else None


def _until_expires(headers: Mapping[str, str]) -> float | None:
    if "expires" not in headers:
        return None
    try:
        expires, sent = (parsedate_to_datetime(headers[name]) for name in ("expires", "date"))
        return max(0.0, (expires - sent).total_seconds())
    except KeyError:
        return None
    except (ValueError, TypeError):
        return 0.0  # a date that cannot be read means "already over" (RFC 9111 §5.3)
