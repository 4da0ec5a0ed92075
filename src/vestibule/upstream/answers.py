"""Reading the provider's token endpoint: tokens, a refusal for good, or trouble that will pass (RFC 6749 §5).

The three are told apart in one table, because taking one for another either logs users out for nothing or sends them in circles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from vestibule import reasons
from vestibule.errors import Unavailable, UpstreamMisconfigured, UpstreamRefused
from vestibule.net.exchange import FetchResult

__all__ = ["UpstreamTokens", "check_answer", "read_tokens"]


@dataclass(frozen=True, slots=True)
class UpstreamTokens:
    """What the provider gave. Everything but the times, the type and the scope is a secret.

    Attributes:
        access_token: for the provider's API.
        token_type: ``Bearer``.
        expires_at: end of the access token in seconds since the epoch, or None if the provider does not say.
        refresh_token: None if there is none.
        refresh_expires_at: end of the refresh token, where the provider says.
        scope: what was granted, or None if the provider does not say: then what was asked for (RFC 6749 §5.1).
        id_token: not checked yet.
        raw: the whole answer.
    """

    access_token: str = field(repr=False)
    token_type: str
    expires_at: float | None
    refresh_token: str | None = field(repr=False)
    refresh_expires_at: float | None
    scope: tuple[str, ...] | None
    id_token: str | None = field(repr=False)
    raw: dict[str, Any] = field(repr=False)


_TRANSIENT_STATUS: Final = frozenset({408, 425, 429})
_TRANSIENT: Final = frozenset(
    {"temporarily_unavailable", "server_error", "slow_down", "internal_failure", "rate_limit_exceeded", "too_many_requests"}
)
_DEAD: Final = frozenset(
    {
        "invalid_grant",
        "access_denied",
        "interaction_required",  # a policy of the provider wants the user again (OIDC Core §3.1.2.6)
        "login_required",
        "consent_required",
        "bad_verification_code",  # GitHub's words for invalid_grant
        "bad_refresh_token",
        "unverified_user_email",
        "expired_token",
        "token_expired",
    }
)
_CREDENTIALS: Final = frozenset({"invalid_client", "unauthorized_client", "incorrect_client_credentials"})

_ERROR_CODE: Final = re.compile(r"[\x20-\x7e]{1,80}")
_TOKEN: Final = re.compile(r"[\x20-\x7e]+")  # RFC 6749 Appendix A.12 and A.17

_RETRY_AFTER_DEFAULT = 5
_RETRY_AFTER_MAX = 300
_MAX_DETAIL = 300
_MAX_LIFETIME = 10 * 365 * 86400


def read_tokens(answer: FetchResult, *, now: float, sent: Collection[str] = ()) -> UpstreamTokens:
    """The tokens of an answer of the token endpoint.

    Args:
        answer: its answer.
        now: when the request was sent, seconds since the epoch.
        sent: secrets of the request, kept out of anything that is logged.

    Raises:
        Unavailable: nothing is wrong with the request; try later.
        UpstreamRefused: code or refresh token are dead.
        UpstreamMisconfigured: the provider refuses this server, or answers with what cannot be used.
    """
    members = check_answer(answer, sent=sent)
    return UpstreamTokens(
        access_token=_read_access_token(members),
        token_type=_read_token_type(members),
        expires_at=_read_end(members, ("expires_in",), now),
        refresh_token=_read_token(members, "refresh_token"),
        refresh_expires_at=_read_end(members, ("refresh_expires_in", "refresh_token_expires_in"), now),
        scope=_read_scope(members),
        id_token=_read_token(members, "id_token"),
        raw=members,
    )


def check_answer(answer: FetchResult, *, sent: Collection[str] = (), may_be_empty: bool = False) -> dict[str, Any]:
    """The members of a successful answer; raises what :func:`read_tokens` raises."""
    _check_is_not_transient(answer)
    members = _read_object(answer.body)
    # GitHub answers errors with status 200.
    if not 200 <= answer.status < 300 or (members is not None and "error" in members):
        _refuse(answer, members or {}, sent)
    if members is None and not may_be_empty:
        raise UpstreamMisconfigured(reasons.UPSTREAM_ANSWER, "the answer is no JSON object")
    return members or {}


def _check_is_not_transient(answer: FetchResult) -> None:
    if answer.status >= 500 or answer.status in _TRANSIENT_STATUS:
        raise _unavailable(answer, f"HTTP {answer.status}")


def _refuse(answer: FetchResult, members: Mapping[str, Any], sent: Collection[str]) -> NoReturn:
    code = _read_error_code(members)
    detail = _detail(answer.status, code, members.get("error_description"), sent)
    if code in _TRANSIENT:
        raise _unavailable(answer, detail)
    if code in _DEAD:
        raise UpstreamRefused(reasons.UPSTREAM_REFUSED, detail, error=code)
    if code in _CREDENTIALS or answer.status == 401:
        raise UpstreamMisconfigured(reasons.UPSTREAM_CREDENTIALS, detail, error=code)
    # A code that is not known is no proof that the session is dead, so it must not end it.
    raise UpstreamMisconfigured(reasons.UPSTREAM_ERROR, detail, error=code)


def _read_error_code(members: Mapping[str, Any]) -> str:
    error = members.get("error")
    return error if isinstance(error, str) and _ERROR_CODE.fullmatch(error) else ""


def _unavailable(answer: FetchResult, detail: str) -> Unavailable:
    text = answer.headers.get("retry-after", "")
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else _RETRY_AFTER_DEFAULT
    return Unavailable(reasons.UPSTREAM_UNAVAILABLE, detail, retry_after=min(max(seconds, 1), _RETRY_AFTER_MAX))


def _detail(status: int, code: str, description: object, sent: Collection[str]) -> str:
    text = f"HTTP {status} {code}: {description}" if isinstance(description, str) else f"HTTP {status} {code}"
    for secret in filter(None, sent):  # some providers repeat what they were sent
        text = text.replace(secret, "[hidden]")
    return "".join(c if c.isprintable() else " " for c in text)[:_MAX_DETAIL].strip()


def _read_object(body: bytes) -> dict[str, Any] | None:
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None


def _read_access_token(members: Mapping[str, Any]) -> str:
    token = _read_token(members, "access_token")
    if token is None:
        raise UpstreamMisconfigured(reasons.UPSTREAM_ANSWER, "the answer holds no access token")
    return token


def _read_token_type(members: Mapping[str, Any]) -> str:
    """RFC 6749 §7.1: a token of a type that is not understood must not be used. Leaving the type out is common."""
    kind = members.get("token_type") or "Bearer"
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise UpstreamMisconfigured(reasons.UPSTREAM_ANSWER, "the access token is no bearer token")
    return "Bearer"


def _read_token(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        return None
    if _TOKEN.fullmatch(value) is None:
        raise UpstreamMisconfigured(reasons.UPSTREAM_ANSWER, f"{name} has characters that no token has")
    return value


def _read_end(members: Mapping[str, Any], names: Collection[str], now: float) -> float | None:
    """Now and the seconds of the first member that is there. Some send digits as text; 0 is Keycloak's word for "no end"."""
    for name in names:
        value = members.get(name)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value):
            value = int(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MAX_LIFETIME:
            return now + value
    return None


def _read_scope(members: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Separated by spaces (RFC 6749 §3.3), as a list, or by GitHub's commas."""
    value = members.get("scope")
    if isinstance(value, list):
        value = " ".join(item for item in value if isinstance(item, str))
    return tuple(dict.fromkeys(re.findall(r"[^\s,]+", value))) if isinstance(value, str) else None
