"""What the claims of a verified token must say (RFC 7519 §4.1, RFC 9068 §4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from vestibule import reasons
from vestibule.errors import TokenRejected

__all__ = ["check_audience", "check_issuer", "check_times", "check_type"]

_LAST_DATE = 253_402_300_799  # the end of the year 9999


def check_times(claims: Mapping[str, Any], now: float, leeway: float, *, require_exp: bool = True) -> None:
    """Check ``exp``, ``nbf`` and ``iat`` (RFC 7519 §4.1.4–6).

    Args:
        claims: the token's claims.
        now: seconds since the epoch.
        leeway: seconds by which clocks may differ.
        require_exp: whether a token without an end is refused.

    Raises:
        TokenRejected: expired, not valid yet, or a time that is none.
    """
    expires, not_before, issued = (_read_time(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None and require_exp:
        raise TokenRejected(reasons.TOKEN_CLAIMS, "exp is missing")
    if expires is not None and expires + leeway <= now:
        raise TokenRejected(reasons.TOKEN_EXPIRED)
    if max(not_before or 0, issued or 0) > now + leeway:
        raise TokenRejected(reasons.TOKEN_NOT_YET_VALID)


def check_issuer(claims: Mapping[str, Any], issuers: str | Collection[str]) -> None:
    """Check that ``iss`` is one of the issuers, character by character (RFC 8725 §3.8).

    Raises:
        TokenRejected: it is not.
    """
    accepted = {issuers} if isinstance(issuers, str) else set(issuers)
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in accepted:
        raise TokenRejected(reasons.TOKEN_ISSUER, _difference("iss", issuer, accepted))


def check_audience(claims: Mapping[str, Any], audiences: str | Collection[str]) -> None:
    """Check that ``aud``, a string or a list of strings, names one of the audiences (RFC 7519 §4.1.3, RFC 8725 §3.9).

    Raises:
        TokenRejected: it does not.
    """
    accepted = {audiences} if isinstance(audiences, str) else set(audiences)
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named) or accepted.isdisjoint(named):
        raise TokenRejected(reasons.TOKEN_AUDIENCE, _difference("aud", audience, accepted))


def _difference(name: str, value: object, accepted: Collection[str]) -> str:
    """Both sides, for the log: most often one of them is a slip in the configuration."""
    return f"{name} is {repr(value)[:200]}, accepted: {', '.join(sorted(accepted))}"


def check_type(header: Mapping[str, Any], types: Collection[str]) -> None:
    """Check the ``typ`` header (RFC 8725 §3.11): a media type whose ``application/`` may be left out (RFC 7515 §4.1.9).

    Args:
        header: the token's header.
        types: the accepted types, in lower case and without ``application/``; an empty string stands for a missing ``typ``.

    Raises:
        TokenRejected: it is another.
    """
    value = header.get("typ", "")
    if not isinstance(value, str) or value.lower().removeprefix("application/") not in types:
        raise TokenRejected(reasons.TOKEN_TYPE)


def _read_time(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_DATE:
        raise TokenRejected(reasons.TOKEN_CLAIMS, f"{name} is no time")
    return value
