"""A provider's key set (RFC 7517 §5), kept at hand.

Nothing is fetched before the first token comes, so that a server starts while its provider is down. After that a request waits
for the network only if the set has not been looked at for long, or names a key that is not in it.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Final, Protocol

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import ConfigurationError, Unavailable
from vestibule.keys.jwt import JWTKeySet
from vestibule.net.cache import http_freshness
from vestibule.net.exchange import FetchFailed, FetchForbidden, FetchResult
from vestibule.net.single_flight import SingleFlight
from vestibule.protocol.json_documents import read_json_object

__all__ = ["JWKSCache", "JWKSSource"]

_log = logging.getLogger("vestibule.jwks")

_MAX_BYTES: Final = 512 * 1024
_TIMEOUT: Final = 10.0
_DEFAULT_FRESH: Final = 600.0
_MAX_FRESH: Final = 3600.0  # so long may a key that was withdrawn still count
_BACKGROUND: Final = 300.0  # how long after its freshness the set still serves while it is renewed
_KEEP: Final = 24 * 3600.0  # how long it does while it cannot be renewed
_PAUSE: Final = 5.0  # after a failed attempt
_ACCEPT: Final = "application/jwk-set+json, application/json"


class JWKSSource(Protocol):
    """What fetches: a :class:`~vestibule.net.fetch.Fetcher` or a :class:`~vestibule.net.trusted.TrustedClient`."""

    async def get(self, url: str, *, max_bytes: int, timeout: float, accept: str = ...) -> FetchResult:  # noqa: ASYNC109
        """The answer, whatever its status."""
        ...


@dataclass(frozen=True, slots=True)
class _Copy:
    keys: JWTKeySet
    fresh_until: float


class JWKSCache:
    """The keys at one URL.

    Args:
        uri: where the key set is.
        source: fetches it.
        clock: the time.
        refresh_interval: seconds between two fetches that unknown key ids cause; anybody can make such ids up.

    Raises:
        ConfigurationError: `refresh_interval` is negative or infinite.
    """

    def __init__(self, uri: str, source: JWKSSource, clock: Clock, refresh_interval: float = 30.0) -> None:
        if not math.isfinite(refresh_interval) or refresh_interval < 0:
            raise ConfigurationError("jwks_refresh_interval is a number of seconds, 0 or more.")
        self._uri = uri
        self._source = source
        self._clock = clock
        self._refresh_interval = refresh_interval
        self._copy: _Copy | None = None
        self._searched_at = -math.inf
        self._trouble: tuple[float, str] | None = None
        self._flight: SingleFlight[str, JWTKeySet] = SingleFlight()

    async def keys_for(self, kid: str | None) -> JWTKeySet:
        """The key set to check a token with.

        Args:
            kid: the key id that the token names, if it does.

        Raises:
            Unavailable: the keys cannot be had right now.
            FetchForbidden: they must not be fetched from there.
        """
        copy, now = self._copy, self._clock.now()
        if copy is None or now >= copy.fresh_until + _BACKGROUND:
            return await self._renewed_or_kept()
        if kid is not None and not copy.keys.knows(kid):
            return await self._searched(copy)
        if now >= copy.fresh_until:
            self._flight.start(self._uri, self._renewed)
        return copy.keys

    async def _searched(self, copy: _Copy) -> JWTKeySet:
        """The set after a look whether the unknown key is new. That it cannot be looked at says nothing against the token."""
        if self._clock.now() >= self._searched_at + self._refresh_interval:
            self._searched_at = self._clock.now()
            return await self._flight.share(self._uri, self._renewed)
        self._check_pause()
        return copy.keys

    async def _renewed_or_kept(self) -> JWTKeySet:
        try:
            return await self._flight.share(self._uri, self._renewed)
        except (Unavailable, FetchForbidden):
            if self._copy is None or self._clock.now() >= self._copy.fresh_until + _KEEP:
                raise
            return self._copy.keys

    async def _renewed(self) -> JWTKeySet:
        self._check_pause()
        try:
            result = await self._source.get(self._uri, max_bytes=_MAX_BYTES, timeout=_TIMEOUT, accept=_ACCEPT)
            keys = _read_key_set(result)
        except (Unavailable, FetchFailed) as error:
            raise self._failure(error.detail) from error
        self._trouble = None
        lifetime = http_freshness(
            result.headers, _DEFAULT_FRESH, self._refresh_interval, max(_MAX_FRESH, self._refresh_interval)
        )
        self._copy = _Copy(keys, self._clock.now() + lifetime)
        return keys

    def _check_pause(self) -> None:
        if self._trouble is not None and self._clock.now() < self._trouble[0] + _PAUSE:
            raise _unavailable(self._trouble[1])

    def _failure(self, detail: str) -> Unavailable:
        self._trouble = (self._clock.now(), detail)
        _log.warning("the key set %s cannot be fetched: %s", self._uri, detail)
        return _unavailable(detail)


def _read_key_set(result: FetchResult) -> JWTKeySet:
    if result.status != 200:
        raise FetchFailed(f"status {result.status}")
    try:
        document = read_json_object(result.body)
    except ValueError as error:
        raise FetchFailed(f"not a key set: {error}") from None
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise FetchFailed("not a key set")
    keys = JWTKeySet.from_jwks(document)
    if len(keys) < len(listed):
        _log.info(
            "%d of %d published keys cannot be used for signatures and are left out", len(listed) - len(keys), len(listed)
        )
    return keys


def _unavailable(detail: str) -> Unavailable:
    return Unavailable(reasons.UPSTREAM_UNAVAILABLE, f"key set: {detail}", retry_after=int(_PAUSE))
