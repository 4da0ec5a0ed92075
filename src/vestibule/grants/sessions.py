"""From a presented access token to the caller, with as little work as the promises allow.

A token that was seen before costs one hash and one look into a dictionary: no signature, no store, no network. How long that holds is
bounded three ways: by the token's own end, by the revocation delay (after which the grant is read again), and by the end of the
provider's access token. A grant that ends in this process ends here at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakValueDictionary

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import TokenRejected, UpstreamMisconfigured, UpstreamRefused
from vestibule.grants.access import AccessClaims, AccessTokens
from vestibule.grants.code import REPLAY_GRACE_SECONDS
from vestibule.grants.model import Grant
from vestibule.grants.renewal import Renewal
from vestibule.grants.store import Grants
from vestibule.tokens import AccessToken

__all__ = ["Sessions"]

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


@dataclass(slots=True, weakref_slot=True)
class _Session:
    """What is known of a grant, shared by all its tokens.

    Attributes:
        good_until: until when nothing has to be asked again; seconds since the epoch.
    """

    grant: Grant
    good_until: float


@dataclass(slots=True)
class _Verified:
    claims: AccessClaims
    session: _Session
    good_until: float = field(init=False)

    def __post_init__(self) -> None:
        self.good_until = float(self.claims.expires_at)


class Sessions:
    """Verifies our own access tokens.

    Args:
        tokens: reads them.
        grants: the records.
        renewal: keeps the provider's tokens alive.
        clock: the time.
        revocation_delay: seconds within which a grant that was ended elsewhere is noticed; 0 reads the store every time.
        max_tokens: how many tokens are remembered.
    """

    def __init__(
        self,
        tokens: AccessTokens,
        grants: Grants,
        renewal: Renewal,
        clock: Clock,
        *,
        revocation_delay: float,
        max_tokens: int = 10_000,
    ) -> None:
        self._tokens = tokens
        self._grants = grants
        self._renewal = renewal
        self._now: Callable[[], float] = clock.now
        self._delay = revocation_delay
        self._longest = revocation_delay + 1  # what is good for longer is from before the clock was set back
        self._max_tokens = max_tokens
        self._verified: dict[bytes, _Verified] = {}
        self._sessions: WeakValueDictionary[str, _Session] = WeakValueDictionary()
        self._changes = 0
        grants.on_change(self._grant_changed)

    async def verify(self, token: str) -> AccessToken:
        """Who is calling.

        Raises:
            TokenRejected: the token is not good; with the exact reason.
            Unavailable: that cannot be told right now.
        """
        digest = hashlib.sha256(token.encode()).digest()  # all of it: a cache keyed by a part mixes users up (CVE-2026-35030)
        entry = self._verified.get(digest)
        now = self._now()
        if entry is None or not now < entry.session.good_until <= now + self._longest or entry.good_until <= now:
            entry = await self._verify_anew(token, digest, entry, now)
        return _caller(entry.claims, entry.session.grant)

    async def _verify_anew(self, token: str, digest: bytes, known: _Verified | None, now: float) -> _Verified:
        claims = known.claims if known is not None and known.good_until > now else self._read(token, digest)
        changes = self._changes
        grant = await self._living_grant(claims, now)
        session = self._sessions.get(grant.id)
        if session is None:
            session = self._sessions[grant.id] = _Session(grant, 0)
        session.grant = grant
        # What was read while something changed may be the state of before: it serves this request and is not kept.
        session.good_until = self._good_until(grant) if changes == self._changes else 0
        self._remember(digest, entry := _Verified(claims, session))
        return entry

    def _read(self, token: str, digest: bytes) -> AccessClaims:
        self._verified.pop(digest, None)
        return self._tokens.read(token)

    async def _living_grant(self, claims: AccessClaims, now: float) -> Grant:
        grant = await self._grants.load(claims.grant_id, claims.data_key)
        if grant is None:
            raise TokenRejected(reasons.GRANT_UNKNOWN)
        _is_alive(grant, claims, now)
        _brings_the_key(grant)
        if not grant.used and grant.code.spent_at is not None and now - grant.code.spent_at <= REPLAY_GRACE_SECONDS:
            grant = await self._grants.mark_used(grant)
        else:
            grant = await self._grants.note_use(grant)
        try:
            grant = await self._renewal.renewed(grant)
        except UpstreamMisconfigured:
            raise
        except UpstreamRefused as refusal:
            raise TokenRejected(refusal.reason, refusal.detail) from refusal
        _is_alive(grant, claims, now)
        return grant

    def _good_until(self, grant: Grant) -> float:
        """Until when nothing has to be asked again. With no revocation delay: not even once more."""
        until = min(self._now() + self._delay, grant.expires_at)
        if grant.upstream is not None:
            ends = grant.upstream.expires_at
            until = min(until, until if ends is None else ends - self._renewal.early, grant.upstream.check_at or until)
        return until

    def _remember(self, digest: bytes, entry: _Verified) -> None:
        self._verified.pop(digest, None)
        while len(self._verified) >= self._max_tokens:
            del self._verified[next(iter(self._verified))]  # the one checked longest ago
        self._verified[digest] = entry

    def _grant_changed(self, grant: Grant) -> None:
        """A change made by this process counts at once."""
        self._changes += 1
        session = self._sessions.get(grant.id)
        if session is not None:
            session.grant = grant
            session.good_until = 0


def _is_alive(grant: Grant, claims: AccessClaims, now: float) -> None:
    if grant.ended:
        raise TokenRejected(reasons.GRANT_ENDED, f"ended: {grant.ended}")
    if grant.client_id != claims.client_id or grant.resource != claims.audience:
        raise TokenRejected(reasons.TOKEN_CLAIMS, "the grant is another client's or resource's")
    if grant.expires_at <= now:
        raise TokenRejected(reasons.GRANT_EXPIRED)


def _brings_the_key(grant: Grant) -> None:
    """Every token of a grant with a data key carries it; one without would be good for nothing but an empty upstream token."""
    if grant.lacks_its_key:
        raise TokenRejected(reasons.TOKEN_CLAIMS, "it lacks the data key of its grant")


def _caller(claims: AccessClaims, grant: Grant) -> AccessToken:
    """A fresh value for each request: what a tool does to it stays in that request.

    A scope that the provider took back is gone from the tokens that were issued with it, too.
    """
    return AccessToken(
        token=grant.upstream.access_token if grant.upstream is not None else "",
        client_id=claims.client_id,
        scopes=[scope for scope in claims.scopes if scope in grant.scopes],
        expires_at=claims.expires_at,
        resource=claims.audience,
        subject=claims.subject,
        claims=_copy(grant.claims),
    )


def _copy(value: Any) -> Any:
    """A copy of a JSON value; several times faster than the general one."""
    if type(value) is dict:
        return {key: item if type(item) in _PLAIN else _copy(item) for key, item in value.items()}
    if type(value) is list:
        return [item if type(item) in _PLAIN else _copy(item) for item in value]
    return value
