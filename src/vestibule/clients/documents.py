"""Clients that publish a metadata document, whose URL is their id (OAuth Client ID Metadata Document).

A document is somebody else's web page: it is fetched through the guard, kept for as long as its headers say, and asked for once
however many requests wait for it. Trouble on the way is told apart from a "no" of the publisher: the first leaves the last good
copy in use, the second ends it at once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from vestibule import reasons
from vestibule.clients.model import Client
from vestibule.clients.pinned import PINNED_DOCUMENTS
from vestibule.clock import Clock
from vestibule.errors import OAuthError, Unavailable
from vestibule.net.cache import TTLCache, http_freshness
from vestibule.net.exchange import FetchFailed, FetchForbidden, FetchResult
from vestibule.net.fetch import Fetcher
from vestibule.net.single_flight import SingleFlight
from vestibule.protocol.client_documents import check_client_id_url, parse_client_document
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.redirect_uris import AllowedRedirectURIs

__all__ = ["ClientDocuments"]

_log = logging.getLogger("vestibule.clients")

_MAX_BYTES: Final = 5 * 1024  # draft-ietf-oauth-client-id-metadata-document §6.6
_TIMEOUT: Final = 5.0
_DEFAULT_FRESH: Final = 300.0
_MAX_FRESH: Final = 24 * 3600.0
_KEEP: Final = 24 * 3600.0  # how long after its freshness a copy may stand in
_STAND_IN: Final = 60.0  # how long it does so before the next attempt
_TRIES: Final = 2  # failed attempts before a pause: whoever mends a document at once is served at once
_PAUSE: Final = 5.0
_MAX_FETCHES: Final = 64
_TROUBLE: Final = frozenset({403, 408, 429})  # 403: what edges answer to machines they distrust


@dataclass(frozen=True, slots=True)
class _Copy:
    client: Client
    fresh_until: float
    kept_until: float


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a document could not be fetched.

    Attributes:
        detail: for the log.
        passing: it may be there all the same; otherwise the publisher says that it is not.
        count: of such failures in a row.
    """

    detail: str
    passing: bool
    count: int = 1


class _UnreachableError(Exception):
    """The document could not be fetched."""

    def __init__(self, failure: _Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class ClientDocuments:
    """Finds clients by the URL of their document.

    Args:
        fetcher: the guarded one.
        clock: the time.
        on_loopback: whether this server's own issuer is on a loopback address; only then may a document be (draft §8.6).
        allowed: the operator's rule for redirect URIs; others are left out of a document.
        pinned: copies for documents that cannot be fetched.
        max_documents: how many documents are remembered, the least recently used go first.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        clock: Clock,
        *,
        on_loopback: bool = False,
        allowed: AllowedRedirectURIs | None = None,
        pinned: Mapping[str, ClientMetadata] = PINNED_DOCUMENTS,
        max_documents: int = 1000,
    ) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._on_loopback = on_loopback
        self._allowed = allowed
        self._pinned = pinned
        self._copies: TTLCache[str, _Copy] = TTLCache(max_documents, clock)
        self._failures: TTLCache[str, _Failure] = TTLCache(max_documents, clock)
        self._flights: SingleFlight[str, Client] = SingleFlight()
        self._fetching = 0

    async def find(self, client_id: str) -> Client:
        """The client whose document is at `client_id`.

        Raises:
            OAuthError: ``invalid_client``: the URL is not one a client may use, there is no document, or it is not valid.
            Unavailable: it cannot be fetched right now, and there is no copy.
        """
        check_client_id_url(client_id, allow_loopback_http=self._on_loopback)
        copy = self._copies.get(client_id)
        if copy is not None and self._clock.now() < copy.fresh_until:
            return copy.client
        return await self._flights.share(client_id, lambda: self._renewed(client_id))

    async def _renewed(self, client_id: str) -> Client:
        """The client as its document says now; a copy where the document is out of reach."""
        try:
            result = await self._fetch(client_id)
        except _UnreachableError as error:
            return self._stand_in(client_id, error.failure)
        try:
            metadata = parse_client_document(client_id, result.body, allowed=self._allowed)
        except OAuthError:
            self._copies.discard(client_id)  # never cached, so that a corrected document is seen at once
            raise
        client = Client(client_id=client_id, kind="document", metadata=metadata)
        fresh_until = self._clock.now() + http_freshness(result.headers, _DEFAULT_FRESH, 0.0, _MAX_FRESH)
        self._keep(_Copy(client, fresh_until, fresh_until + _KEEP))
        return client

    async def _fetch(self, client_id: str) -> FetchResult:
        before = self._failures.get(client_id)
        if before is not None and before.count >= _TRIES:
            raise _UnreachableError(before)
        try:
            result = await self._ask(client_id)
        except (FetchFailed, FetchForbidden, _UnreachableError) as error:
            failure = replace(_failure(error), count=before.count + 1 if before else 1)
            self._failures.put(client_id, failure, _PAUSE)
            raise _UnreachableError(failure) from error
        self._failures.discard(client_id)
        return result

    async def _ask(self, client_id: str) -> FetchResult:
        """The answer, if it is a document. Slow servers hold a bounded number of fetches."""
        if self._fetching >= _MAX_FETCHES:
            raise _UnreachableError(_Failure("too many fetches at once", passing=True))
        self._fetching += 1
        try:
            result = await self._fetcher.get(client_id, max_bytes=_MAX_BYTES, timeout=_TIMEOUT)
        finally:
            self._fetching -= 1
        _check_status(result.status)
        return result

    def _stand_in(self, client_id: str, failure: _Failure) -> Client:
        """The last good copy, or the pinned one, for a document that is out of reach but not withdrawn."""
        if not failure.passing:
            self._copies.discard(client_id)
            raise OAuthError("invalid_client", reasons.CLIENT_DOCUMENT_UNREACHABLE, failure.detail, status=401)
        client, kept_until = self._copy_of(client_id, failure)
        _log.warning("the metadata document %r cannot be fetched (%s): a copy stands in", client_id, failure.detail)
        self._keep(_Copy(client, self._clock.now() + _STAND_IN, kept_until))
        return client

    def _copy_of(self, client_id: str, failure: _Failure) -> tuple[Client, float]:
        if copy := self._copies.get(client_id):
            return copy.client, copy.kept_until
        if metadata := self._pinned.get(client_id):
            return Client(client_id=client_id, kind="document", metadata=metadata), self._clock.now() + _STAND_IN
        raise Unavailable(reasons.CLIENT_DOCUMENT_UNREACHABLE, failure.detail, retry_after=int(_PAUSE))

    def _keep(self, copy: _Copy) -> None:
        self._copies.put(copy.client.client_id, copy, copy.kept_until - self._clock.now())


def _check_status(status: int) -> None:
    """Only 200 brings a document (draft-02 §5); redirects are not followed."""
    if status != 200:
        raise _UnreachableError(_Failure(f"its server answered {status}", passing=status in _TROUBLE or status >= 500))


def _failure(error: FetchFailed | FetchForbidden | _UnreachableError) -> _Failure:
    if isinstance(error, _UnreachableError):
        return error.failure
    return _Failure(error.detail, passing=isinstance(error, FetchFailed))
