"""Redeeming an authorization code: the checks, in order, and the change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.grants.data_key import DataKey
from vestibule.grants.model import Grant, Rotation
from vestibule.grants.tokens import CodeToken, RefreshToken
from vestibule.protocol.pkce import verifier_fits
from vestibule.protocol.resource_indicators import same_resource
from vestibule.reasons import Reason

__all__ = ["REPLAY_GRACE_SECONDS", "CodeReplayed", "Redemption", "redeem"]

REPLAY_GRACE_SECONDS = 10
"""Some clients post a code twice. Within this time, and before a token was used, a second post ends nothing."""


class CodeReplayed(OAuthError):
    """A spent code came back from the right client with the right verifier (OAuth 2.1 §4.1.3)."""

    def __init__(self, *, harmless: bool) -> None:
        super().__init__("invalid_grant", reasons.CODE_SPENT)
        self.harmless = harmless


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a client presents at the token endpoint for a code.

    Attributes:
        code: the parsed code.
        client_id: of the authenticated client.
        verifier: PKCE ``code_verifier``.
        redirect_uri: if sent.
        resources: ``resource`` values, if sent.
    """

    code: CodeToken
    client_id: str
    verifier: str
    redirect_uri: str | None
    resources: tuple[str, ...]


def redeem(grant: Grant, presented: Redemption, *, now: float, refresh: RefreshToken | None, life: float) -> Grant:
    """The grant with its code spent and its first refresh token in place.

    Everything that can be refused is refused before the code is spent (a client may correct itself and try again), and a replay is
    recognised only when all else is right, so that nobody else can end a session with it (OAuth 2.1 §7.5.3).

    Args:
        now: when the request came, seconds since the epoch.
        life: seconds the grant lives on without a refresh.

    Raises:
        OAuthError: ``invalid_grant`` or ``invalid_target``.
        CodeReplayed: the code was spent before.
    """
    for check in _CHECKS:
        check(grant, presented)
    _code_is_unspent(grant, now)
    _grant_is_alive(grant)
    _code_is_fresh(grant, now)
    key = _data_key(grant, presented.code)
    wrapped = key.wrap(refresh.secret) if key and refresh else ""
    rotation = None
    if refresh is not None:
        rotation = Rotation(generation=1, digest=refresh.digest, rotated_at=now, wrapped_key=wrapped, ring_key=refresh.ring_key)
    spent = replace(grant.code, spent_at=now, wrapped_key="")
    return replace(grant, code=spent, rotation=rotation, data_key=key, expires_at=grant.lives_until(now, life))


def _data_key(grant: Grant, code: CodeToken) -> DataKey | None:
    """The data key of a grant whose tokens are locked, by its code.

    Raises:
        OAuthError: the code does not open it.
    """
    if not grant.lacks_its_key:
        return None
    key = DataKey.unwrap(grant.id, grant.code.wrapped_key, code.secret)
    if key is None:
        raise _refuse(reasons.CODE_INVALID)
    return key


def _refuse(reason: Reason, error: str = "invalid_grant") -> OAuthError:
    return OAuthError(error, reason)


def _code_is_of_the_grant(grant: Grant, presented: Redemption) -> None:
    if grant.code.digest != presented.code.digest:
        raise _refuse(reasons.CODE_INVALID)


def _code_is_of_the_client(grant: Grant, presented: Redemption) -> None:
    """RFC 6749 §4.1.3."""
    if grant.client_id != presented.client_id:
        raise _refuse(reasons.CODE_CLIENT)


def _redirect_uri_is_the_same(grant: Grant, presented: Redemption) -> None:
    """OAuth 2.1 §10.2: clients need not repeat it, but what they repeat must be it."""
    if presented.redirect_uri is not None and presented.redirect_uri != grant.code.redirect_uri:
        raise _refuse(reasons.CODE_REDIRECT_URI)


def _verifier_fits(grant: Grant, presented: Redemption) -> None:
    """RFC 7636 §4.6."""
    if not verifier_fits(presented.verifier, grant.code.challenge):
        raise _refuse(reasons.CODE_VERIFIER)


def _resource_is_granted(grant: Grant, presented: Redemption) -> None:
    """RFC 8707 §2.2: a token request may narrow, never widen or swap."""
    if not all(same_resource(resource, grant.resource) for resource in presented.resources):
        raise _refuse(reasons.RESOURCE_WIDENED, "invalid_target")


def _code_is_unspent(grant: Grant, now: float) -> None:
    spent_at = grant.code.spent_at
    if spent_at is not None:
        unused = not grant.used and _never_refreshed(grant)
        # What came before the code was spent was held up here; a replay comes after.
        raise CodeReplayed(harmless=now < spent_at or (unused and now - spent_at <= REPLAY_GRACE_SECONDS))


def _never_refreshed(grant: Grant) -> bool:
    return grant.rotation is None or grant.rotation.generation == 1


def _grant_is_alive(grant: Grant) -> None:
    if grant.ended:
        raise _refuse(reasons.GRANT_ENDED)


def _code_is_fresh(grant: Grant, now: float) -> None:
    if grant.code.expires_at <= now:
        raise _refuse(reasons.CODE_EXPIRED)


_CHECKS: tuple[Callable[[Grant, Redemption], None], ...] = (
    _code_is_of_the_grant,
    _code_is_of_the_client,
    _redirect_uri_is_the_same,
    _verifier_fits,
    _resource_is_granted,
)
