"""From claims to an access token: the names differ from provider to provider, the meaning does not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any, Final

from vestibule.tokens import AccessToken

__all__ = ["access_token", "scopes_of"]

# RFC 9068 §2.2, then the names of OpenID Connect, Okta and Entra ID (v1).
_CLIENT_CLAIMS: Final = ("client_id", "azp", "cid", "appid")


def access_token(token: str, claims: Mapping[str, Any], audiences: Collection[str] = ()) -> AccessToken:
    """The access token that checked claims describe.

    Args:
        token: as it was presented.
        claims: after every check.
        audiences: the accepted ones; the first that the token names becomes its resource.
    """
    expires_at = claims.get("exp")
    return AccessToken(
        token=token,
        client_id=next((value for name in _CLIENT_CLAIMS if (value := _text(claims, name))), ""),
        scopes=scopes_of(claims),
        expires_at=None if expires_at is None else int(expires_at),
        resource=_resource(claims.get("aud"), audiences),
        subject=_text(claims, "sub"),
        claims=deepcopy(dict(claims)),
    )


def scopes_of(claims: Mapping[str, Any]) -> list[str]:
    """The scopes in ``scope`` (RFC 8693 §4.2) or ``scp``, a text or a list of texts. What is neither grants nothing."""
    value = claims.get("scope", claims.get("scp"))
    listed = value.split() if isinstance(value, str) else value
    return [scope for scope in listed if isinstance(scope, str)] if isinstance(listed, list) else []


def _resource(audience: object, accepted: Collection[str]) -> str | None:
    if isinstance(audience, str):
        return audience
    named = audience if isinstance(audience, list) else []
    return next((name for name in named if name in accepted), None)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) else None
