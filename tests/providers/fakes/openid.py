"""Providers of OpenID Connect that are met as bridges: what is particular about their paths and tokens.

Written after their public references: Cognito's "Understanding user pool JSON web tokens", Keycloak's "Securing applications", Okta's
"Access token payload", OCI's "Access Token", Clerk's and Hugging Face's discovery documents, Auth0's "Access tokens", WorkOS' "Connect".
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.providers.fakes.fake import Allowed
from tests.providers.fakes.vendor import Vendor

POOL = "eu-central-1_AbCdEfGhI"


def below(start: str, **paths: str) -> dict[str, str]:
    """Endpoints with one start."""
    return {name: f"{start}{path}" for name, path in paths.items()}


@dataclass
class Auth0(Vendor):
    """JWTs for the audience that was asked for."""

    issuer: ClassVar[str] = "https://tenant.eu.auth0.com/"
    endpoints: ClassVar[Mapping[str, str]] = below(
        "https://tenant.eu.auth0.com",
        authorize="/authorize",
        token="/oauth/token",
        jwks="/.well-known/jwks.json",
        userinfo="/userinfo",
        revoke="/oauth/revoke",
    )
    audience: ClassVar[str] = "https://api.example.com"
    tells_application: ClassVar[bool] = False

    def access_claims(self, allowed: Allowed) -> dict[str, Any]:
        return {"aud": [self.audience, f"{self.issuer}userinfo"], "azp": allowed.client_id, "scope": " ".join(allowed.scopes)}


@dataclass
class Cognito(Vendor):
    """No ``aud``, no ``offline_access``, one refresh token for good, and the endpoints on another host than the issuer."""

    issuer: ClassVar[str] = f"https://cognito-idp.eu-central-1.amazonaws.com/{POOL}"
    endpoints: ClassVar[Mapping[str, str]] = {
        **below(issuer, jwks="/.well-known/jwks.json"),
        **below(
            "https://ours.auth.eu-central-1.amazoncognito.com",
            authorize="/oauth2/authorize",
            token="/oauth2/token",
            userinfo="/oauth2/userInfo",
            revoke="/oauth2/revoke",
        ),
    }
    client_id: ClassVar[str] = "1h57kf5cpq17m0eml12EXAMPLE"
    refresh: ClassVar[Any] = "same"
    known_scopes: ClassVar[frozenset[str] | None] = frozenset({"openid", "email", "phone", "profile"})

    def access_claims(self, allowed: Allowed) -> dict[str, Any]:
        return {
            "client_id": allowed.client_id,
            "token_use": "access",
            "scope": " ".join(allowed.scopes),
            "username": allowed.user,
            "version": 2,
        }

    def id_claims(self, allowed: Allowed) -> dict[str, Any]:
        return {"token_use": "id", "cognito:username": allowed.user}


@dataclass
class Keycloak(Vendor):
    """``aud`` is ``account`` unless a mapper adds another; the client is in ``azp``."""

    issuer: ClassVar[str] = "https://sso.example.com/realms/staff"
    endpoints: ClassVar[Mapping[str, str]] = below(
        issuer,
        authorize="/protocol/openid-connect/auth",
        token="/protocol/openid-connect/token",
        jwks="/protocol/openid-connect/certs",
        userinfo="/protocol/openid-connect/userinfo",
        introspect="/protocol/openid-connect/token/introspect",
        revoke="/protocol/openid-connect/revoke",
        register="/clients-registrations/openid-connect",
    )
    takes_resource: ClassVar[bool] = True
    mapped_audience: str | None = None

    def access_claims(self, allowed: Allowed) -> dict[str, Any]:
        audience = ["account", self.mapped_audience] if self.mapped_audience else "account"
        return {"aud": audience, "azp": allowed.client_id, "typ": "Bearer", "scope": " ".join(allowed.scopes)}

    def id_claims(self, allowed: Allowed) -> dict[str, Any]:
        return {"typ": "ID", "azp": allowed.client_id}


@dataclass
class Okta(Vendor):
    """``cid``, ``uid`` and scopes as a list; ``sub`` of access tokens is the login."""

    issuer: ClassVar[str] = "https://dev-123456.okta.com/oauth2/default"
    endpoints: ClassVar[Mapping[str, str]] = below(
        issuer,
        authorize="/v1/authorize",
        token="/v1/token",
        jwks="/v1/keys",
        userinfo="/v1/userinfo",
        introspect="/v1/introspect",
        revoke="/v1/revoke",
    )
    client_id: ClassVar[str] = "0oabucvyc38HLL1ef0h7"

    def access_claims(self, allowed: Allowed) -> dict[str, Any]:
        login = f"{allowed.user}@example.com"
        return {
            "aud": "api://default",
            "cid": allowed.client_id,
            "uid": self.subject(allowed.user),
            "sub": login,
            "scp": list(allowed.scopes),
            "ver": 1,
        }


@dataclass
class OCI(Vendor):
    """One issuer for every domain, whose document is elsewhere."""

    issuer: ClassVar[str] = "https://identity.oraclecloud.com/"
    domain: ClassVar[str] = "https://idcs-0123.identity.oraclecloud.com"
    endpoints: ClassVar[Mapping[str, str]] = below(
        domain,
        authorize="/oauth2/v1/authorize",
        token="/oauth2/v1/token",
        jwks="/admin/v1/SigningCert/jwk",
        userinfo="/oauth2/v1/userinfo",
        introspect="/oauth2/v1/introspect",
        revoke="/oauth2/v1/revoke",
    )

    @property
    def documents(self) -> list[str]:
        return [f"{self.domain}/.well-known/openid-configuration"]

    def access_claims(self, allowed: Allowed) -> dict[str, Any]:
        return {
            "aud": self.domain,
            "client_id": allowed.client_id,
            "tok_type": "AT",
            "sub_type": "user",
            "scope": " ".join(allowed.scopes),
        }

    def id_claims(self, allowed: Allowed) -> dict[str, Any]:
        return {"tok_type": "IT", "azp": allowed.client_id}


@dataclass
class Clerk(Vendor):
    """Opaque tokens, and introspection under a name of its own."""

    issuer: ClassVar[str] = "https://verb-noun-00.clerk.accounts.dev"
    endpoints: ClassVar[Mapping[str, str]] = below(
        issuer,
        authorize="/oauth/authorize",
        token="/oauth/token",
        jwks="/.well-known/jwks.json",
        userinfo="/oauth/userinfo",
        introspect="/oauth/token_info",
        revoke="/oauth/token/revoke",
    )
    opaque: ClassVar[bool] = True
    prefix: ClassVar[str] = "oat_"


@dataclass
class HuggingFace(Vendor):
    """JWTs behind a prefix, which name the application and are not for anybody else to check."""

    issuer: ClassVar[str] = "https://huggingface.co"
    endpoints: ClassVar[Mapping[str, str]] = below(
        issuer, authorize="/oauth/authorize", token="/oauth/token", jwks="/oauth/jwks", userinfo="/oauth/userinfo"
    )
    client_id: ClassVar[str] = "d3b07384-d9a0-4c9b-8f3e-000000000000"
    prefix: ClassVar[str] = "hf_oauth_"

    def access_claims(self, allowed: Allowed) -> dict[str, Any]:
        return {
            "aud": self.issuer,
            "oauthApp": allowed.client_id,
            "scope": list(allowed.scopes),
            "sessionId": secrets.token_hex(8),
        }


@dataclass
class AnyOpenID(Vendor):
    """Nothing particular."""

    issuer: ClassVar[str] = "https://login.example.net"
    endpoints: ClassVar[Mapping[str, str]] = below(
        issuer, authorize="/authorize", token="/token", jwks="/jwks", userinfo="/userinfo", revoke="/revoke"
    )
    tells_application: ClassVar[bool] = False
    takes_resource: ClassVar[bool] = True


@dataclass
class WorkOS(Vendor):
    """Opaque tokens, and userinfo that answers for those of every application."""

    issuer: ClassVar[str] = "https://ours.authkit.app"
    endpoints: ClassVar[Mapping[str, str]] = below(
        issuer, authorize="/oauth2/authorize", token="/oauth2/token", jwks="/oauth2/jwks", userinfo="/oauth2/userinfo"
    )
    client_id: ClassVar[str] = "client_01HXYZ"
    tells_application: ClassVar[bool] = False
    opaque: ClassVar[bool] = True
    takes_resource: ClassVar[bool] = True
