"""Keycloak: as a bridge to one client of a realm, or with the realm registering MCP clients itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Unpack

from vestibule.grants.connection import ProviderRules
from vestibule.providers.openid import ApplicationOIDCProxy
from vestibule.providers.remote import RegisteringProvider, RemoteOptions, RemoteSettings, ResourceJWTVerifier
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text, TextList
from vestibule.verifiers.application import check_kind

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["KeycloakAuthProvider", "KeycloakAuthProviderSettings", "KeycloakProvider", "KeycloakProviderSettings"]

_ACCESS_TOKEN: Final = ("typ", "Bearer")


class KeycloakProviderSettings(BridgeSettings, provider="keycloak", beside=("keycloak_remote",)):
    """``VESTIBULE_KEYCLOAK_*``."""

    realm_url: Text | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    audience: Text | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


class KeycloakProvider(ApplicationOIDCProxy):
    """Signs users in at a Keycloak realm, as one confidential client of it.

    Args:
        realm_url: e.g. ``https://keycloak.example.com/realms/staff``.
        client_id, client_secret: of the client in the realm.
        audience: what access tokens must be for, where the realm adds it by a mapper; default: only that they are of this client (``azp``).
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["openid"]``.
        timeout_seconds: for discovery.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. ``forward_resource`` is False unless you say otherwise.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    vendor = "Keycloak"
    client_claim = "azp"
    token_kind = _ACCESS_TOKEN

    def __init__(
        self,
        *,
        realm_url: str | AnyHttpUrl | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        audience: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = KeycloakProviderSettings.filled(
            realm_url=realm_url,
            client_id=client_id,
            client_secret=client_secret,
            audience=audience,
            base_url=base_url,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("realm_url", "client_id", "base_url")
        self._token_audience = given.audience
        common: CommonOptions = {"forward_resource": False, **given.options()}
        super().__init__(
            config_url=given.value("realm_url").rstrip("/") + "/.well-known/openid-configuration",
            client_id=given.value("client_id"),
            client_secret=given.value("client_secret"),
            base_url=given.value("base_url"),
            required_scopes=given.required_scopes,
            timeout_seconds=given.timeout_seconds,
            **common,
        )

    def _provider_rules(self, options: Options) -> ProviderRules:
        return replace(super()._provider_rules(options), explain=self._explain)

    def _explain(self, detail: str) -> str:
        if self._token_audience is None or "token_audience" not in detail:
            return detail
        return f"{detail} {mapper_advice(self._token_audience)}"


class KeycloakAuthProviderSettings(RemoteSettings, provider="keycloak_remote"):
    """``VESTIBULE_KEYCLOAK_REMOTE_*``."""

    realm_url: Text | None = None
    audience: TextList | None = None


class KeycloakAuthProvider(RegisteringProvider):
    """Sends clients to a Keycloak realm that registers them itself (26.6 and later), and accepts its tokens for this resource.

    Keycloak puts no resource into ``aud`` by itself. The mapper that does is described in the log when the first token comes without.

    Args:
        realm_url: e.g. ``https://keycloak.example.com/realms/staff``.
        base_url: public URL of this server, with any prefix it is mounted under.
        audience: accepted ``aud``, one or several; default: the URL of the resource.
        required_scopes: default ``["openid"]``, which makes Keycloak name the user.
        options: see :class:`~vestibule.providers.remote.RemoteOptions`.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        realm_url: str | AnyHttpUrl | None = None,
        base_url: str | AnyHttpUrl | None = None,
        audience: str | Sequence[str] | None = None,
        required_scopes: Sequence[str] | None = None,
        **options: Unpack[RemoteOptions],
    ) -> None:
        given = KeycloakAuthProviderSettings.filled(
            realm_url=realm_url,
            base_url=base_url,
            audience=audience,
            required_scopes=required_scopes,
            **options,
        )
        given.require("realm_url", "base_url")
        if given.required_scopes is None:
            given.required_scopes = ["openid"]
        realm = given.value("realm_url").rstrip("/")
        verifier = _KeycloakVerifier(
            resources=self.own_resources,
            audience=given.audience,
            advice=mapper_advice,
            jwks_uri=f"{realm}/protocol/openid-connect/certs",
            issuer=realm,
            **given.checking(),
        )
        super().__init__(given, issuer=realm, verifier=verifier)


class _KeycloakVerifier(ResourceJWTVerifier):
    """Keycloak's access tokens: it signs ID tokens and logout tokens with the same keys, and the audience of those is the client."""

    def check_claims(self, claims: Mapping[str, Any]) -> None:
        check_kind(claims, _ACCESS_TOKEN)


def mapper_advice(audience: str) -> str:
    """What to click in Keycloak for tokens to name their audience."""
    return (
        f"Keycloak does not put {audience} into aud. In its console: Client scopes, a scope that the client has (or a new one of type "
        f"Default), Mappers, Configure a new mapper, Audience; Included Custom Audience: {audience}; Add to access token: On."
    )
