"""Auth0, which can register clients itself but as a rule is not set up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from vestibule.grants.connection import ProviderRules
from vestibule.proxy.oidc_proxy import OIDCProxy
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["Auth0Provider", "Auth0ProviderSettings"]


class Auth0ProviderSettings(BridgeSettings, provider="auth0"):
    """``VESTIBULE_AUTH0_*``, or ``FASTMCP_SERVER_AUTH_AUTH0_*``."""

    config_url: Text | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    audience: Text | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


class Auth0Provider(OIDCProxy):
    """Signs users in at Auth0.

    The audience is always asked for: without one, Auth0 gives opaque tokens that only it can read.

    Args:
        config_url: ``https://{tenant domain}/.well-known/openid-configuration``.
        client_id, client_secret: of the application in Auth0.
        audience: the identifier of the API in Auth0; access tokens must be for it.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["openid"]``. Scopes of OpenID are asked for; Auth0 leaves them out of access tokens.
        timeout_seconds: for discovery.
        options: see :class:`~vestibule.proxy.options.CommonOptions`.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        config_url: str | AnyHttpUrl | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        audience: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = Auth0ProviderSettings.filled(
            config_url=config_url,
            client_id=client_id,
            client_secret=client_secret,
            audience=audience,
            base_url=base_url,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("config_url", "client_id", "client_secret", "audience", "base_url")
        super().__init__(
            config_url=given.value("config_url"),
            client_id=given.value("client_id"),
            client_secret=given.value("client_secret"),
            audience=given.value("audience"),
            base_url=given.value("base_url"),
            required_scopes=given.required_scopes,
            timeout_seconds=given.timeout_seconds,
            **given.options(),
        )

    def _provider_rules(self, options: Options) -> ProviderRules:
        return ProviderRules(name="Auth0")
