"""Okta, with an authorization server of its API Access Management."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Unpack

from vestibule.errors import ConfigurationError
from vestibule.providers.openid import ApplicationOIDCProxy
from vestibule.proxy.build import public_url
from vestibule.proxy.options import CommonOptions
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["OktaProvider", "OktaProviderSettings"]

_DEFAULTS: Final[CommonOptions] = {"forward_resource": False}


class OktaProviderSettings(BridgeSettings, provider="okta"):
    """``VESTIBULE_OKTA_*``."""

    okta_domain: Text | None = None
    authorization_server_id: Text = "default"
    audience: Text | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


class OktaProvider(ApplicationOIDCProxy):
    """Signs users in at Okta.

    Args:
        okta_domain: e.g. ``dev-123456.okta.com``; ``https://`` is put before it.
        authorization_server_id: default ``default``. The org's own server will not do: its access tokens are for Okta's API alone.
        audience: of the authorization server; default ``api://default`` for the server ``default``, which Okta sets up so.
        client_id, client_secret: of the app integration. No secret: a public client, or ``upstream_private_key``.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["openid"]``.
        timeout_seconds: for discovery.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. ``forward_resource`` is False unless you say otherwise.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    vendor = "Okta"
    client_claim = "cid"

    def __init__(
        self,
        *,
        okta_domain: str | None = None,
        authorization_server_id: str | None = None,
        audience: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = OktaProviderSettings.filled(
            okta_domain=okta_domain,
            authorization_server_id=authorization_server_id,
            audience=audience,
            client_id=client_id,
            client_secret=client_secret,
            base_url=base_url,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("okta_domain", "authorization_server_id", "client_id", "base_url")
        self._token_audience = _audience(given)
        common: CommonOptions = {**_DEFAULTS, **given.options()}
        super().__init__(
            config_url=f"{_issuer(given)}/.well-known/openid-configuration",
            client_id=given.value("client_id"),
            client_secret=given.value("client_secret"),
            base_url=given.value("base_url"),
            required_scopes=given.required_scopes,
            timeout_seconds=given.timeout_seconds,
            **common,
        )


def _issuer(given: OktaProviderSettings) -> str:
    domain = given.value("okta_domain")
    url = public_url(domain if "://" in domain else f"https://{domain}", "okta_domain")
    if "-admin." in url:
        raise ConfigurationError("okta_domain is the domain of sign-ins, without -admin.")
    return f"{url}/oauth2/{given.authorization_server_id}"


def _audience(given: OktaProviderSettings) -> str:
    if given.audience:
        return str(given.audience)
    if given.authorization_server_id != "default":
        raise ConfigurationError(
            "audience is required: the Audience of the authorization server, under Security, API in Okta's console."
        )
    return "api://default"
