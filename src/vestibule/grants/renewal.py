"""Keeping the provider's tokens of a grant alive, asked for once however many want them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import Unavailable, UpstreamMisconfigured, UpstreamRefused, VestibuleError
from vestibule.events import Event, emit
from vestibule.grants.data_key import DataKey
from vestibule.grants.formats import RecordTooNew
from vestibule.grants.lease import holds, is_anothers, merge, release, take, was_held_up
from vestibule.grants.model import Grant
from vestibule.grants.store import Grants
from vestibule.net.cache import TTLCache
from vestibule.net.single_flight import SingleFlight

__all__ = ["CHECK_GRACE_SECONDS", "WAIT_SECONDS", "Renewal", "RenewalUnchecked"]

CHECK_GRACE_SECONDS = 300
"""How long a token whose check is due goes on while the provider does not answer."""

PAUSE_SECONDS = 5
"""How long a provider that did not answer is not asked again for the same grant, so that not every request waits for a time-out."""

WAIT_SECONDS = 15
"""How long a request waits for another process that holds the lease: longer than a provider may take to answer, shorter than the
lease of a process that died, as clients and load balancers give up on a request sooner than that."""

UNWRITTEN_SECONDS = 3600
"""How long what the provider answered is kept here while the store cannot take it."""

_POLL_SECONDS = 0.05
_STORE_RETRY_SECONDS = 0.5

AskUpstream = Callable[[Grant], Awaitable[Grant]]
"""Asks the provider with the grant's refresh token, checks the answer, and returns the grant with the new tokens and claims."""

TakeBack = Callable[[Grant], Awaitable[None]]
"""Takes the provider's tokens back."""


class RenewalUnchecked(VestibuleError):
    """The provider gave new tokens, and nobody can tell whether they are good: right now, or before an operator has mended something.

    Attributes:
        grant: with the new refresh token. A provider that rotates them has taken the old one back, so it must not be lost; its access
            token counts as ended, so that everything is asked and checked again before anyone uses it.
        trouble: why; it goes on to whoever waits.
    """

    def __init__(self, grant: Grant, trouble: Unavailable | UpstreamMisconfigured) -> None:
        super().__init__(trouble.reason, trouble.detail)
        self.grant = grant
        self.trouble = trouble


class _NotBegun(Unavailable):
    """The store cannot be written, so the provider was not asked, and nothing is known against the grant."""


