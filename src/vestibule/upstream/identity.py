"""Who signed in: the checks of an ID token (OpenID Connect Core 1.0 §3.1.3.7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vestibule import reasons
from vestibule.errors import TokenRejected, UpstreamRefused
from vestibule.keys import jwt
from vestibule.keys.jwt import JWTKeySet

__all__ = ["Identity", "check_id_token"]

_MAX_SUBJECT = 255  # OIDC Core §2
_TYPES: Final = frozenset({"", "jwt"})


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of the provider.

    Attributes:
        subject: ``sub``, unique and never given to someone else within the issuer.
        issuer: ``iss``.
        claims: everything the provider says of the user.
    """

    subject: str
    issuer: str
    claims: dict[str, Any] = field(repr=False)


def check_id_token(
    id_token: str,
    *,
    keys: JWTKeySet,
    issuer: str | Collection[str],
    client_id: str,
    nonce: str | None,
    now: float,
    leeway: float = 30,
    algorithms: Collection[str],
    access_token: str | None = None,
) -> Identity:
    """Check an ID token and read who it is about.

    Args:
        id_token: from the token endpoint.
        keys: the provider's.
        issuer: the provider's issuer, or several.
        client_id: ours at the provider.
        nonce: of the authorization request. None where a refresh gave the token, which need not repeat it (OIDC Core §12.2).
        now: seconds since the epoch.
        leeway: seconds by which clocks may differ.
        algorithms: that the provider may sign with.
        access_token: that came beside it; then ``at_hash`` is checked where present (OIDC Core §3.1.3.8).

    Raises:
        UpstreamRefused: a check failed; its detail names which.
    """
    try:
        header, claims = jwt.decode(id_token, keys, algorithms=algorithms)
        jwt.check_type(header, _TYPES)
        jwt.check_issuer(claims, issuer)
        jwt.check_audience(claims, client_id)
        _check_authorized_party(claims, client_id)
        jwt.check_times(claims, now, leeway)
    except TokenRejected as rejection:
        raise _refused(": ".join(filter(None, (rejection.reason.code, rejection.detail)))) from rejection
    _check_issued_at(claims)
    _check_nonce(claims, nonce)
    _check_access_token_hash(header, claims, access_token)
    return Identity(subject=_read_subject(claims), issuer=str(claims["iss"]), claims=claims)


def _check_authorized_party(claims: Mapping[str, Any], client_id: str) -> None:
    """OIDC Core §3.1.3.7 points 4 and 5: a token for several audiences says for whom it was made."""
    audience = claims["aud"]
    if isinstance(audience, list) and len(set(audience)) > 1 and "azp" not in claims:
        raise _refused("azp is missing beside several audiences")
    if claims.get("azp", client_id) != client_id:
        raise _refused("azp is another client")


def _check_issued_at(claims: Mapping[str, Any]) -> None:
    if "iat" not in claims:  # required by OIDC Core §2
        raise _refused("iat is missing")


def _check_nonce(claims: Mapping[str, Any], nonce: str | None) -> None:
    value = claims.get("nonce")
    if nonce is not None and not (isinstance(value, str) and hmac.compare_digest(value.encode(), nonce.encode())):
        raise _refused("nonce is another one" if value is not None else "nonce is missing")


def _check_access_token_hash(header: Mapping[str, Any], claims: Mapping[str, Any], access_token: str | None) -> None:
    value = claims.get("at_hash")
    if value is None or access_token is None:
        return
    if not isinstance(value, str) or not hmac.compare_digest(value.encode(), _left_half(header["alg"], access_token)):
        raise _refused("at_hash is that of another access token")


def _left_half(algorithm: str, token: str) -> bytes:
    """OIDC Core §3.1.3.6: the left half of the hash that the signature algorithm uses."""
    bits = algorithm[-3:] if algorithm[-3:] in ("256", "384", "512") else "512"  # Ed25519 hashes with SHA-512 (RFC 8032 §5.1)
    digest = hashlib.new(f"sha{bits}", token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")


def _read_subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT:
        raise _refused("sub is missing")
    return subject


def _refused(check: str) -> UpstreamRefused:
    return UpstreamRefused(reasons.UPSTREAM_ID_TOKEN, check)
