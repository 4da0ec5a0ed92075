"""The guard's checks, one function each."""

from __future__ import annotations

import logging
from collections.abc import Collection

from vestibule import reasons
from vestibule.errors import OAuthError, Unavailable, UpstreamMisconfigured, VestibuleError
from vestibule.events import Event, emit
from vestibule.protocol.bearer import read_bearer
from vestibule.reasons import Reason
from vestibule.resource.protection import Protection, Refused, rejection, rejection_detail
from vestibule.resource.requests import Headers
from vestibule.tokens import AccessToken

__all__ = ["host_is_ours", "origin_is_allowed", "scopes_suffice", "token_is_good"]

_log = logging.getLogger("vestibule.resource")


def host_is_ours(protection: Protection, headers: Headers) -> None:
    host = headers.text(b"host")
    if host is None or host not in protection.hosts:
        raise Refused(421, reasons.HOST_NOT_ALLOWED, None, detail=f"Host: {(host or 'none')[:100]}")


def origin_is_allowed(protection: Protection, origin: bytes | None) -> None:
    if origin is not None and origin.decode("latin-1") not in protection.origins:
        raise Refused(403, reasons.ORIGIN_NOT_ALLOWED, None, detail=f"Origin: {origin[:100].decode('latin-1')}")


async def token_is_good(protection: Protection, headers: Headers) -> AccessToken:
    """Missing, unreadable, refused and "cannot tell right now" are four different answers."""
    try:
        text = read_bearer(headers.all(b"authorization"))
    except OAuthError as error:
        raise Refused(error.status, error.reason, error.error) from error
    if text is None:
        raise Refused(401, reasons.TOKEN_MISSING, None, scopes=protection.challenge_scopes)
    rejection.set(None)
    rejection_detail.set("")
    token = await _verified(protection, text)
    if token is None or not _looks_like_a_token(token):
        raise _no(protection, rejection.get() or reasons.TOKEN_NOT_ACCEPTED, rejection_detail.get())
    if protection.audience is not None and token.resource != protection.audience:
        raise _no(protection, reasons.TOKEN_AUDIENCE, f"the token is for {token.resource}, this is {protection.audience}")
    return token


async def _verified(protection: Protection, text: str) -> AccessToken | None:
    try:
        return await protection.verify(text)
    except UpstreamMisconfigured as error:
        emit(Event(name="operator", reason=error.reason.code, detail=error.detail))
        raise Refused(502, error.reason, "server_error") from error
    except Unavailable as error:
        raise Refused(
            503, error.reason, "temporarily_unavailable", retry_after=error.retry_after, detail=error.detail
        ) from error
    except VestibuleError as error:
        raise _no(protection, error.reason, error.detail) from error
    except Exception as error:
        _log.exception("the token verifier failed: %s", type(error).__name__)
        raise Refused(503, reasons.INTERNAL, "temporarily_unavailable", retry_after=5) from error


def _looks_like_a_token(value: object) -> bool:
    """A verifier of a user's own may return the host's token class; anything else, truthy or not, is a "no"."""
    return all(hasattr(value, name) for name in ("token", "client_id", "scopes"))


def _no(protection: Protection, reason: Reason, detail: str) -> Refused:
    status, error = (403, "insufficient_scope") if reason is reasons.SCOPE_MISSING else (401, "invalid_token")
    return Refused(status, reason, error, scopes=protection.challenge_scopes, detail=detail)


def scopes_suffice(protection: Protection, needed: Collection[str], held: frozenset[str]) -> None:
    """403 with everything that is needed at once (RFC 6750 §3.1, SEP-2350)."""
    if not held.issuperset(needed):
        everything = list(dict.fromkeys(needed))
        raise Refused(403, reasons.SCOPE_MISSING, "insufficient_scope", scopes=protection.to_challenge(everything))
