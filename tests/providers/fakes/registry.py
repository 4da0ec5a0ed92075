"""Every provider with its fake: one row of the matrix each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from starlette.applications import Starlette
from tests.providers.fakes import apis, openid, registering
from tests.providers.fakes.entra import FOREIGN_APP, LOGIN, SECRET, FakeEntra
from tests.providers.fakes.fake import Allowed
from tests.providers.fakes.vendor import OUR_SECRET

from vestibule.providers.auth0 import Auth0Provider
from vestibule.providers.aws import AWSCognitoProvider
from vestibule.providers.azure import AzureProvider
from vestibule.providers.clerk import ClerkProvider
from vestibule.providers.descope import DescopeProvider
from vestibule.providers.discord import DiscordProvider
from vestibule.providers.github import GitHubProvider
from vestibule.providers.google import GoogleProvider
from vestibule.providers.huggingface import HuggingFaceProvider
from vestibule.providers.keycloak import KeycloakAuthProvider, KeycloakProvider
from vestibule.providers.oci import OCIProvider
from vestibule.providers.oidc import OIDCProvider
from vestibule.providers.okta import OktaProvider
from vestibule.providers.propelauth import PropelAuthProvider
from vestibule.providers.scalekit import ScalekitProvider
from vestibule.providers.supabase import SupabaseProvider
from vestibule.providers.workos import AuthKitProvider, WorkOSProvider

COLUMNS = (
    "sign in",
    "call",
    "refresh",
    "revoke",
    "foreign app",
    "down: 503",
    "limited: 503",
    "audience: 401",
    "policy",
    "disabled",
)

_AT_THE_PROVIDER = "clients hold the provider's own tokens: "
_REMOTE = {
    "revoke": f"{_AT_THE_PROVIDER}they are revoked there, and JWTs hold until they end",
    "policy": f"{_AT_THE_PROVIDER}who may sign in is decided there",
    "disabled": f"{_AT_THE_PROVIDER}a JWT holds until it ends",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A provider and its fake.

    Attributes:
        name: short name.
        fake: makes the fake.
        build: the provider, from the fake and the options of this test.
        remote: it registers clients itself.
        foreign: the reason for which a token of another application is refused at sign-in (bridge) or at the resource (remote).
        foreign_claims: what such a token has, where the application alone does not make it foreign.
        not_applicable: columns that this provider has no such thing for, and why.
    """

    name: str
    fake: Callable[..., Any]
    build: Callable[[Any, dict[str, Any]], Any]
    remote: bool = False
    foreign: str = "token_audience"
    foreign_claims: Mapping[str, Any] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)

    def test_for(self, column: str) -> bool:
        return column not in self.not_applicable


@dataclass
class Entra(FakeEntra):
    """The fake of Entra, as a row of the matrix needs it."""

    endpoints: ClassVar[Mapping[str, str]] = {"token": f"{LOGIN}/organizations/oauth2/v2.0/token"}
    opaque: ClassVar[bool] = False
    refresh: ClassVar[str] = "new"
    documents: ClassVar[tuple[str, ...]] = ()
    foreign: bool = False

    @property
    def apps(self) -> dict[str, Starlette]:
        return {LOGIN: self.asgi}

    def subject(self, user: str) -> str:
        return f"pairwise-{user}"

    def issue_to(self, user: str, **claims: Any) -> str:
        return self.access_token(user, aud=FOREIGN_APP, azp=FOREIGN_APP, **claims)

    def _answer(self, allowed: Allowed, form: Mapping[str, str]) -> dict[str, Any]:
        answer = super()._answer(allowed, form)
        return {**answer, "access_token": self.issue_to(allowed.user)} if self.foreign else answer


def _application(fake: Any) -> dict[str, str]:
    return {"client_id": fake.client_id, "client_secret": OUR_SECRET}


def _azure(fake: Entra, common: dict[str, Any]) -> AzureProvider:
    given = {"client_id": fake.registration.client_id, "client_secret": SECRET, "tenant_id": "organizations"}
    return AzureProvider(**given, required_scopes=["read"], **common)


def _keycloak_remote(fake: openid.Keycloak, common: dict[str, Any]) -> KeycloakAuthProvider:
    fake.mapped_audience = f"{common['base_url']}/mcp"
    return KeycloakAuthProvider(realm_url=fake.issuer, **common)


