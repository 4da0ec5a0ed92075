"""Providers that register MCP clients themselves.

Written after Descope's, Scalekit's, Supabase's, PropelAuth's and AuthKit's pages about MCP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.providers.fakes.fake import Allowed
from tests.providers.fakes.openid import below
from tests.providers.fakes.vendor import Vendor

from vestibule.testing.provider.keys import Algorithm

PROJECT, SERVER = "P2abcDEF", "M1server"
RESOURCE_ID = "res_123"


@dataclass
class Descope(Vendor):
    """The audience is the project; which MCP server a token is of is in the issuer."""

    issuer: ClassVar[str] = f"https://api.descope.com/v1/apps/agentic/{PROJECT}/{SERVER}"
    endpoints: ClassVar[Mapping[str, str]] = {
        **below(issuer, authorize="/authorize", token="/token", register="/register"),
        "jwks": f"https://api.descope.com/{PROJECT}/.well-known/jwks.json",
    }
    takes_resource: ClassVar[bool] = True

    def access_claims(self, allowed: Allowed) -> dict[str, Any]:
        return {"aud": [PROJECT, self.resource_of(allowed)], "azp": allowed.client_id, "scope": " ".join(allowed.scopes)}


@dataclass
class Scalekit(Vendor):
    """The audience is the resource's id."""

    issuer: ClassVar[str] = f"https://ours.scalekit.com/resources/{RESOURCE_ID}"
    endpoints: ClassVar[Mapping[str, str]] = {
        **below("https://ours.scalekit.com", authorize="/oauth/authorize", token="/oauth/token", jwks="/keys"),
        **below(issuer, register="/oauth/register"),
    }
    takes_resource: ClassVar[bool] = True

    def access_claims(self, allowed: Allowed) -> dict[str, Any]:
        return {
            "aud": [RESOURCE_ID],
            "client_id": allowed.client_id,
            "scopes": list(allowed.scopes),
            "iss": "https://ours.scalekit.com",
        }


@dataclass
class Supabase(Vendor):
    """One audience for everything; OAuth tokens name the client, sessions of the project's applications do not."""

    issuer: ClassVar[str] = "https://abc123.supabase.co/auth/v1"
    endpoints: ClassVar[Mapping[str, str]] = below(
        issuer,
        authorize="/oauth/authorize",
        token="/oauth/token",
        jwks="/.well-known/jwks.json",
        register="/oauth/clients/register",
    )
    algorithm: ClassVar[Algorithm] = "ES256"
    takes_resource: ClassVar[bool] = True

    def access_claims(self, allowed: Allowed) -> dict[str, Any]:
        return {"aud": "authenticated", "role": "authenticated", "client_id": allowed.client_id, "session_id": "a-uuid"}


@dataclass
class PropelAuth(Vendor):
    """Opaque tokens; introspection names the resource that the client asked for."""

    issuer: ClassVar[str] = "https://auth.example.org/oauth/2.1"
    endpoints: ClassVar[Mapping[str, str]] = below(
        issuer, authorize="/authorize", token="/token", introspect="/introspect", register="/register"
    )
    opaque: ClassVar[bool] = True
    takes_resource: ClassVar[bool] = True

    def introspected(self, allowed: Allowed) -> dict[str, Any]:
        return {**super().introspected(allowed), "aud": self.resource_of(allowed), "iss": self.issuer}


@dataclass
class AuthKit(Vendor):
    """The audience is the resource, once it was entered in the dashboard."""

    issuer: ClassVar[str] = "https://ours.authkit.app"
    endpoints: ClassVar[Mapping[str, str]] = below(
        issuer, authorize="/oauth2/authorize", token="/oauth2/token", jwks="/oauth2/jwks", register="/oauth2/register"
    )
    takes_resource: ClassVar[bool] = True
