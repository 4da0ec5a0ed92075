"""One small module per vendor: data first, a hook only where data is not enough.

Owns what is particular to an identity provider, and the list of all of them. May import :mod:`vestibule.settings`,
:mod:`vestibule.proxy`, :mod:`vestibule.verifiers` and what lies below them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OLDER_NAMES", "PROVIDERS"]

_CLASSES: Final[Mapping[str, str]] = {
    "auth0": "auth0:Auth0Provider",
    "authkit": "workos:AuthKitProvider",
    "aws": "aws:AWSCognitoProvider",
    "azure": "azure:AzureProvider",
    "clerk": "clerk:ClerkProvider",
    "descope": "descope:DescopeProvider",
    "discord": "discord:DiscordProvider",
    "github": "github:GitHubProvider",
    "google": "google:GoogleProvider",
    "huggingface": "huggingface:HuggingFaceProvider",
    "in_memory": "in_memory:InMemoryOAuthProvider",
    "introspection": "introspection:IntrospectionTokenVerifier",
    "jwt": "jwt:JWTVerifier",
    "keycloak": "keycloak:KeycloakProvider",
    "keycloak_remote": "keycloak:KeycloakAuthProvider",
    "oci": "oci:OCIProvider",
    "oidc": "oidc:OIDCProvider",
    "okta": "okta:OktaProvider",
    "propelauth": "propelauth:PropelAuthProvider",
    "scalekit": "scalekit:ScalekitProvider",
    "supabase": "supabase:SupabaseProvider",
    "workos": "workos:WorkOSProvider",
}

PROVIDERS: Final[Mapping[str, str]] = {name: f"vestibule.providers.{place}" for name, place in _CLASSES.items()}
"""Where the class of each short name is; it is imported when it is chosen."""

OLDER_NAMES: Final[Mapping[str, str]] = {
    "authkit": "authkitprovider",
    "aws": "aws_cognito",
    "descope": "descopeprovider",
    "scalekit": "scalekitprovider",
}
"""How these were called in the older variables."""
