"""The bridge to a WorkOS Connect application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Unpack

from vestibule.grants.connection import Connection, IDTokenRules, ProviderRules
from vestibule.net.jwks import JWKSCache
from vestibule.net.trusted import TrustedClient
from vestibule.providers.workos.verifier import WorkOSTokenVerifier, authkit_url
from vestibule.proxy.oauth_proxy import OAuthProxy
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["WorkOSProvider", "WorkOSProviderSettings"]

_ALWAYS_ASKED: Final = ("openid", "profile", "email", "offline_access")
"""For the ID token, for userinfo to say who it is, and for a refresh token."""

_CHECK_SECONDS: Final = 300.0


class WorkOSProviderSettings(BridgeSettings, provider="workos"):
    """``VESTIBULE_WORKOS_*``, or ``FASTMCP_SERVER_AUTH_WORKOS_*``."""

    client_id: Text | None = None
    client_secret: Secret | None = None
    authkit_domain: Text | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


class WorkOSProvider(OAuthProxy):
    """Signs users in at WorkOS.

    Its access tokens are opaque: WorkOS is asked about one when it comes and again every five minutes (``token_check_seconds``). It says
    the scopes when it issues a token and never again, so those of the token answer count.

    Args:
        client_id, client_secret: of the Connect application.
        authkit_domain: e.g. ``your-app.authkit.app``; ``https://`` is put before it.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: what every user needs; default: none.
        timeout_seconds: for a question to WorkOS.
        options: see :class:`~vestibule.proxy.options.CommonOptions`.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        authkit_domain: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = WorkOSProviderSettings.filled(
            client_id=client_id,
            client_secret=client_secret,
            authkit_domain=authkit_domain,
            base_url=base_url,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("client_id", "client_secret", "authkit_domain", "base_url")
        self._url = authkit_url(given.value("authkit_domain"))
        self._timeout = given.timeout_seconds
        super().__init__(
            upstream_authorization_endpoint=f"{self._url}/oauth2/authorize",
            upstream_token_endpoint=f"{self._url}/oauth2/token",
            upstream_client_id=given.value("client_id"),
            upstream_client_secret=given.value("client_secret"),
            token_verifier=WorkOSTokenVerifier(authkit_domain=self._url, required_scopes=given.required_scopes),
            base_url=given.value("base_url"),
            **_common(given),
        )

    def _provider_rules(self, options: Options) -> ProviderRules:
        return ProviderRules(name="WorkOS", check_seconds=_CHECK_SECONDS)

    def _connected(self, connection: Connection, options: Options) -> Connection:
        """Userinfo names no scopes, so its answers are not asked for any; and ID tokens bind the sign-in to this application."""
        verifier = WorkOSTokenVerifier(
            authkit_domain=self._url,
            timeout_seconds=self._timeout,
            cache_ttl_seconds=0,  # the grant remembers when to ask again
            http_client=options.http_client,
            clock=options.clock,
        )
        rules = IDTokenRules(
            keys=JWKSCache(f"{self._url}/oauth2/jwks", TrustedClient(options.http_client, clock=options.clock), options.clock),
            issuer=self._url,
            client_id=connection.client.credentials.client_id,
            algorithms=("RS256",),
        )
        return replace(connection, verifier=verifier, id_tokens=rules, added_scopes=_ALWAYS_ASKED)


def _common(given: WorkOSProviderSettings) -> CommonOptions:
    """WorkOS documents the secret in the body only."""
    options = given.options()
    options.setdefault("token_endpoint_auth_method", "client_secret_post")
    return options