CASES = (
    Case(
        name="auth0",
        fake=openid.Auth0,
        build=lambda fake, common: Auth0Provider(
            config_url="https://tenant.eu.auth0.com/.well-known/openid-configuration",
            audience=fake.audience,
            **_application(fake),
            **common,
        ),
        foreign="upstream_id_token",
    ),
    Case(name="azure", fake=Entra, build=_azure),
    Case(
        name="workos",
        fake=openid.WorkOS,
        build=lambda fake, common: WorkOSProvider(authkit_domain="ours.authkit.app", **_application(fake), **common),
        foreign="upstream_id_token",
    ),
    Case(
        name="authkit",
        fake=registering.AuthKit,
        build=lambda fake, common: AuthKitProvider(authkit_domain="ours.authkit.app", **common),
        remote=True,
        not_applicable=_REMOTE,
    ),
    Case(
        name="github",
        fake=apis.GitHub,
        build=lambda fake, common: GitHubProvider(**_application(fake), **common),
        foreign="token_inactive",
    ),
    Case(
        name="google",
        fake=apis.Google,
        build=lambda fake, common: GoogleProvider(**_application(fake), **common),
    ),
    Case(
        name="aws",
        fake=openid.Cognito,
        build=lambda fake, common: AWSCognitoProvider(user_pool_id=openid.POOL, **_application(fake), **common),
    ),
    Case(
        name="keycloak",
        fake=openid.Keycloak,
        build=lambda fake, common: KeycloakProvider(realm_url=fake.issuer, **_application(fake), **common),
    ),
    Case(
        name="keycloak_remote",
        fake=openid.Keycloak,
        build=_keycloak_remote,
        remote=True,
        foreign_claims={"aud": "account"},
        not_applicable=_REMOTE,
    ),
    Case(
        name="okta",
        fake=openid.Okta,
        build=lambda fake, common: OktaProvider(okta_domain="dev-123456.okta.com", **_application(fake), **common),
    ),
    Case(name="discord", fake=apis.Discord, build=lambda fake, common: DiscordProvider(**_application(fake), **common)),
    Case(
        name="clerk",
        fake=openid.Clerk,
        build=lambda fake, common: ClerkProvider(domain="verb-noun-00.clerk.accounts.dev", **_application(fake), **common),
    ),
    Case(
        name="oci",
        fake=openid.OCI,
        build=lambda fake, common: OCIProvider(
            config_url=f"{fake.domain}/.well-known/openid-configuration", **_application(fake), **common
        ),
    ),
    Case(
        name="huggingface",
        fake=openid.HuggingFace,
        build=lambda fake, common: HuggingFaceProvider(**_application(fake), **common),
    ),
    Case(
        name="oidc",
        fake=openid.AnyOpenID,
        build=lambda fake, common: OIDCProvider(issuer=fake.issuer, **_application(fake), **common),
        foreign="upstream_id_token",
    ),
    Case(
        name="descope",
        fake=registering.Descope,
        build=lambda fake, common: DescopeProvider(config_url=f"{fake.issuer}/.well-known/openid-configuration", **common),
        remote=True,
        foreign="token_issuer",
        foreign_claims={"iss": f"https://api.descope.com/v1/apps/agentic/{registering.PROJECT}/M2another"},
        not_applicable=_REMOTE,
    ),
    Case(
        name="scalekit",
        fake=registering.Scalekit,
        build=lambda fake, common: ScalekitProvider(
            environment_url="https://ours.scalekit.com", resource_id=registering.RESOURCE_ID, **common
        ),
        remote=True,
        foreign_claims={"aud": ["res_another"]},
        not_applicable=_REMOTE,
    ),
    Case(
        name="supabase",
        fake=registering.Supabase,
        build=lambda fake, common: SupabaseProvider(project_url="https://abc123.supabase.co", **common),
        remote=True,
        foreign="token_type",
        foreign_claims={"client_id": None},
        not_applicable=_REMOTE,
    ),
    Case(
        name="propelauth",
        fake=registering.PropelAuth,
        build=lambda fake, common: PropelAuthProvider(
            auth_url="https://auth.example.org",
            introspection_client_id=fake.client_id,
            introspection_client_secret=OUR_SECRET,
            **common,
        ),
        remote=True,
        not_applicable={"policy": _REMOTE["policy"]},
    ),
)

__all__ = ["CASES", "COLUMNS", "Case"]
