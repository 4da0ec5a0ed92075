"""Dynamic registration: reading the client metadata of a request or a document (RFC 7591).

A registration is answered with what was set, which need not be what was asked for (§3.2.1): what is merely unknown here is replaced
or left out, because a client that is refused for a member it does not need cannot sign anybody in. Refused is what would be unsafe
or could never work.
"""

from __future__ import annotations

import unicodedata
from typing import Any, Final

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.redirect_uris import AllowedRedirectURIs, check_redirect_uri
from vestibule.protocol.scopes import format_scope, parse_scope
from vestibule.protocol.server_metadata import CLIENT_AUTH_METHODS, CLIENT_SIGNING_ALGORITHMS, GRANT_TYPES
from vestibule.protocol.uris import parse_uri

__all__ = ["parse_registration", "read_metadata", "read_redirect_uris"]

_MAX_REDIRECT_URIS: Final = 20
_MAX_TEXT: Final = 200
_MAX_SCOPE: Final = 4096
_MAX_CONTACTS: Final = 10
_MAX_KEYS: Final = 10
_PRIVATE_KEY_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 §6.2.2, §6.3.2, §6.4.1


def parse_registration(document: object, *, allowed: AllowedRedirectURIs | None = None) -> ClientMetadata:
    """Check a registration request (RFC 7591 §3.1).

    Args:
        document: the JSON value that was posted. ``client_id`` and ``client_secret`` in it are ignored: the server names clients.
        allowed: the operator's list of redirect URIs.

    Returns:
        What is registered: the answer has to repeat it (§3.2.1).

    Raises:
        OAuthError: ``invalid_redirect_uri`` or ``invalid_client_metadata`` (§3.2.2); the detail names the member.
    """
    if not isinstance(document, dict):
        raise _invalid("the registration is not a JSON object")
    redirect_uris = read_redirect_uris(document)
    for uri in redirect_uris:
        check_redirect_uri(uri, allowed=allowed)
    return read_metadata(document, redirect_uris=redirect_uris, auth_method=_substituted_auth_method(document))


def read_metadata(document: dict[str, Any], *, redirect_uris: tuple[str, ...], auth_method: str) -> ClientMetadata:
    """Everything of `document` but the two members that were read before.

    Raises:
        OAuthError: ``invalid_client_metadata``.
    """
    _check_one_key_source(document)
    signs = auth_method == "private_key_jwt"
    return ClientMetadata(
        redirect_uris=redirect_uris,
        token_endpoint_auth_method=auth_method,
        grant_types=_grant_types(document),
        response_types=_response_types(document),
        scope=_scope(document),
        client_name=_text(document, "client_name"),
        client_uri=_web_page(document, "client_uri"),
        logo_uri=_web_page(document, "logo_uri"),
        tos_uri=_web_page(document, "tos_uri"),
        policy_uri=_web_page(document, "policy_uri"),
        contacts=_contacts(document),
        software_id=_text(document, "software_id"),
        software_version=_text(document, "software_version"),
        application_type=_application_type(document),
        jwks=_jwks(document) if signs else None,
        jwks_uri=_jwks_uri(document) if signs else None,
        token_endpoint_auth_signing_alg=_signing_algorithm(document) if signs else None,
    )


def read_redirect_uris(document: dict[str, Any]) -> tuple[str, ...]:
    """The ``redirect_uris`` as they are, none of them checked (RFC 7591 §2: the code flow needs them).

    Raises:
        OAuthError: ``invalid_redirect_uri``, if there are none, too many, or they are not a list of strings.
    """
    uris = document.get("redirect_uris")
    if not isinstance(uris, list) or not uris or not all(isinstance(uri, str) for uri in uris):
        raise OAuthError("invalid_redirect_uri", reasons.REDIRECT_URI_INVALID, "redirect_uris must be a list of URIs")
    if len(uris) > _MAX_REDIRECT_URIS:
        raise OAuthError("invalid_redirect_uri", reasons.REDIRECT_URI_INVALID, f"more than {_MAX_REDIRECT_URIS} redirect_uris")
    return tuple(uris)


