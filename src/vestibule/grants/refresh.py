"""Rotating a refresh token: who may, what comes back, and when a second use is theft.

The decision table, for a token that is ours and a client that is the grant's:

==============================================  =====================================================
presented token                                 answer
==============================================  =====================================================
the current one                                 its successor
the one before, successor unused, in time       the same successor again
the one before, too late or too often           the grant ends
any older one                                   the grant ends: its successor was used
the one before the one before, which had come   refused, nothing ends: its request was held up
before it was that old
one the record does not know (a store that      refused, nothing ends: storage trouble is never
lost writes)                                    taken for theft
==============================================  =====================================================
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.grants.data_key import DataKey
from vestibule.grants.model import Grant, Rotation
from vestibule.grants.tokens import RefreshToken
from vestibule.keys.keyring import KeyRing
from vestibule.protocol.resource_indicators import same_resource

__all__ = ["RETRY_SECONDS", "Presented", "RefreshReused", "RefreshRules", "check_refresh", "presented_key", "rotate"]

RETRY_SECONDS = 60
"""How long a client that lost an answer may ask again."""


@dataclass(frozen=True, slots=True)
class RefreshRules:
    """How refresh tokens live.

    Attributes:
        life: seconds a grant lives on after each rotation.
        retry_seconds: how long the previous token is answered with the same successor.
        retry_count: and how often.
    """

    life: float
    retry_seconds: float = RETRY_SECONDS
    retry_count: int = 100


@dataclass(frozen=True, slots=True)
class Presented:
    """What a client presents at the token endpoint for a refresh.

    Attributes:
        token: the parsed refresh token.
        client_id: of the authenticated client.
        scopes: asked for; empty means all of the grant.
        resources: ``resource`` values, if sent.
        came_at: seconds since the epoch. What we and the provider take after that makes no retry too late.
        asked_at: when it came for the first time, if it could not be answered then: what a store is away makes no retry too late.
    """

    token: RefreshToken
    client_id: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    came_at: float
    asked_at: float


class RefreshReused(OAuthError):
    """A refresh token was used after its successor: the grant must end (RFC 9700 §4.14.2)."""

    def __init__(self) -> None:
        super().__init__("invalid_grant", reasons.REFRESH_REUSED)


class _Standing(Enum):
    CURRENT = auto()
    PREVIOUS = auto()
    SPENT = auto()
    UNKNOWN = auto()


def check_refresh(grant: Grant, presented: Presented, rules: RefreshRules, now: float) -> None:
    """Everything that can be refused, before anything is asked upstream or rotated.

    Raises:
        OAuthError: ``invalid_grant``, ``invalid_scope`` or ``invalid_target``.
        RefreshReused: see the table above.
    """
    for check in _CHECKS:
        check(grant, presented)
    _grant_is_current(grant, now)
    _token_is_usable(grant, presented, rules)


def rotate(grant: Grant, presented: Presented, rules: RefreshRules, keyring: KeyRing, now: float) -> Grant:
    """The grant after this refresh; the token to answer with is ``presented.token.successor(keyring, rotation.salt, rotation.ring_key)``.

    Raises:
        as :func:`check_refresh`.
    """
    check_refresh(grant, presented, rules, now)
    rotation, key = _rotation(grant), presented_key(grant, presented.token)
    if grant.lacks_its_key and key is None:
        raise OAuthError("invalid_grant", reasons.REFRESH_INVALID, "it does not open the data key of its grant")
    if _standing(rotation, presented.token) is _Standing.PREVIOUS:
        again = replace(rotation, retries=rotation.retries + 1, ring_key=keyring.current.id)  # the successor is made anew
        return replace(grant, rotation=again, data_key=key)
    salt = secrets.token_urlsafe(32)
    successor = presented.token.successor(keyring, salt)
    advanced = Rotation(
        generation=rotation.generation + 1,
        digest=successor.digest,
        previous_digest=rotation.digest,
        salt=salt,
        rotated_at=now,
        wrapped_key=key.wrap(successor.secret) if key else "",
        previous_wrapped_key=rotation.wrapped_key,
        ring_key=successor.ring_key,
        previous_ring_key=presented.token.ring_key,
    )
    return replace(grant, rotation=advanced, used=True, data_key=key, expires_at=grant.lives_until(now, rules.life))


def presented_key(grant: Grant, token: RefreshToken) -> DataKey | None:
    """The grant's data key, if it has one and this refresh token is one that opens it: the current one or the one before."""
    if not grant.lacks_its_key or grant.rotation is None:
        return None
    standing = _standing(grant.rotation, token)
    wrapped = {_Standing.CURRENT: grant.rotation.wrapped_key, _Standing.PREVIOUS: grant.rotation.previous_wrapped_key}
    return DataKey.unwrap(grant.id, wrapped.get(standing, ""), token.secret)


