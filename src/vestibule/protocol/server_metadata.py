"""Authorization server metadata (RFC 8414; RFC 9207 §3; OpenID Connect Discovery 1.0 §3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from vestibule.errors import ConfigurationError
from vestibule.protocol.json_documents import without_empty
from vestibule.protocol.uris import parse_uri

__all__ = [
    "CLIENT_AUTH_METHODS",
    "CLIENT_SIGNING_ALGORITHMS",
    "GRANT_TYPES",
    "check_issuer",
    "server_metadata",
]

GRANT_TYPES: Final = ("authorization_code", "refresh_token")
CLIENT_AUTH_METHODS: Final = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
CLIENT_SIGNING_ALGORITHMS: Final = ("ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")


def check_issuer(issuer: str, name: str = "issuer_url") -> None:
    """Check that `issuer` can be one: https (http on loopback), no query, no fragment (RFC 8414 §2).

    Args:
        issuer: the URL.
        name: of the parameter that it was given as, for the message.

    Raises:
        ConfigurationError: it cannot.
    """
    uri = parse_uri(issuer)
    if uri is None or not uri.is_web or uri.has_userinfo or "?" in uri.rest or "#" in uri.rest:
        # User information may be a password, so the value is not repeated.
        raise ConfigurationError(f"{name} must be a URL without user information, query and fragment")
    if uri.scheme == "http" and not uri.is_loopback:
        raise ConfigurationError(f"{name} {issuer!r} must be https: http is only for loopback addresses")


def server_metadata(
    *,
    issuer: str,
    base_url: str,
    scopes_supported: Sequence[str],
    protected_resources: Sequence[str] = (),
    registration: bool = True,
    client_documents: bool = False,
    service_documentation: str | None = None,
    grant_types: Sequence[str] = GRANT_TYPES,
    token_endpoint_auth_methods: Sequence[str] = CLIENT_AUTH_METHODS,
    openid: bool = False,
) -> dict[str, Any]:
    """The document of RFC 8414 §2, without empty members.

    Args:
        issuer: byte for byte as configured; it need not be where the endpoints are.
        base_url: what the endpoints hang from.
        scopes_supported: what clients may ask for, in the order they will. ``offline_access`` is added: some clients ask for
            refresh tokens only where they see it.
        protected_resources: RFC 9728 §4.
        registration: whether ``/register`` takes clients (RFC 7591).
        client_documents: whether a client may be named by URL (client ID metadata documents).
        service_documentation: URL, for developers.
        grant_types: what ``/token`` understands.
        token_endpoint_auth_methods: how clients authenticate, at every endpoint; those without credentials cannot introspect.
        openid: with the members that OpenID Connect Discovery demands, for the document under that name.
    """
    base = base_url.rstrip("/")
    methods = list(token_endpoint_auth_methods)
    provable = [method for method in methods if method != "none"]  # RFC 7662 §2.1: whoever introspects has to authenticate
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "registration_endpoint": f"{base}/register" if registration else None,
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "scopes_supported": list(dict.fromkeys((*scopes_supported, "offline_access"))),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(grant_types),
        "code_challenge_methods_supported": ["S256"],
        **_endpoint_authentication("token_endpoint", methods),
        "revocation_endpoint": f"{base}/revoke",
        **_endpoint_authentication("revocation_endpoint", methods),
        "introspection_endpoint": f"{base}/introspect" if provable else None,
        **_endpoint_authentication("introspection_endpoint", provable),
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True if client_documents else None,
        "protected_resources": list(protected_resources),
        "service_documentation": service_documentation,
        **(_openid_members() if openid else {}),
    }
    return without_empty(document)


def _endpoint_authentication(endpoint: str, methods: list[str]) -> dict[str, list[str]]:
    """Methods and, where a method signs, its algorithms (RFC 8414 §2: then they must be there)."""
    signing = list(CLIENT_SIGNING_ALGORITHMS) if "private_key_jwt" in methods else []
    return {f"{endpoint}_auth_methods_supported": methods, f"{endpoint}_auth_signing_alg_values_supported": signing}


def _openid_members() -> dict[str, list[str]]:
    return {"subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"]}
