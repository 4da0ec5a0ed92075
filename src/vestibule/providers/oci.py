"""Oracle Cloud Infrastructure IAM identity domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Unpack

from vestibule.providers.openid import ApplicationOIDCProxy
from vestibule.proxy.options import CommonOptions
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text
from vestibule.upstream.discovery import OIDCConfiguration

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["OCIProvider", "OCIProviderSettings"]

_ISSUER: Final = "https://identity.oraclecloud.com/"
"""Of every identity domain: the domains differ by their keys."""

_DEFAULTS: Final[CommonOptions] = {"forward_resource": False}


class OCIProviderSettings(BridgeSettings, provider="oci"):
    """``VESTIBULE_OCI_*``."""

    config_url: Text | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    audience: Text | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


class OCIProvider(ApplicationOIDCProxy):
    """Signs users in at an OCI IAM identity domain.

    Args:
        config_url: ``https://{domain URL}/.well-known/openid-configuration``.
        client_id, client_secret: of the integrated application.
        audience: what access tokens must be for; default: only that they are of this application.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["openid"]``.
        timeout_seconds: for discovery.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. ``forward_resource`` is False unless you say otherwise.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    vendor = "Oracle Cloud"
    client_claim = "client_id"
    token_kind = ("tok_type", "AT")

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
        given = OCIProviderSettings.filled(
            config_url=config_url,
            client_id=client_id,
            client_secret=client_secret,
            audience=audience,
            base_url=base_url,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("config_url", "client_id", "client_secret", "base_url")
        self._token_audience = given.audience
        common: CommonOptions = {**_DEFAULTS, **given.options()}
        super().__init__(
            config_url=given.value("config_url"),
            client_id=given.value("client_id"),
            client_secret=given.value("client_secret"),
            base_url=given.value("base_url"),
            required_scopes=given.required_scopes,
            timeout_seconds=given.timeout_seconds,
            **common,
        )

    def get_oidc_configuration(
        self, config_url: str | AnyHttpUrl, strict: bool | None, timeout_seconds: int | None
    ) -> OIDCConfiguration:
        """The document of the domain, which names the issuer of all domains."""
        return OIDCConfiguration.get_oidc_configuration(
            str(config_url), strict=strict, timeout_seconds=timeout_seconds, issuer=_ISSUER
        )