def _standing(rotation: Rotation, token: RefreshToken) -> _Standing:
    """Digests are of 256-bit random values and the tag was checked before: nothing to learn from timing."""
    if token.generation == rotation.generation and token.digest == rotation.digest:
        return _Standing.CURRENT
    if token.generation == rotation.generation - 1 and token.digest == rotation.previous_digest:
        return _Standing.PREVIOUS
    return _Standing.SPENT if token.generation < rotation.generation else _Standing.UNKNOWN


def _rotation(grant: Grant) -> Rotation:
    if grant.rotation is None:
        raise OAuthError("invalid_grant", reasons.REFRESH_INVALID, "the grant has no refresh token")
    return grant.rotation


def _token_is_of_the_client(grant: Grant, presented: Presented) -> None:
    """RFC 6749 §10.4."""
    if grant.client_id != presented.client_id:
        raise OAuthError("invalid_grant", reasons.REFRESH_CLIENT)


def _scopes_are_granted(grant: Grant, presented: Presented) -> None:
    """RFC 6749 §6: the same or fewer."""
    if not set(presented.scopes) <= set(grant.scopes):
        raise OAuthError("invalid_scope", reasons.SCOPE_WIDENED)


def _resource_is_granted(grant: Grant, presented: Presented) -> None:
    """RFC 8707 §2.2."""
    if not all(same_resource(resource, grant.resource) for resource in presented.resources):
        raise OAuthError("invalid_target", reasons.RESOURCE_WIDENED)


def _grant_is_current(grant: Grant, now: float) -> None:
    if grant.ended:
        raise OAuthError("invalid_grant", reasons.GRANT_ENDED, f"ended: {grant.ended}")
    if grant.expires_at <= now:
        raise OAuthError("invalid_grant", reasons.GRANT_EXPIRED)


def _token_is_usable(grant: Grant, presented: Presented, rules: RefreshRules) -> None:
    rotation = _rotation(grant)
    standing = _standing(rotation, presented.token)
    if standing is _Standing.UNKNOWN:
        raise OAuthError("invalid_grant", reasons.REFRESH_INVALID, "newer than the stored grant: the store lost writes")
    if standing is _Standing.SPENT and _was_held_up(rotation, presented):
        raise OAuthError("invalid_grant", reasons.REFRESH_INVALID, "held up here while it and its successor were used")
    in_time = presented.asked_at - rotation.rotated_at <= rules.retry_seconds and rotation.retries < rules.retry_count
    if standing is _Standing.SPENT or (standing is _Standing.PREVIOUS and not in_time):
        raise RefreshReused


def _was_held_up(rotation: Rotation, presented: Presented) -> bool:
    """Whether it came before its successor was used, so that it was no reuse when it came: a process that stands still is no thief."""
    return presented.token.generation == rotation.generation - 2 and presented.came_at < rotation.rotated_at


_CHECKS: tuple[Callable[[Grant, Presented], None], ...] = (
    _token_is_of_the_client,
    _scopes_are_granted,
    _resource_is_granted,
)
