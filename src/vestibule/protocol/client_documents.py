"""Client ID metadata documents: a client named by the URL of its own description (draft-ietf-oauth-client-id-metadata-document).

Drafts -00 and -02 differ; where they do, the stricter one is followed.
"""

from __future__ import annotations

from typing import Any, Final

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.json_documents import read_json_object
from vestibule.protocol.redirect_uris import AllowedRedirectURIs, check_redirect_uri
from vestibule.protocol.registration import read_metadata, read_redirect_uris
from vestibule.protocol.uris import parse_uri
from vestibule.reasons import Reason

__all__ = ["check_client_id_url", "looks_like_document_url", "parse_client_document"]

_SECRET_MEMBERS: Final = ("client_secret", "client_secret_expires_at")
_METHODS: Final = ("none", "private_key_jwt")


def looks_like_document_url(client_id: str, *, allow_loopback_http: bool = False) -> bool:
    """Whether `client_id` means to be a URL (no other client id here begins like one)."""
    if client_id.startswith("https://"):
        return True
    uri = parse_uri(client_id) if allow_loopback_http and client_id.startswith("http://") else None
    return uri is not None and uri.is_loopback


def check_client_id_url(client_id: str, *, allow_loopback_http: bool = False) -> None:
    """Check that `client_id` is a URL that may name a client (§3).

    Args:
        client_id: as the request has it.
        allow_loopback_http: for development: also http on a loopback host.

    Raises:
        OAuthError: ``invalid_client``; the detail names the rule.
    """
    uri = parse_uri(client_id)
    if uri is None:
        raise _invalid(reasons.CLIENT_DOCUMENT_URL, "not a URL of RFC 3986")
    faults = {
        "not https": not (uri.scheme == "https" or (allow_loopback_http and uri.scheme == "http" and uri.is_loopback)),
        "no path": uri.path in ("", "/"),
        "dot segments": uri.has_dot_segments,
        "a fragment": uri.has_fragment,
        "user information": uri.has_userinfo,
    }
    for fault, found in faults.items():
        if found:
            raise _invalid(reasons.CLIENT_DOCUMENT_URL, f"client_id {client_id[:200]!a}: {fault}")


def parse_client_document(client_id: str, body: bytes, *, allowed: AllowedRedirectURIs | None = None) -> ClientMetadata:
    """Check a fetched document (§4, §4.1).

    Redirect URIs that could not be used here are left out, others of the same document stay: its publisher wrote it for all servers.

    Args:
        client_id: the URL that it was fetched from.
        body: what came.
        allowed: the operator's list of redirect URIs.

    Raises:
        OAuthError: ``invalid_client``; the detail names the member.
    """
    try:
        document = read_json_object(body)
    except ValueError as error:
        raise _invalid(reasons.CLIENT_DOCUMENT_INVALID, f"the document is no JSON object: {error}") from None
    _check_names_itself(document, client_id)
    _check_no_secret(document)
    _check_has_name(document)
    try:
        uris = _usable(read_redirect_uris(document), allowed)
        return read_metadata(document, redirect_uris=uris, auth_method=_auth_method(document))
    except OAuthError as error:
        raise _invalid(reasons.CLIENT_DOCUMENT_INVALID, error.detail) from None


def _check_names_itself(document: dict[str, Any], client_id: str) -> None:
    if document.get("client_id") != client_id:  # as strings: port, case and slash count
        raise _invalid(reasons.CLIENT_DOCUMENT_INVALID, "client_id is not the URL of the document")


def _check_no_secret(document: dict[str, Any]) -> None:
    for name in _SECRET_MEMBERS:
        if name in document:
            raise _invalid(reasons.CLIENT_DOCUMENT_INVALID, f"{name} in a public document")


def _check_has_name(document: dict[str, Any]) -> None:
    name = document.get("client_name")
    if not isinstance(name, str) or not name.strip():
        raise _invalid(reasons.CLIENT_DOCUMENT_INVALID, "client_name is missing")


def _auth_method(document: dict[str, Any]) -> str:
    """A declared method is enforced, so that one which is not known cannot be replaced by another (§8.2)."""
    method = document.get("token_endpoint_auth_method", "none")
    if not isinstance(method, str) or method not in _METHODS:
        raise _invalid(reasons.CLIENT_DOCUMENT_INVALID, "token_endpoint_auth_method must be none or private_key_jwt")
    return method


def _usable(uris: tuple[str, ...], allowed: AllowedRedirectURIs | None) -> tuple[str, ...]:
    usable: list[str] = []
    refusal: OAuthError | None = None
    for uri in uris:
        try:
            check_redirect_uri(uri, allowed=allowed)
            usable.append(uri)
        except OAuthError as error:
            refusal = error
    if not usable and refusal is not None:
        raise refusal
    return tuple(usable)


def _invalid(reason: Reason, detail: str) -> OAuthError:
    return OAuthError("invalid_client", reason, detail, status=401)
