"""Client authentication by a signed assertion: ``private_key_jwt`` (RFC 7523 §2.2, §3; OpenID Connect Core §9)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

from vestibule import reasons
from vestibule.clients.model import Client
from vestibule.clock import Clock
from vestibule.errors import OAuthError, TokenRejected
from vestibule.keys import base64url
from vestibule.keys.jwt import JWTKeySet, check_times, check_type, decode, peek_header
from vestibule.net.cache import TTLCache
from vestibule.net.exchange import FetchFailed, FetchForbidden, FetchResult
from vestibule.net.fetch import Fetcher
from vestibule.net.jwks import JWKSCache
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.json_documents import read_json_object
from vestibule.protocol.resource_indicators import same_resource
from vestibule.protocol.server_metadata import CLIENT_SIGNING_ALGORITHMS

__all__ = ["ASSERTION_TYPE", "AssertionCheck", "ClientKeys", "Spend", "named_client"]

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_LEEWAY: Final = 60.0
_MAX_LIFE: Final = 600.0  # common clients sign for 1 to 10 minutes; longer ones would be remembered longer (RFC 7523 §3 rule 4)
_TYPES: Final = ("", "jwt", "client-authentication+jwt")
_MAX_BYTES: Final = 16 * 1024
_MAX_JTI: Final = 512
_MAX_KEY_SETS: Final = 256
_MAX_FETCHES: Final = 32  # with those of documents fewer than the connections there are: neither can keep the other waiting

Spend = Callable[[str, str, float], Awaitable[bool]]
"""Takes kind, id and seconds; tells whether this was the first time."""


class ClientKeys:
    """The public keys of clients, wherever they are: in the metadata, or at a URL that is fetched through the guard.

    Key sets from URLs are remembered, the least recently used go first: naming many costs no memory.
    """

    def __init__(self, fetcher: Fetcher, clock: Clock) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._remote: TTLCache[str, JWKSCache] = TTLCache(_MAX_KEY_SETS, clock)
        self._fetching = 0

    async def keys_for(self, metadata: ClientMetadata, kid: str | None) -> JWTKeySet:
        """The keys that may have signed.

        Raises:
            OAuthError: ``invalid_client``, if there is no address of keys, or a forbidden one.
            Unavailable: the keys cannot be fetched right now.
        """
        if metadata.jwks is not None:
            return JWTKeySet.from_jwks(metadata.jwks)
        if metadata.jwks_uri is None:
            raise _refused("the client has no keys")
        try:
            return await self._remote_keys(metadata.jwks_uri).keys_for(kid)
        except FetchForbidden as error:
            raise _refused(f"its jwks_uri must not be fetched: {error.detail}") from error

    async def get(self, url: str, *, max_bytes: int, timeout: float, accept: str = "application/json") -> FetchResult:  # noqa: ASYNC109
        """Fetch a key set. Slow servers, which anybody can name, hold a bounded number of fetches.

        Raises:
            FetchFailed: there are too many already, or as the fetcher says.
            FetchForbidden: as the fetcher says.
        """
        if self._fetching >= _MAX_FETCHES:
            raise FetchFailed("too many fetches at once")
        self._fetching += 1
        try:
            return await self._fetcher.get(url, max_bytes=max_bytes, timeout=timeout, accept=accept)
        finally:
            self._fetching -= 1

    def _remote_keys(self, uri: str) -> JWKSCache:
        keys = self._remote.get(uri)
        if keys is None:
            keys = JWKSCache(uri, self, self._clock)
            self._remote.put(uri, keys, 24 * 3600.0)
        return keys


class AssertionCheck:
    """Checks that an assertion was signed by the client, for this server, just now, and is seen for the first time.

    Args:
        audiences: what the assertion may be addressed to, the issuer first.
        spend: claims an id once, for every process of this server.
        keys: finds the clients' keys.
        clock: the time.
    """

    def __init__(self, *, audiences: Collection[str], spend: Spend, keys: ClientKeys, clock: Clock) -> None:
        self._audiences = tuple(audiences)
        self._spend = spend
        self._keys = keys
        self._clock = clock

    async def check(self, client: Client, assertion: str, *, spend: bool = True) -> None:
        """Check everything, the single use last: an assertion that is not the client's own must not burn an id.

        Args:
            client: whose assertion it has to be.
            assertion: the JWT.
            spend: whether it counts as used by this.

        Raises:
            OAuthError: ``invalid_client`` with what is wrong.
            Unavailable: keys or store do not answer.
        """
        claims = await self._verified(client, assertion)
        _check_subject(claims, client)
        self._check_audience(claims)
        _check_life(claims, self._clock.now())
        jti = _read_jti(claims)
        if spend:
            await self._check_first_use(client, jti, claims["exp"])

    async def _verified(self, client: Client, assertion: str) -> dict[str, Any]:
        registered = client.metadata.token_endpoint_auth_signing_alg
        algorithms = [name for name in CLIENT_SIGNING_ALGORITHMS if registered in (None, name)]
        kid = (peek_header(assertion) or {}).get("kid")
        keys = await self._keys.keys_for(client.metadata, kid if isinstance(kid, str) else None)
        try:
            header, claims = decode(assertion, keys, algorithms=algorithms, max_bytes=_MAX_BYTES)
            check_type(header, _TYPES)
            check_times(claims, self._clock.now(), _LEEWAY)
        except TokenRejected as error:
            raise _refused(error.reason.code) from error
        return claims

    def _check_audience(self, claims: dict[str, Any]) -> None:
        """One audience, this server: an assertion that is also good elsewhere could be brought here from there."""
        audience = claims.get("aud")
        if isinstance(audience, list) and len(audience) == 1:
            audience = audience[0]
        if not isinstance(audience, str) or not any(same_resource(audience, own) for own in self._audiences):
            raise _refused("aud is not this issuer alone")

    async def _check_first_use(self, client: Client, jti: str, expires_at: float) -> None:
        digest = hashlib.sha256(f"{client.client_id}\n{jti}".encode("utf-8", "surrogatepass")).digest()
        remember = expires_at + _LEEWAY - self._clock.now()
        if not await self._spend("assertion", base64url.encode(digest), remember):
            raise OAuthError("invalid_client", reasons.ASSERTION_REPLAYED, status=401)


def named_client(assertion: str) -> str | None:
    """The client an assertion claims to be from, unverified: it only tells whose keys to try (RFC 7521 §4.2)."""
    segments = assertion.split(".") if len(assertion) <= _MAX_BYTES else []
    payload = base64url.decode(segments[1]) if len(segments) == 3 else None
    try:
        subject = read_json_object(payload or b"").get("sub")
    except ValueError:
        return None
    return subject if isinstance(subject, str) else None


def _check_subject(claims: dict[str, Any], client: Client) -> None:
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        raise _refused("iss and sub must both be the client_id")


def _read_jti(claims: dict[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
        raise _refused("jti is missing or too long")
    return jti


def _check_life(claims: dict[str, Any], now: float) -> None:
    """An assertion has to end soon: until then its jti is remembered."""
    if claims["exp"] > now + _MAX_LIFE + _LEEWAY:
        raise _refused(f"exp is more than {_MAX_LIFE:.0f} seconds ahead")


def _refused(detail: str) -> OAuthError:
    return OAuthError("invalid_client", reasons.ASSERTION_INVALID, detail, status=401)
