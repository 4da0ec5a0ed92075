"""From a presented access token to the caller, with as little work as the promises allow.

A token that was seen before costs one hash and one look into a dictionary: no signature, no store, no network. How long that holds is
bounded three ways: by the token's own end, by the revocation delay (after which the grant is read again), and by the end of the
provider's access token. A grant that ends in this process ends here at once; of one that ends in another process this one hears
where the store can tell, and reads the record again at the next use.

While the store does not answer, a token that was seen before may be good for longer, as long as the operator says and never beyond its end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import TokenRejected, Unavailable, UpstreamMisconfigured, UpstreamRefused
from vestibule.events import Event, emit
from vestibule.grants.access import AccessClaims, AccessTokens
from vestibule.grants.caller import caller_of
from vestibule.grants.code import REPLAY_GRACE_SECONDS
from vestibule.grants.formats import RecordTooNew
from vestibule.grants.model import Grant
from vestibule.grants.renewal import Renewal
from vestibule.grants.store import Grants
from vestibule.grants.verified_tokens import VerifiedToken, VerifiedTokens
from vestibule.tokens import AccessToken

__all__ = ["Carried", "Sessions"]


@dataclass(slots=True)
class Carried:
    """Calls that were let through while the store did not answer.

    Attributes:
        since: the first of them, seconds since the epoch.
        calls: how many.
    """

    since: float
    calls: int = 0


class Sessions:
    """Verifies our own access tokens.

    Args:
        tokens: reads them.
        grants: the records.
        renewal: keeps the provider's tokens alive.
        clock: the time.
        revocation_delay: seconds within which a grant that was ended elsewhere is noticed; 0 reads the store every time.
        store_outage: seconds beyond that for which a session goes on while the store does not answer; 0: not at all.
        max_tokens: how many tokens are remembered.

    Attributes:
        carried: what was let through since the store stopped answering; None: it answers.
    """

    def __init__(
        self,
        tokens: AccessTokens,
        grants: Grants,
        renewal: Renewal,
        clock: Clock,
        *,
        revocation_delay: float,
        store_outage: float = 0,
        max_tokens: int = 10_000,
    ) -> None:
        self._tokens = tokens
        self._grants = grants
        self._renewal = renewal
        self._now: Callable[[], float] = clock.now
        self._delay = revocation_delay
        self._store_outage = store_outage
        self.carried: Carried | None = None
        self._longest = revocation_delay + 1  # what is good for longer is from before the clock was set back
        self._known = VerifiedTokens(max_tokens)
        grants.on_change(self._known.grant_changed)
        tokens.on_retired(self._key_retired)

    async def verify(self, token: str) -> AccessToken:
        """Who is calling.

        Raises:
            TokenRejected: the token is not good; with the exact reason.
            Unavailable: that cannot be told right now.
        """
        digest = hashlib.sha256(token.encode()).digest()  # all of it: a cache keyed by a part mixes users up (CVE-2026-35030)
        entry = self._known.get(digest)
        now = self._now()
        if entry is None or not now < entry.session.good_until <= now + self._longest or entry.good_until <= now:
            entry = await self._verify_anew(token, digest, entry, now)
        return caller_of(entry.claims, entry.session.grant)

    async def _verify_anew(self, token: str, digest: bytes, known: VerifiedToken | None, now: float) -> VerifiedToken:
        claims = self._claims_known(known, now) or self._read(token, digest)
        self._grants.listen(self._known.heard)
        session = self._known.session(claims.grant_id)
        changes = session.changes
        try:
            grant = await self._living_grant(claims, now)
        except _Unread as unread:
            if known is None or not self._may_go_on(known):
                raise unread.trouble from unread
            self._carry()
            return known
        except TokenRejected:
            session.forget()  # whatever was known of it before: a store that fails from now on must not bring it back
            raise
        self.carried = None
        session.grant, session.good_until = grant, 0
        if changes == session.changes:  # otherwise it may be the state of before: it serves this request and is not kept
            session.good_until, session.read_at = self._good_until(grant, now), now
        self._known.put(digest, entry := VerifiedToken(claims, session))
        return entry

    def _claims_known(self, known: VerifiedToken | None, now: float) -> AccessClaims | None:
        """What was read of the token before. This is also where a key file that changed is noticed, however few tokens are new."""
        if known is None or known.good_until <= now or known.claims.kid not in self._tokens.accepted_kids():
            return None
        return known.claims

    def _read(self, token: str, digest: bytes) -> AccessClaims:
        self._known.discard(digest)
        return self._tokens.read(token)

    async def _living_grant(self, claims: AccessClaims, now: float) -> Grant:
        grant = await self._load(claims)
        _is_alive(grant, claims, now)
        _brings_the_key(grant)
        grant = await self._with_use(grant, now)
        grant = await self._renewed(grant)
        _is_alive(grant, claims, now)
        return grant

    async def _load(self, claims: AccessClaims) -> Grant:
        try:
            grant = await self._grants.load(claims.grant_id, claims.data_key)
        except RecordTooNew:
            raise
        except Unavailable as trouble:
            raise _Unread(trouble) from trouble
        if grant is None:
            raise TokenRejected(reasons.GRANT_UNKNOWN)
        return grant

    async def _with_use(self, grant: Grant, now: float) -> Grant:
        """A first use while a replay of the code may still be harmless has to be known everywhere; any other is only noted."""
        if not grant.used and grant.code.spent_at is not None and now - grant.code.spent_at <= REPLAY_GRACE_SECONDS:
            return await self._grants.mark_used(grant)
        return await self._grants.note_use(grant)

    async def _renewed(self, grant: Grant) -> Grant:
        try:
            return await self._renewal.renewed(grant)
        except UpstreamMisconfigured:
            raise
        except UpstreamRefused as refusal:
            raise TokenRejected(refusal.reason, refusal.detail) from refusal

    def _good_until(self, grant: Grant, now: float) -> float:
        """Until when nothing has to be asked again, if it was read after `now`. With no revocation delay: not even once more."""
        until = min(now + self._delay, grant.expires_at)
        if grant.upstream is not None:
            ends = grant.upstream.expires_at
            until = min(until, until if ends is None else ends - self._renewal.early, grant.upstream.check_at or until)
        return until

    def _key_retired(self) -> None:
        """What a retired key signed was good until now."""
        self._known.keep_signed_by(self._tokens.accepted_kids())

    def _may_go_on(self, known: VerifiedToken) -> bool:
        """Whether a token that was verified before is let through although its grant cannot be read."""
        now, session = self._now(), known.session
        if not self._store_outage or not 0 <= now - session.read_at < self._delay + self._store_outage:
            return False
        return now < min(known.good_until, session.grant.expires_at) and self._renewal.may_wait(session.grant)

    def _carry(self) -> None:
        """Count a call that was let through, and say so once in an outage."""
        if self.carried is None:
            self.carried = Carried(self._now())
            detail = f"sessions that were verified before go on for at most {self._delay + self._store_outage:g} s"
            emit(Event(name="operator", reason=reasons.STORE_UNAVAILABLE.code, detail=detail))
        self.carried.calls += 1


class _Unread(Exception):
    """The grant of a token cannot be read: nothing is known against it."""

    def __init__(self, trouble: Unavailable) -> None:
        self.trouble = trouble


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
