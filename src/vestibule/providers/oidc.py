"""Any OpenID provider, by its issuer alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from vestibule.proxy.oidc_proxy import OIDCProxy
from vestibule.proxy.options import CommonOptions
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["OIDCProvider", "OIDCProviderSettings"]

_WELL_KNOWN = "/.well-known/openid-configuration"


class OIDCProviderSettings(BridgeSettings, provider="oidc"):
    """``VESTIBULE_OIDC_*``."""

    issuer: Text | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    audience: Text | None = None
    algorithm: Text | None = None
    verify_id_token: bool = False
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


class OIDCProvider(OIDCProxy):
    """Signs users in at an OpenID provider for which there is no class of its own.

    Args:
        issuer: the provider's issuer; its configuration is found below it (OpenID Connect Discovery §4).
        client_id, client_secret: what the provider gave you. No secret: a public client, or ``upstream_private_key``.
        audience: what access tokens must be for; also sent to the provider as ``audience``.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["openid"]``.
        algorithm: what the provider signs access tokens with.
        verify_id_token: check the ID token in the access token's place.
        timeout_seconds: for discovery.
        options: see :class:`~vestibule.proxy.options.CommonOptions`.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        issuer: str | AnyHttpUrl | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        audience: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        algorithm: str | None = None,
        verify_id_token: bool | None = None,
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = OIDCProviderSettings.filled(
            issuer=issuer,
            client_id=client_id,
            client_secret=client_secret,
            audience=audience,
            base_url=base_url,
            required_scopes=required_scopes,
            algorithm=algorithm,
            verify_id_token=verify_id_token,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("issuer", "client_id", "base_url")
        super().__init__(
            config_url=given.value("issuer").removesuffix(_WELL_KNOWN).rstrip("/") + _WELL_KNOWN,
            client_id=given.value("client_id"),
            client_secret=given.value("client_secret"),
            audience=given.audience,
            base_url=given.value("base_url"),
            required_scopes=given.required_scopes,
            algorithm=given.algorithm,
            verify_id_token=given.verify_id_token,
            timeout_seconds=given.timeout_seconds,
            **given.options(),
        )
