"""The bridge to any OpenID Connect provider, configured by its discovery document."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from vestibule import reasons, unsafe
from vestibule.errors import ConfigurationError, Unavailable, VestibuleError
from vestibule.grants.connection import Connection, IDTokenRules, ProviderRules
from vestibule.net.jwks import JWKSCache
from vestibule.net.single_flight import SingleFlight
from vestibule.net.trusted import TrustedClient
from vestibule.proxy.oauth_proxy import OAuthProxy
from vestibule.proxy.options import CommonOptions, Options
from vestibule.upstream.client import UpstreamClient
from vestibule.upstream.discovery import OIDCConfiguration
from vestibule.verifiers.base import TokenVerifier
from vestibule.verifiers.jwt import JWTVerifier
from vestibule.verifiers.userinfo import UserinfoTokenVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["OIDCProxy"]

_log = logging.getLogger("vestibule.upstream")

_PAUSE_SECONDS = 2
"""Between two attempts to read the document of a provider that does not answer."""


class OIDCProxy(OAuthProxy):
    """As :class:`~vestibule.proxy.oauth_proxy.OAuthProxy`, with everything about the provider read from its discovery document.

    Args:
        config_url: the provider's ``/.well-known/openid-configuration``.
        client_id, client_secret: what the provider gave you.
        base_url: public URL of this server, with any prefix it is mounted under.
        strict: None or True: the document must have everything that OpenID Connect Discovery demands.
        audience: what the provider's access tokens must be for; also sent to it as ``audience``.
        timeout_seconds: for discovery.
        token_verifier: instead of the one that is made from the document.
        algorithm: what the provider signs access tokens with.
        required_scopes: what the resource demands.
        verify_id_token: check the ID token in the access token's place.
        options: see :class:`~vestibule.proxy.options.CommonOptions`.

    Raises:
        ConfigurationError: something is missing or cannot work. A provider that does not answer is no such thing: this server starts, and
            answers 503 until the provider is there.
    """

    oidc_config: OIDCConfiguration | None

    def __init__(
        self,
        *,
        config_url: str | AnyHttpUrl,
        client_id: str,
        client_secret: str | None = None,
        base_url: str | AnyHttpUrl,
        strict: bool | None = None,
        audience: str | None = None,
        timeout_seconds: int | None = 10,
        token_verifier: TokenVerifier | None = None,
        algorithm: str | None = None,
        required_scopes: Sequence[str] | None = None,
        verify_id_token: bool = False,
        **options: Unpack[CommonOptions],
    ) -> None:
        _check_given(config_url=config_url, client_id=client_id, base_url=base_url)
        if token_verifier is not None and (algorithm is not None or required_scopes is not None):
            raise ConfigurationError("algorithm and required_scopes are set on the token_verifier where one is given.")
        chosen = Options(**options)
        self._options = chosen
        self._config_url = str(config_url)
        self._client_id, self._client_secret = client_id, client_secret
        self._strict, self._timeout = strict, timeout_seconds
        self._audience_upstream, self._algorithm = audience, algorithm
        self._own_verifier, self._verify_id_token = token_verifier, verify_id_token
        self._http = TrustedClient(chosen.http_client, clock=chosen.clock)
        self._connection, self.oidc_config = None, None
        self._discovering: SingleFlight[str, None] = SingleFlight()
        self._next_attempt = 0.0
        scopes = (required_scopes or ["openid"]) if token_verifier is None else token_verifier.required_scopes
        self._discover_now()
        # A token for `audience` was asked for: asking for the client's resource as well would get one for that instead.
        if audience is not None:
            chosen = replace(chosen, forward_resource=False)
        self._open(chosen, base_url=base_url, required_scopes=scopes)

    def get_oidc_configuration(
        self, config_url: str | AnyHttpUrl, strict: bool | None, timeout_seconds: int | None
    ) -> OIDCConfiguration:
        """Read the provider's document. May be overridden.

        Raises:
            Unavailable: the provider does not answer.
            ConfigurationError: what it answers cannot be used.
        """
        return OIDCConfiguration.get_oidc_configuration(str(config_url), strict=strict, timeout_seconds=timeout_seconds)

    def get_token_verifier(
        self,
        *,
        algorithm: str | None = None,
        audience: str | None = None,
        required_scopes: list[str] | None = None,
        timeout_seconds: int | None = None,
    ) -> TokenVerifier:
        """The verifier of the provider's access tokens. May be overridden.

        These tokens come straight from the token endpoint, for a code of ours: that exchange and the ID token bind them to us. So an
        audience is checked where one is known, and its absence is no hole.
        """
        config = self.oidc_config
        if config is None:
            raise Unavailable(reasons.UPSTREAM_UNAVAILABLE)
        return JWTVerifier(
            jwks_uri=str(config.jwks_uri),
            issuer=str(config.issuer) if config.issuer else unsafe.any_issuer,
            audience=audience or unsafe.any_audience,
            algorithm=algorithm,
            required_scopes=required_scopes,
            http_client=self._options.http_client,
            clock=self._options.clock,
        )

    # --- discovery ------------------------------------------------------------------------------------------------------------

    def _discover_now(self) -> None:
        """At construction: so that a wrong configuration shows before anyone signs in."""
        try:
            self._use(self.get_oidc_configuration(self._config_url, self._strict, self._timeout))
        except Unavailable as error:
            _log.warning("%s does not answer (%s); trying again when needed, answering 503 until then", self._config_url, error)

    async def _connect(self) -> Connection:
        if self._connection is None:
            await self._discovering.share(self._config_url, self._discover)
        if self._connection is None:
            raise Unavailable(reasons.UPSTREAM_UNAVAILABLE, "discovery was not successful", retry_after=_PAUSE_SECONDS)
        return self._connection

    async def _discover(self) -> None:
        """One attempt for all who wait. Nobody waits while the provider rests: they are answered 503 at once."""
        clock = self._options.clock
        if clock.now() < self._next_attempt:
            return
        try:
            self._use(await asyncio.to_thread(self.get_oidc_configuration, self._config_url, self._strict, self._timeout))
        except VestibuleError as error:
            _log.warning("%s cannot be used: %s", self._config_url, error)
            self._next_attempt = clock.now() + _PAUSE_SECONDS

    def _use(self, config: OIDCConfiguration) -> None:
        if not config.authorization_endpoint or not config.token_endpoint:
            raise ConfigurationError(f"{self._config_url} names no authorization_endpoint or no token_endpoint.")
        self.oidc_config = config
        connection = Connection(
            client=self._client(config),
            verifier=self._own_verifier or self._default_verifier(config),
            id_tokens=self._id_token_rules(config),
            issuer=str(config.issuer) if config.issuer else None,
            accepts_opaque=self._own_verifier is None and self._audience_upstream is None,
            userinfo=self._userinfo(config),
            verifies_id_token=self._verify_id_token,
            always_sends_issuer=config.authorization_response_iss_parameter_supported is True,
            added_scopes=("openid", *_offline(config)),
        )
        self._connection = self._connected(connection, self._options)

    def _provider_rules(self, options: Options) -> ProviderRules:
        return ProviderRules(to_upstream=self._known_scopes)

    def _known_scopes(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Without ``offline_access`` where the provider lists its scopes and that is none of them: clients ask for it wherever they are,
        and some providers refuse the whole request for it."""
        listed = self.oidc_config.scopes_supported if self.oidc_config else None
        if not listed or "offline_access" in listed:
            return scopes
        return tuple(scope for scope in scopes if scope != "offline_access")

    def _userinfo(self, config: OIDCConfiguration) -> TokenVerifier | None:
        """Any audience: which application the token belongs to is certain, it came from the exchange."""
        if not config.userinfo_endpoint:
            return None
        return UserinfoTokenVerifier(
            userinfo_url=config.userinfo_endpoint,
            check_application=unsafe.any_audience,
            http_client=self._options.http_client,
            clock=self._options.clock,
            cache_ttl_seconds=0,
        )

    def _default_verifier(self, config: OIDCConfiguration) -> TokenVerifier:
        """Scopes are checked against the token answer; OpenID scopes are often missing from access tokens."""
        if not config.jwks_uri:
            raise ConfigurationError(f"{self._config_url} names no jwks_uri: give a token_verifier.")
        audience = self._client_id if self._verify_id_token else self._audience_upstream
        return self.get_token_verifier(
            algorithm=self._algorithm, audience=audience, required_scopes=None, timeout_seconds=self._timeout
        )

    def _client(self, config: OIDCConfiguration) -> UpstreamClient:
        options = self._options
        audience = {"audience": self._audience_upstream} if self._audience_upstream else {}
        return UpstreamClient(
            authorization_endpoint=str(config.authorization_endpoint),
            token_endpoint=str(config.token_endpoint),
            client_id=self._client_id,
            client_secret=self._client_secret,
            revocation_endpoint=str(config.revocation_endpoint) if config.revocation_endpoint else None,
            token_endpoint_auth_method=options.token_endpoint_auth_method or _auth_method(config, self._client_secret),
            private_key=options.upstream_private_key,
            extra_authorize_params={**audience, **(options.extra_authorize_params or {})},
            extra_token_params={**audience, **(options.extra_token_params or {})},
            contact_url=str(config.jwks_uri) if config.jwks_uri else None,
            http=self._http,
            clock=options.clock,
        )

    def _id_token_rules(self, config: OIDCConfiguration) -> IDTokenRules | None:
        if not config.jwks_uri or not config.issuer:
            return None
        return IDTokenRules(
            keys=JWKSCache(str(config.jwks_uri), self._http, self._options.clock),
            issuer=str(config.issuer),
            client_id=self._client_id,
            algorithms=tuple(config.id_token_signing_alg_values_supported or ("RS256",)),
        )


def _check_given(**values: object) -> None:
    for name, value in values.items():
        if not value:
            raise ConfigurationError(f"{name} is required.")


def _offline(config: OIDCConfiguration) -> tuple[str, ...]:
    """A session outlives the first access token only with a refresh token, which many providers give for this scope alone."""
    return ("offline_access",) if "offline_access" in (config.scopes_supported or ()) else ()


def _auth_method(config: OIDCConfiguration, secret: str | None) -> str | None:
    """What the provider takes, where it does not take the default (OIDC Discovery §3)."""
    offered = config.token_endpoint_auth_methods_supported or ["client_secret_basic"]
    if secret is None or "client_secret_basic" in offered:
        return None
    return "client_secret_post" if "client_secret_post" in offered else None
