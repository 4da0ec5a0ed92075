"""Tokens that only their issuer can read, checked by asking it (RFC 7662)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args

from vestibule import reasons
from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError, TokenRejected, Unavailable
from vestibule.keys.jwt import check_audience, check_times
from vestibule.net.trusted import TrustedClient
from vestibule.tokens import AccessToken
from vestibule.verifiers.answers import Answers, credentials_refused, read_answer
from vestibule.verifiers.base import TokenVerifier
from vestibule.verifiers.claims import access_token

if TYPE_CHECKING:
    import httpx2

__all__ = ["ClientAuthMethod", "IntrospectionTokenVerifier"]

ClientAuthMethod = Literal["client_secret_basic", "client_secret_post"]

_LEEWAY: Final = 30.0
_DEFAULT_CACHE_SIZE: Final = 10_000


class Secret(Protocol):
    """A secret in a wrapper that does not print it, such as pydantic's ``SecretStr``."""

    def get_secret_value(self) -> str:
        """The secret itself."""
        ...


class IntrospectionTokenVerifier(TokenVerifier):
    """Accepts tokens that the issuer calls active.

    Args:
        introspection_url: the issuer's endpoint.
        client_id: this server's own id there.
        client_secret: and its secret.
        client_auth_method: how both are sent.
        timeout_seconds: for one question.
        required_scopes: scopes that every token needs; one that lacks some is answered 403.
        audience: the accepted ``aud``, one or several. None leaves it to the issuer to answer only for tokens that are meant for
            this client (RFC 7662 §4); an issuer that serves more than one resource needs it.
        base_url: public URL of this server.
        cache_ttl_seconds: how long a yes counts, never beyond the token's end; 0 or None asks each time. A revocation at the issuer
            is noticed that much later.
        max_cache_size: how many answers are kept.
        http_client: asks instead of the shared client; whoever made it closes it.
        clock: the time.

    Raises:
        ConfigurationError: something is missing or not supported.
    """

    def __init__(
        self,
        *,
        introspection_url: str,
        client_id: str,
        client_secret: str | Secret,
        client_auth_method: ClientAuthMethod = "client_secret_basic",
        timeout_seconds: float = 10,
        required_scopes: Sequence[str] | None = None,
        audience: str | Sequence[str] | None = None,
        base_url: object | None = None,
        cache_ttl_seconds: float | None = 60,
        max_cache_size: int | None = _DEFAULT_CACHE_SIZE,
        http_client: httpx2.AsyncClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(base_url=base_url, required_scopes=required_scopes)
        if client_auth_method not in get_args(ClientAuthMethod):
            raise ConfigurationError(f"client_auth_method is one of {', '.join(get_args(ClientAuthMethod))}.")
        self._url = str(introspection_url)
        self._credentials = (client_id, client_secret if isinstance(client_secret, str) else client_secret.get_secret_value())
        if not all((self._url, *self._credentials)):
            raise ConfigurationError("IntrospectionTokenVerifier needs introspection_url, client_id and client_secret.")
        self._by_header = client_auth_method == "client_secret_basic"
        self._audiences = (audience,) if isinstance(audience, str) else tuple(audience or ())
        self._clock = clock or SystemClock()
        self._http = TrustedClient(http_client, timeout=timeout_seconds, clock=self._clock)
        size = _DEFAULT_CACHE_SIZE if max_cache_size is None else max_cache_size
        self._answers = Answers(self._clock, cache_ttl_seconds or 0, size)

    async def check_token(self, token: str) -> AccessToken:
        """Ask, or remember what was answered.

        Raises:
            TokenRejected: the issuer says no, or the token is not for here.
            Unavailable: the issuer says nothing that can be used.
        """
        claims = await self._answers.about(token, lambda: self._introspect(token))
        return self.check_scopes(access_token(token, claims, self.accepted_audiences()))

    def accepted_audiences(self) -> Collection[str]:
        """Whom tokens may be for; nobody named: whomever the issuer answers us about. Overridden where that is known only later."""
        return self._audiences

    async def _introspect(self, token: str) -> dict[str, Any]:
        claims = await self._ask(token)
        if claims.get("active") is False:
            raise TokenRejected(reasons.TOKEN_INACTIVE)
        if claims.get("active") is not True:  # required, and a boolean (RFC 7662 §2.2)
            raise Unavailable(reasons.UPSTREAM_ANSWER, "introspection: active is neither true nor false")
        check_times(claims, self._clock.now(), _LEEWAY, require_exp=False)
        audiences = self.accepted_audiences()
        if audiences:
            check_audience(claims, audiences)
        return claims

    async def _ask(self, token: str) -> dict[str, Any]:
        form = {"token": token, "token_type_hint": "access_token"}
        if self._by_header:
            result = await self._http.post_form(self._url, form, auth=self._credentials)
        else:
            client_id, client_secret = self._credentials
            result = await self._http.post_form(self._url, form | {"client_id": client_id, "client_secret": client_secret})
        if result.status in (401, 403):
            raise credentials_refused(f"introspection: status {result.status}")
        return read_answer(result)
