"""Reading and changing grants, one compare-and-swap at a time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import Unavailable
from vestibule.events import Event, emit
from vestibule.grants.data_key import DataKey
from vestibule.grants.formats import RecordTooNew
from vestibule.grants.last_use import is_due, with_use
from vestibule.grants.model import Grant
from vestibule.storage.announcements import Hearer, announcements_of
from vestibule.storage.protocol import Store
from vestibule.storage.sealed import SealedRecords

__all__ = ["Grants", "record_key"]

TOMBSTONE_SECONDS = 86_400
"""How long an ended grant stays, so that its tokens are answered with why."""

_UNCLAIMED_SECONDS = 600  # a code that nobody came for: no reason to keep the provider's tokens

_NOTE_PAUSE_SECONDS = 60  # without notes of use after one failed: a store that cannot be written must not slow calls down

_TURN = 100  # records after which a scan lets others run

_ATTEMPTS = 200  # of one change; each lost attempt means that another request's change went through


def record_key(grant_id: str) -> str:
    """The store key of a grant: a digest, so that a listing tells nothing."""
    return "grant/" + hashlib.sha256(grant_id.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Held:
    """A grant as it was read, with the version to swap against."""

    grant: Grant
    version: int


class Grants:
    """The grants of one authorization server.

    Another may have the same store and the same keys, but another provider, which must not be sent what this one's gave. So a grant of
    another server counts as absent.

    Args:
        records: the sealed store.
        clock: the time.
        issuer: the server; None: the grants of every server.
    """

    def __init__(self, records: SealedRecords, clock: Clock, *, issuer: str | None = None) -> None:
        self._records = records
        self._issuer = issuer
        self._announcements = announcements_of(records.store)
        self._clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._listeners: list[Callable[[Grant], object]] = []
        self._note_again_at = 0.0

    @property
    def store(self) -> Store:
        """Where the grants are kept."""
        return self._records.store

    def on_change(self, listener: Callable[[Grant], object]) -> None:
        """Call `listener` with every grant that this process changes or finds ended, before that is answered."""
        self._listeners.append(listener)

    def listen(self, hear: Hearer) -> None:
        """From now on, call `hear` with the record key of every grant that any process ends or takes scopes from.

        With None, any grant may have been changed unheard. Where the store cannot tell, `hear` is never called. To be called in the
        event loop, once or more often.
        """
        if self._announcements is not None:
            self._announcements.listen(hear)

    async def create(self, grant: Grant) -> bool:
        """Write a new grant; False if its id is taken.

        Raises:
            Unavailable: the store does not answer.
        """
        return await self._records.put_new(record_key(grant.id), grant.as_record(), self._ttl(grant))

    async def load(self, grant_id: str, key: DataKey | None = None) -> Grant | None:
        """Read a grant; None if there is none (any more).

        Args:
            key: opens the provider's tokens where they are locked; one that does not fit counts as no record.

        Raises:
            Unavailable: the store does not answer.
        """
        held = await self._hold(grant_id, key)
        return held.grant if held else None

    async def change(self, grant_id: str, rule: Callable[[Grant], Grant], key: DataKey | None = None) -> Grant | None:
        """Apply `rule` atomically and return the grant as it then is; None if there is none. For `key` see :meth:`load`.

        The rule sees the newest record and may be called again when another change came first; what it raises goes through and
        nothing is written. Returning the same object means "leave as it is".

        Raises:
            Unavailable: the store does not answer, or the record changes too fast.
        """
        async with self._lock(grant_id):
            for _ in range(_ATTEMPTS):
                held = await self._hold(grant_id, key)
                if held is None:
                    return None
                changed = rule(held.grant)
                if changed is held.grant or await self._swap(held, changed):
                    return changed
        raise Unavailable(reasons.STORE_UNAVAILABLE, "a grant changes faster than it can be written")

    async def end(
        self,
        grant_id: str,
        reason: reasons.Reason,
        *,
        detail: str = "",
        key: DataKey | None = None,
        only_if: Callable[[Grant], bool] = lambda _: True,
    ) -> Grant | None:
        """End a grant and with it every token of it.

        Args:
            only_if: asked about the newest record; where it says no, nothing ends.

        Returns:
            The grant as it was before, its upstream tokens unlocked where `key` does that; None if there was nothing to end.
        """
        before: list[Grant] = []

        def rule(grant: Grant) -> Grant:
            before[:] = [grant] if not grant.ended and only_if(grant) else []
            return grant.end(reason.code, self._clock.now()) if before else grant

        await self.change(grant_id, rule)
        if not before:
            return None
        emit(
            Event(
                name="revoked",
                reason=reason.code,
                client_id=before[0].client_id[:24],
                subject=before[0].subject,
                grant_id=grant_id,
                detail=detail,
            )
        )
        return before[0].unlocked(key) or before[0]

    async def mark_used(self, grant: Grant) -> Grant:
        """Remember that a token of the grant has been used."""
        return await self.change(grant.id, lambda current: _marked(current, self._clock), grant.data_key) or grant

    async def note_use(self, grant: Grant) -> Grant:
        """Remember when and from where the grant was last used, at most once an hour. Trouble of the store is no matter here."""
        now = self._clock.now()
        if now < self._note_again_at or not is_due(grant, now):
            return grant
        try:
            return await self.change(grant.id, lambda current: _noted(current, self._clock), grant.data_key) or grant
        except Unavailable:
            self._note_again_at = now + _NOTE_PAUSE_SECONDS
            return grant

    async def all(self) -> AsyncGenerator[Grant | None]:
        """Every grant, in no order, also those that have ended; None for one that a later release wrote.

        Raises:
            Unavailable: the store does not answer.
        """
        looked_at = 0
        async for record in self._records.scan("grant/"):
            looked_at += 1
            if looked_at % _TURN == 0:
                await asyncio.sleep(0)  # a store in this process answers without letting anyone else run
            try:
                grant = Grant.from_record(record)
            except RecordTooNew:
                yield None
                continue
            if self._is_ours(grant):
                yield grant

    def _is_ours(self, grant: Grant) -> bool:
        return self._issuer is None or grant.issuer in ("", self._issuer)

    async def _hold(self, grant_id: str, key: DataKey | None) -> Held | None:
        found = await self._records.get(record_key(grant_id))
        if found is None:
            return None
        grant = Grant.from_record(found[0])
        opened = grant.unlocked(key) if self._is_ours(grant) else None
        if opened is None:
            return None
        if opened.ended:
            self._tell_here(opened)  # another process may have ended it, and this one not have heard
        return Held(opened, found[1])

    async def _swap(self, held: Held, changed: Grant) -> bool:
        try:
            done = await self._records.swap(record_key(held.grant.id), held.version, changed.as_record(), self._ttl(changed))
        except Unavailable:
            await self._tell(held.grant, changed)  # it may have been done all the same
            raise
        if done:
            await self._tell(held.grant, changed)
        return done

    def _tell_here(self, changed: Grant) -> None:
        for listener in self._listeners:
            listener(changed)

    async def _tell(self, before: Grant, changed: Grant) -> None:
        self._tell_here(changed)
        if self._announcements is not None and _takes_away(before, changed):
            await self._announcements.announce(record_key(changed.id))

    def _lock(self, grant_id: str) -> asyncio.Lock:
        """One change at a time within this process: others would only lose their swap."""
        lock = self._locks.get(grant_id)
        if lock is None:
            lock = self._locks[grant_id] = asyncio.Lock()
        return lock

    def _ttl(self, grant: Grant) -> float:
        if grant.ended:
            return TOMBSTONE_SECONDS
        if grant.code.spent_at is None:
            return max(grant.code.expires_at - self._clock.now(), 0) + _UNCLAIMED_SECONDS
        return max(grant.expires_at - self._clock.now(), 0) + TOMBSTONE_SECONDS


def _takes_away(before: Grant, changed: Grant) -> bool:
    """Whether a token of the grant is good for less than before."""
    return (changed.ended is not None and before.ended is None) or not set(before.scopes) <= set(changed.scopes)


def _marked(grant: Grant, clock: Clock) -> Grant:
    return grant if grant.used else replace(with_use(grant, clock), used=True)


def _noted(grant: Grant, clock: Clock) -> Grant:
    return grant if grant.ended or not is_due(grant, clock.now()) else with_use(grant, clock)
