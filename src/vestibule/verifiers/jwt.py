"""Access tokens that are signed JWTs, checked here (RFC 9068 §4, RFC 8725)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from vestibule import reasons
from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError, TokenRejected, Unavailable
from vestibule.keys.jwt import (
    ASYMMETRIC_ALGORITHMS,
    SYMMETRIC_ALGORITHMS,
    JWTKeySet,
    check_audience,
    check_issuer,
    check_times,
    check_type,
    decode,
    peek_claims,
    peek_header,
)
from vestibule.net.exchange import FetchForbidden
from vestibule.net.fetch import Fetcher
from vestibule.net.jwks import JWKSCache, JWKSSource
from vestibule.net.trusted import TrustedClient
from vestibule.tokens import AccessToken
from vestibule.unsafe import Unchecked
from vestibule.verifiers.base import TokenVerifier
from vestibule.verifiers.claims import access_token
from vestibule.verifiers.key_pair import RSAKeyPair

if TYPE_CHECKING:
    import httpx2

__all__ = ["JWTVerifier", "RSAKeyPair"]

_NO_KEYS: Final = JWTKeySet(())
# Providers write "JWT", "at+jwt" (RFC 9068 §2.1) or nothing; logout tokens, client assertions and proofs have types of their own.
_ACCESS_TOKEN_TYPES: Final = ("", "jwt", "at+jwt")


class JWTVerifier(TokenVerifier):
    """Accepts JWTs that the issuer signed for this audience.

    Args:
        public_key: PEM, or the shared secret of an HS* algorithm.
        jwks_uri: URL of the issuer's key set instead. It is fetched when the first token comes.
        issuer: the accepted ``iss``, one or several, or :data:`vestibule.unsafe.any_issuer`.
        audience: the accepted ``aud``, one or several, or :data:`vestibule.unsafe.any_audience`.
        algorithm: the accepted algorithms, one or several; None for the asymmetric ones that the keys are made for.
        required_scopes: scopes that every token needs; one that lacks some is answered 403.
        base_url: public URL of this server.
        ssrf_safe: fetch the key set through the guard that only lets public addresses pass.
        http_client: fetches the key set instead of the shared client; whoever made it closes it.
        jwks_refresh_interval: seconds between two fetches that unknown key ids cause.
        leeway: seconds by which clocks may differ.
        token_types: the accepted ``typ`` headers; an empty string stands for a missing one. None for ``JWT``, ``at+jwt`` and none.
        clock: the time.

    Raises:
        ConfigurationError: a combination that cannot work or leaves a check out.
    """

    def __init__(
        self,
        *,
        public_key: str | bytes | None = None,
        jwks_uri: str | None = None,
        issuer: str | Sequence[str] | Unchecked | None = None,
        audience: str | Sequence[str] | Unchecked | None = None,
        algorithm: str | Sequence[str] | None = None,
        required_scopes: Sequence[str] | None = None,
        base_url: object | None = None,
        ssrf_safe: bool = False,
        http_client: httpx2.AsyncClient | None = None,
        jwks_refresh_interval: float = 30.0,
        leeway: float = 30.0,
        token_types: Collection[str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(base_url=base_url, required_scopes=required_scopes)
        if bool(public_key) == bool(jwks_uri):
            raise ConfigurationError("JWTVerifier needs either public_key or jwks_uri, and not both.")
        if ssrf_safe and http_client is not None:
            raise ConfigurationError("ssrf_safe brings its own HTTP client: leave http_client out.")
        self._clock = clock or SystemClock()
        self._leeway = leeway
        self._issuers = _expected("issuer", issuer)
        self._audiences = _expected("audience", audience)
        self._algorithms = _algorithms(algorithm)
        types = _ACCESS_TOKEN_TYPES if token_types is None else token_types
        self._types = frozenset(name.lower().removeprefix("application/") for name in types)
        self._key_set = None if public_key is None else _static_keys(public_key, self._algorithms)
        self._jwks: JWKSCache | None = None
        if jwks_uri is not None:
            _check_published(self._algorithms)
            source: JWKSSource = Fetcher(self._clock) if ssrf_safe else TrustedClient(http_client, clock=self._clock)
            self._jwks = JWKSCache(str(jwks_uri), source, self._clock, jwks_refresh_interval)

    def recognises(self, token: str) -> bool | None:
        """By the ``iss`` of a JWT, where the issuers are known beforehand."""
        claims = peek_claims(token)
        if claims is None:
            return False
        return None if self._issuers is None else claims.get("iss") in self._issuers

    async def check_token(self, token: str) -> AccessToken:
        """Check signature, times, issuer, audience, type and scopes, in this order.

        Raises:
            TokenRejected: with the reason.
            Unavailable: the issuer's keys cannot be had right now.
        """
        header, claims = decode(token, await self._keys_for(token), algorithms=self._algorithms)
        check_times(claims, self._clock.now(), self._leeway)
        issuers, audiences = await self.accepted_issuers(claims), self.accepted_audiences()
        if issuers is not None:
            check_issuer(claims, issuers)
        if audiences is not None:
            check_audience(claims, audiences)
        check_type(header, self._types)
        _check_subject(claims)
        self.check_claims(claims)
        return self.check_scopes(access_token(token, claims, audiences or ()))

    async def accepted_issuers(self, claims: Mapping[str, Any]) -> Collection[str] | None:
        """The issuers that a token with these claims may come from; None for any. Overridden where the claims decide.

        Raises:
            TokenRejected: from none.
            Unavailable: that cannot be told right now.
        """
        return self._issuers

    def accepted_audiences(self) -> Collection[str] | None:
        """Whom tokens may be for; None for anybody. Overridden where that is known only later."""
        return self._audiences

    def check_claims(self, claims: Mapping[str, Any]) -> None:
        """What is to be checked beyond RFC 9068 §4. Overridden where an issuer has rules of its own.

        Raises:
            TokenRejected: a check failed.
        """

    async def _keys_for(self, token: str) -> JWTKeySet:
        if self._jwks is None:
            return self._key_set or _NO_KEYS
        header = peek_header(token) or {}
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms or not isinstance(kid, str | None):
            return _NO_KEYS  # refused whatever the keys are: what anybody can make up causes no request
        try:
            return await self._jwks.keys_for(kid)
        except FetchForbidden as error:
            raise Unavailable(reasons.UPSTREAM_UNAVAILABLE, f"jwks_uri: {error.detail}") from error


def _expected(name: str, value: str | Sequence[str] | Unchecked | None) -> tuple[str, ...] | None:
    """The accepted values; None if the operator switched the check off by name."""
    if isinstance(value, Unchecked):
        if repr(value) != f"vestibule.unsafe.any_{name}":
            raise ConfigurationError(f"{value!r} does not belong in {name}.")
        return None
    values = (value,) if isinstance(value, str) else tuple(value or ())
    if not values or not all(isinstance(item, str) and item for item in values):
        raise ConfigurationError(f"JWTVerifier needs {name}. To accept any, import any_{name} from vestibule.unsafe.")
    return values


def _algorithms(value: str | Sequence[str] | None) -> frozenset[str]:
    if value is None:
        return ASYMMETRIC_ALGORITHMS
    named = frozenset({value} if isinstance(value, str) else value)
    unknown = named - ASYMMETRIC_ALGORITHMS - SYMMETRIC_ALGORITHMS
    if unknown or not named:
        raise ConfigurationError(f"Unsupported algorithm: {', '.join(sorted(unknown)) or 'none named'}.")
    if named & SYMMETRIC_ALGORITHMS and named & ASYMMETRIC_ALGORITHMS:
        # RFC 8725 §2.1: one key for both is how public keys become secrets.
        raise ConfigurationError("HS* cannot be mixed with algorithms of public keys.")
    return named


def _static_keys(public_key: str | bytes, algorithms: frozenset[str]) -> JWTKeySet:
    material = public_key.encode() if isinstance(public_key, str) else public_key
    if algorithms & SYMMETRIC_ALGORITHMS:
        return JWTKeySet.from_secret(material)
    if b"-----BEGIN" not in material:
        raise ConfigurationError("public_key is not a PEM. If it is a shared secret, name its algorithm, e.g. HS256.")
    return JWTKeySet.from_pem(material)


def _check_published(algorithms: frozenset[str]) -> None:
    if algorithms & SYMMETRIC_ALGORITHMS:
        raise ConfigurationError("HS* cannot be used with jwks_uri: a published key is no secret.")


def _check_subject(claims: dict[str, Any]) -> None:
    if not isinstance(claims.get("sub"), str | None):  # RFC 7519 §4.1.2
        raise TokenRejected(reasons.TOKEN_CLAIMS, "sub is not a text")