def _substituted_auth_method(document: dict[str, Any]) -> str:
    """The method asked for, or the nearest there is: the answer says which (RFC 7591 §3.2.1)."""
    asked = document.get("token_endpoint_auth_method")
    if asked is None or asked == "":
        return "none"
    if not isinstance(asked, str):
        raise _invalid("token_endpoint_auth_method is not a string")
    if asked == "client_secret_jwt":
        return "client_secret_basic"
    return asked if asked in CLIENT_AUTH_METHODS else "none"


def _grant_types(document: dict[str, Any]) -> tuple[str, ...]:
    asked = _strings(document, "grant_types") or ("authorization_code",)
    known = tuple(dict.fromkeys(name for name in asked if name in GRANT_TYPES))
    if "authorization_code" not in known:
        raise _invalid("grant_types has no authorization_code, the only way to sign in here")
    return known


def _response_types(document: dict[str, Any]) -> tuple[str, ...]:
    asked = _strings(document, "response_types") or ("code",)
    if "code" not in asked:  # RFC 7591 §2.1: the counterpart of authorization_code
        raise _invalid("response_types has no code")
    return ("code",)


def _scope(document: dict[str, Any]) -> str | None:
    """The registered scope, which only advises: what may be granted is decided at each authorization."""
    scope = document.get("scope") or None
    if scope is None:
        return None
    if not isinstance(scope, str) or len(scope) > _MAX_SCOPE:
        raise _invalid("scope is not a string of reasonable length")
    try:
        return format_scope(parse_scope(scope)) or None
    except OAuthError as error:
        raise _invalid(error.detail) from None


def _text(document: dict[str, Any], name: str) -> str | None:
    """A text for people, without characters that hide, reorder or break what stands beside it on a page."""
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise _invalid(f"{name} is not a string of at most {_MAX_TEXT} characters")
    visible = "".join(" " if unicodedata.category(c)[0] == "Z" else c for c in value if unicodedata.category(c)[0] != "C")
    return " ".join(visible.split()) or None


def _web_page(document: dict[str, Any], name: str) -> str | None:
    """A URL that a page may link to. Another one is left out: it is never needed, and a script in it would be an attack."""
    value = document.get(name)
    uri = parse_uri(value) if isinstance(value, str) else None
    return uri.text if uri is not None and uri.is_web and not uri.has_userinfo else None


def _contacts(document: dict[str, Any]) -> tuple[str, ...]:
    found = (_text({"contacts": contact}, "contacts") for contact in _strings(document, "contacts")[:_MAX_CONTACTS])
    return tuple(contact for contact in found if contact)


def _application_type(document: dict[str, Any]) -> str | None:
    value = document.get("application_type")
    return value if value in ("native", "web") else None


def _check_one_key_source(document: dict[str, Any]) -> None:
    if document.get("jwks") is not None and document.get("jwks_uri") is not None:
        raise _invalid("jwks and jwks_uri exclude each other")
    if document.get("token_endpoint_auth_method") == "private_key_jwt" and not (
        document.get("jwks") or document.get("jwks_uri")
    ):
        raise _invalid("private_key_jwt needs jwks or jwks_uri")


def _jwks(document: dict[str, Any]) -> dict[str, Any] | None:
    jwks = document.get("jwks")
    if jwks is None:
        return None
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MAX_KEYS or not all(isinstance(key, dict) for key in keys):
        raise _invalid(f"jwks is not a set of 1 to {_MAX_KEYS} keys")
    if any(_PRIVATE_KEY_MEMBERS & key.keys() for key in keys):
        raise _invalid("jwks holds a private or symmetric key")
    return {"keys": keys}


def _jwks_uri(document: dict[str, Any]) -> str | None:
    value = document.get("jwks_uri")
    if value is None:
        return None
    uri = parse_uri(value) if isinstance(value, str) else None
    if uri is None or uri.scheme != "https" or uri.has_userinfo or uri.has_fragment:
        raise _invalid("jwks_uri is not an https URL")
    return uri.text


def _signing_algorithm(document: dict[str, Any]) -> str | None:
    value = document.get("token_endpoint_auth_signing_alg")
    if value is not None and value not in CLIENT_SIGNING_ALGORITHMS:
        raise _invalid("token_endpoint_auth_signing_alg is not one of those that the metadata lists")
    return value


def _strings(document: dict[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _invalid(f"{name} is not a list of strings")
    return tuple(value)


def _invalid(detail: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", reasons.REGISTRATION_INVALID, detail)
