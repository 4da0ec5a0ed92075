"""The bearer scheme: reading ``Authorization`` and writing ``WWW-Authenticate`` (RFC 6750 §2.1, §3; OAuth 2.1 §5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

from vestibule import reasons
from vestibule.errors import OAuthError

__all__ = ["MAX_TOKEN_BYTES", "challenge", "read_bearer"]

MAX_TOKEN_BYTES: Final = 16 * 1024

_B64TOKEN: Final = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 §2.1
_NOT_QUOTABLE: Final = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6750 §3: no quote, backslash, control, non-ASCII
_SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §3.3
_PARAMETER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_\-]*")
_URI_CHARACTERS: Final = ":/?#[]@!$&'()*+,;=%-._~"


def read_bearer(authorization_headers: Sequence[bytes]) -> str | None:
    """The bearer token of a request.

    Args:
        authorization_headers: the values of all ``Authorization`` header fields.

    Returns:
        The token, or None if there is no header or its scheme is another one.

    Raises:
        OAuthError: ``invalid_request``, for anything that is not exactly one well-formed header (RFC 6750 §3.1).
    """
    if not authorization_headers:
        return None
    if len(authorization_headers) > 1:
        raise _malformed("more than one Authorization header")
    scheme, _, credentials = authorization_headers[0].strip(b" \t").partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    return _check_token(credentials.lstrip(b" "))


def _check_token(token: bytes) -> str:
    if not token:
        raise _malformed("no token after the scheme")
    if len(token) > MAX_TOKEN_BYTES:
        raise _malformed(f"token of more than {MAX_TOKEN_BYTES} bytes")
    if _B64TOKEN.fullmatch(token) is None:
        raise _malformed("illegal characters in the token")
    return token.decode("ascii")


def _malformed(detail: str) -> OAuthError:
    return OAuthError("invalid_request", reasons.TOKEN_MALFORMED, detail, status=400)


def challenge(
    *,
    error: str | None = None,
    description: str | None = None,
    scopes: Iterable[str] = (),
    resource_metadata: str | None = None,
    **params: str | None,
) -> str:
    """The value of a ``WWW-Authenticate: Bearer`` header (RFC 6750 §3; RFC 9728 §5.1).

    Whatever the header's grammar does not allow is left out: characters of a text, the whole of a scope; URLs are
    percent-encoded. Empty members do not appear.

    Args:
        error: ``invalid_token``, ``insufficient_scope`` or ``invalid_request``; None where no token was presented.
        description: for the developer of the client.
        scopes: all scopes that the request needs.
        resource_metadata: URL of the protected resource metadata.
        params: further members, e.g. ``realm``.
    """
    members = {
        "error": error,
        "error_description": description,
        "scope": " ".join(scope for scope in scopes if _SCOPE_TOKEN.fullmatch(scope)),
        "resource_metadata": resource_metadata and quote(resource_metadata, safe=_URI_CHARACTERS, errors="ignore"),
        **params,
    }
    written = [_member(name, value) for name, value in members.items() if value]
    return f"Bearer {', '.join(filter(None, written))}".rstrip()


def _member(name: str, value: str) -> str:
    text = _NOT_QUOTABLE.sub("", value)
    return f'{name}="{text}"' if text and _PARAMETER_NAME.fullmatch(name) else ""