class Renewal:
    """Renews upstream tokens: one request per grant and process, one per grant and lease across processes.

    Args:
        grants: the records.
        ask_upstream: does the asking; raises ``UpstreamRefused`` for "never again", ``Unavailable`` for "not now".
        clock: the time.
        early: renew this many seconds before the end.
        take_back: told of a session that ended while its new tokens were on the way: nobody else knows these.
    """

    def __init__(
        self, grants: Grants, ask_upstream: AskUpstream, clock: Clock, early: float = 0, take_back: TakeBack | None = None
    ) -> None:
        self._grants = grants
        self._ask_upstream = ask_upstream
        self._clock = clock
        self.early = early
        self._take_back = take_back
        self._pauses: TTLCache[str, bool] = TTLCache(10_000, clock)
        self._flight: SingleFlight[tuple[str, DataKey | None], Grant] = SingleFlight()
        self._unwritten: dict[str, tuple[Grant, str]] = {}  # answers and the holders of their leases, by grant
        self._writing: set[asyncio.Task[None]] = set()

    def is_due(self, grant: Grant) -> bool:
        """Whether the provider has to be asked before the grant is used again."""
        now, upstream = self._clock.now(), grant.upstream
        return upstream is not None and (upstream.has_ended(now, self.early) or upstream.needs_check(now))

    async def renewed(self, grant: Grant) -> Grant:
        """The grant with a living upstream token.

        Raises:
            UpstreamRefused: the provider ended the session, and so did we.
            Unavailable: the provider or the store does not answer; nothing is lost.
        """
        if not self.is_due(grant):
            return grant
        if self._pauses.get(grant.id) is not None:
            return self._as_it_is(grant)
        who = grant.id, grant.data_key
        try:
            return await self._flight.share(who, lambda: self._renew(*who))
        except Unavailable as error:
            if isinstance(error, _NotBegun) and self.may_wait(grant):
                return grant
            if error.reason is reasons.STORE_UNAVAILABLE:
                raise
            self._pauses.put(grant.id, True, PAUSE_SECONDS)
            return self._as_it_is(grant)

    def may_wait(self, grant: Grant) -> bool:
        """Whether nobody is harmed if nothing is asked for the moment: the old token holds, and its last check is not old."""
        now, upstream = self._clock.now(), grant.upstream
        return upstream is None or not (upstream.has_ended(now) or upstream.needs_check(now - CHECK_GRACE_SECONDS))

    def _as_it_is(self, grant: Grant) -> Grant:
        """What there is, while the provider does not answer for the moment."""
        if not self.may_wait(grant):
            raise Unavailable(
                reasons.UPSTREAM_UNAVAILABLE, "its token cannot be renewed for the moment", retry_after=PAUSE_SECONDS
            )
        return grant

    async def _renew(self, grant_id: str, key: DataKey | None) -> Grant:
        holder, patience_ends = secrets.token_hex(8), self._clock.now() + WAIT_SECONDS
        while True:
            grant = await self._take_lease(grant_id, holder, key)
            if grant.ended or not self.is_due(grant):
                return grant
            if holds(grant, holder):
                renewed = await self._renew_holding(grant, holder)
                if renewed is not None:
                    return renewed
                continue
            if self._clock.now() >= patience_ends:
                raise Unavailable(reasons.UPSTREAM_UNAVAILABLE, "another process has asked for long, or has died over it")
            await self._clock.sleep(_POLL_SECONDS)

    async def _take_lease(self, grant_id: str, holder: str, key: DataKey | None) -> Grant:
        def rule(grant: Grant) -> Grant:
            now = self._clock.now()
            if grant.ended or not self.is_due(grant) or is_anothers(grant, holder, now):
                return grant
            if grant.upstream is not None and grant.upstream.has_ended(now, self.early):
                _can_be_renewed(grant)
            return take(grant, holder, now)

        try:
            await self._catch_up(grant_id)
            grant = await self._grants.change(grant_id, rule, key)
            while grant is not None and was_held_up(grant, holder, self._clock.now()):
                grant = await self._grants.change(grant_id, rule, key)
        except RecordTooNew:
            raise
        except Unavailable as trouble:
            raise _NotBegun(trouble.reason, trouble.detail, retry_after=trouble.retry_after) from trouble
        if grant is None:
            raise UpstreamRefused(reasons.GRANT_UNKNOWN)
        return grant

    async def _renew_holding(self, grant: Grant, holder: str) -> Grant | None:
        """Ask, and give the grant as it is then; None where another took the lease meanwhile, so that this answer does not count."""
        try:
            answer = await self._ask_upstream(grant)
        except UpstreamMisconfigured:
            await self._release(grant.id, holder)
            raise
        except UpstreamRefused as refusal:
            await self._grants.end(
                grant.id, refusal.reason, detail=refusal.detail, only_if=lambda current: holds(current, holder)
            )
            current = await self._grants.load(grant.id, grant.data_key)
            if current is not None and not current.ended:
                return None
            raise
        except RenewalUnchecked as unchecked:
            await self._write_down(unchecked.grant, holder)
            raise unchecked.trouble from unchecked
        except BaseException:
            await self._release(grant.id, holder)
            raise
        renewed = await self._write_down(answer, holder)
        emit(Event(name="upstream_refreshed", client_id=grant.client_id[:24], subject=grant.subject, grant_id=grant.id))
        if renewed is None:
            raise UpstreamRefused(reasons.GRANT_UNKNOWN)
        return renewed if renewed.ended or renewed.upstream is answer.upstream else None

    async def _write_down(self, answer: Grant, holder: str) -> Grant | None:
        """Keep what the provider answered; None if the grant is gone.

        The provider may have spent the refresh token that we hold (RFC 9700 §4.14.2), so this answer is all there is: trouble of the
        store that passes must not lose it. Nobody waits for that, and until it is written this process does not ask again.
        """
        try:
            return await self._merged(answer, holder)
        except RecordTooNew:
            raise
        except Unavailable:
            self._unwritten[answer.id] = answer, holder
            task = asyncio.create_task(self._write_down_later(answer.id))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
            raise

    async def _write_down_later(self, grant_id: str) -> None:
        until = self._clock.now() + UNWRITTEN_SECONDS
        while grant_id in self._unwritten and self._clock.now() < until:
            await self._clock.sleep(_STORE_RETRY_SECONDS)
            with suppress(Unavailable):
                await self._catch_up(grant_id)
        self._unwritten.pop(grant_id, None)

    async def _catch_up(self, grant_id: str) -> None:
        """Write what the store could not take before. It counts as long as nobody else has taken the lease, however old that is."""
        unwritten = self._unwritten.get(grant_id)
        if unwritten is not None:
            await self._merged(*unwritten)
            self._unwritten.pop(grant_id, None)

    async def _merged(self, answer: Grant, holder: str) -> Grant | None:
        merged = await self._grants.change(answer.id, lambda current: merge(current, answer, holder), answer.data_key)
        if self._take_back is not None and (merged is None or merged.ended):
            await self._take_back(answer)
        return merged

    async def _release(self, grant_id: str, holder: str) -> None:
        await self._grants.change(grant_id, lambda grant: release(grant, holder))


def _can_be_renewed(grant: Grant) -> None:
    if grant.upstream is None or not grant.upstream.is_renewable:
        raise UpstreamRefused(reasons.GRANT_EXPIRED, "the provider's token ended and it gave no refresh token")
