"""Clerk: an OpenID provider that says by introspection which application a token is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Unpack

from vestibule.grants.connection import ProviderRules
from vestibule.proxy.build import public_url
from vestibule.proxy.oidc_proxy import OIDCProxy
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text
from vestibule.verifiers.application import by_introspection
from vestibule.verifiers.base import TokenVerifier
from vestibule.verifiers.userinfo import UserinfoTokenVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["ClerkProvider", "ClerkProviderSettings"]

_DEFAULTS: Final[CommonOptions] = {"forward_resource": False}


class ClerkProviderSettings(BridgeSettings, provider="clerk"):
    """``VESTIBULE_CLERK_*``."""

    domain: Text | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


class ClerkProvider(OIDCProxy):
    """Signs users in at Clerk.

    Args:
        domain: of the instance's Frontend API, e.g. ``verb-noun-00.clerk.accounts.dev``; ``https://`` is put before it.
        client_id, client_secret: of the OAuth application. No secret: a public one.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["openid", "email", "profile"]``.
        timeout_seconds: for discovery and for one question about a token.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. ``token_check_seconds`` is 300 and ``forward_resource`` False unless you
            say otherwise.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        domain: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = ClerkProviderSettings.filled(
            domain=domain,
            client_id=client_id,
            client_secret=client_secret,
            base_url=base_url,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("domain", "client_id", "base_url")
        name = given.value("domain")
        self._domain_url = public_url(name if "://" in name else f"https://{name}", "domain")
        common: CommonOptions = {**_DEFAULTS, **given.options()}
        super().__init__(
            config_url=f"{self._domain_url}/.well-known/openid-configuration",
            client_id=given.value("client_id"),
            client_secret=given.value("client_secret"),
            base_url=given.value("base_url"),
            required_scopes=["openid", "email", "profile"] if given.required_scopes is None else given.required_scopes,
            timeout_seconds=given.timeout_seconds,
            **common,
        )

    def get_token_verifier(
        self,
        *,
        algorithm: str | None = None,
        audience: str | None = None,
        required_scopes: list[str] | None = None,
        timeout_seconds: int | None = None,
    ) -> TokenVerifier:
        """Asks Clerk, whether its tokens are opaque or JWTs: that is a setting over there."""
        config = self.oidc_config
        named = (config.introspection_endpoint, config.userinfo_endpoint) if config else (None, None)
        introspection, userinfo = (
            named[0] or f"{self._domain_url}/oauth/token_info",
            named[1] or f"{self._domain_url}/oauth/userinfo",
        )
        return UserinfoTokenVerifier(
            userinfo_url=userinfo,
            check_application=by_introspection(introspection, self._client_id, self._client_secret),
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds or 10,
            cache_ttl_seconds=0,
            http_client=self._options.http_client,
            clock=self._options.clock,
        )

    def _provider_rules(self, options: Options) -> ProviderRules:
        return replace(super()._provider_rules(options), name="Clerk", check_seconds=300)
