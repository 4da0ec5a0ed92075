"""Hugging Face: an OpenID provider with access tokens of a form of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Unpack

from vestibule.grants.connection import ProviderRules
from vestibule.keys.jwt import peek_claims
from vestibule.net.trusted import TrustedClient
from vestibule.proxy.oidc_proxy import OIDCProxy
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text
from vestibule.verifiers.application import check_application
from vestibule.verifiers.base import TokenVerifier
from vestibule.verifiers.userinfo import UserinfoTokenVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["HuggingFaceProvider", "HuggingFaceProviderSettings"]

_ISSUER: Final = "https://huggingface.co"
_PREFIX: Final = "hf_oauth_"
_DEFAULTS: Final[CommonOptions] = {"forward_resource": False}


class HuggingFaceProviderSettings(BridgeSettings, provider="huggingface"):
    """``VESTIBULE_HUGGINGFACE_*``."""

    client_id: Text | None = None
    client_secret: Secret | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


class HuggingFaceProvider(OIDCProxy):
    """Signs users in at Hugging Face.

    Args:
        client_id, client_secret: of the OAuth app. No secret: a public app.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["openid", "profile"]``.
        timeout_seconds: for discovery and for one question about a token.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. ``token_check_seconds`` is 300 and ``forward_resource`` False unless you
            say otherwise; ``extra_authorize_params={"orgIds": "…"}`` asks for access to an organisation.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = HuggingFaceProviderSettings.filled(
            client_id=client_id,
            client_secret=client_secret,
            base_url=base_url,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("client_id", "base_url")
        common: CommonOptions = {**_DEFAULTS, **given.options()}
        super().__init__(
            config_url=f"{_ISSUER}/.well-known/openid-configuration",
            client_id=given.value("client_id"),
            client_secret=given.value("client_secret"),
            base_url=given.value("base_url"),
            required_scopes=["openid", "profile"] if given.required_scopes is None else given.required_scopes,
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
        """Asks Hugging Face; the application is read off the token, and certain from the exchange and the ID token."""
        verifier = UserinfoTokenVerifier(
            userinfo_url=f"{_ISSUER}/oauth/userinfo",
            check_application=self._application,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds or 10,
            cache_ttl_seconds=0,
            http_client=self._options.http_client,
            clock=self._options.clock,
        )
        verifier.knows_application = False  # a token need not name it
        return verifier

    async def _application(self, http: TrustedClient, token: str) -> dict[str, Any]:
        """A token is a JWT behind a prefix. What it says is believed only because userinfo, asked next, takes the token as it is."""
        claims = peek_claims(token.removeprefix(_PREFIX)) or {}
        check_application(claims.get("oauthApp", self._client_id), self._client_id)
        return {"aud": self._client_id, "client_id": self._client_id}

    def _provider_rules(self, options: Options) -> ProviderRules:
        return replace(super()._provider_rules(options), name="Hugging Face", check_seconds=300)
