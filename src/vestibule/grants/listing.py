"""Sessions in hand: which there are, whose, and what is told about one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import Unavailable
from vestibule.grants.formats import RecordTooNew
from vestibule.grants.model import Grant
from vestibule.grants.session_filter import SessionFilter
from vestibule.grants.store import Grants
from vestibule.grants.user_index import Entries, UserIndex
from vestibule.reasons import Reason

__all__ = ["MAX_SESSIONS", "Listing"]

MAX_SESSIONS: Final = 500
"""Sessions of one user. With one more, the oldest ends: what a user can make this server keep has a bound."""

_SETTLED_SECONDS: Final = 600  # after which an entry whose grant is missing belongs to a sign-in that will not go on
_AT_ONCE: Final = 50  # reads
_ENDED_AT_ONCE: Final = 10  # sessions: each is told to the provider

_log = logging.getLogger("vestibule.grants")

End = Callable[[str, Reason], Awaitable[None]]
"""Ends the grant of an id for a reason, here and at the provider."""


class Listing:
    """The sessions of one authorization server.

    Args:
        grants: the records of sessions.
        index: which of them a user has.
        clock: the time.
        end: ends a session that makes room for a newer one.
        most: how many sessions a user may have.
    """

    def __init__(
        self,
        grants: Grants,
        index: UserIndex,
        clock: Clock,
        *,
        end: End,
        most: int = MAX_SESSIONS,
    ) -> None:
        self._grants = grants
        self._index = index
        self._clock = clock
        self._end = end
        self._most = most

    async def of_user(self, subject: str, *, ended: bool = False) -> list[Grant]:
        """The user's sessions, the newest first: those that live, and with `ended` those that have ended and are still kept.

        Those that a later release wrote are passed over.

        Raises:
            Unavailable: the store does not answer.
        """
        entries, now = await self._index.entries(subject), self._clock.now()
        grants, too_new = await self._load(entries)
        gone = {grant_id for grant_id, at in entries.items() if grant_id not in too_new and self._is_gone(grants, grant_id, at)}
        await self._forget(subject, gone)
        wanted = [grant for grant in grants.values() if grant.subject == subject and (ended or grant.is_alive(now))]
        return sorted(wanted, key=lambda grant: grant.created_at, reverse=True)

    async def search(self, wanted: SessionFilter) -> AsyncGenerator[Grant]:
        """The sessions that `wanted` describes, in no order.

        Every record is looked at, also for one user's: what an operator ends must not depend on what stands in a list. Those that a
        later release wrote are passed over; the log says how many.

        Raises:
            Unavailable: the store does not answer.
        """
        too_new = 0
        async with aclosing(self._grants.all()) as grants:
            async for grant in grants:
                if grant is None:
                    too_new += 1
                elif wanted.fits(grant, self._clock.now()):
                    yield grant
        _tell_too_new(too_new)

    async def find(self, wanted: SessionFilter, limit: int | None = None) -> list[Grant]:
        """The first `limit` sessions that :meth:`search` comes to; None: all.

        Raises:
            Unavailable: the store does not answer.
        """
        found: list[Grant] = []
        async with aclosing(self.search(wanted)) as sessions:
            async for grant in sessions:
                found.append(grant)
                if len(found) == limit:
                    break
        return found

    async def get(self, grant_id: str) -> Grant | None:
        """The session of an id, also one that has ended; None if its record is not there any more.

        Raises:
            Unavailable: the store does not answer.
        """
        return await self._grants.load(grant_id)

    async def has_another(self, grant: Grant) -> bool:
        """Whether the user of `grant` has another session that lives. A sign-in that no client came for is none yet.

        Raises:
            Unavailable: the store does not answer.
        """
        if not grant.has_user:
            return False
        entries = await self._index.entries(grant.subject)
        # The oldest first: whoever ends them all begins with the newest.
        for grant_id in sorted(entries.keys() - {grant.id}, key=entries.__getitem__):
            if await self._is_in_use(grant_id, grant.subject):
                return True
        return False

    async def _is_in_use(self, grant_id: str, subject: str) -> bool:
        try:
            grant = await self._grants.load(grant_id)
        except RecordTooNew:
            return True  # it is there, and whoever wrote it knows whether it lives
        return grant is not None and grant.subject == subject and grant.is_redeemed and grant.is_alive(self._clock.now())

    async def add(self, grant: Grant) -> Grant:
        """Enter a session that is about to be written; gives it as it is to be written.

        Raises:
            Unavailable: the store does not answer.
        """
        if not grant.has_user:
            return grant
        return replace(grant, listed=await self._index.add(grant, self._with_room))

    async def keep(self, grant: Grant) -> None:
        """See that a refreshed session stays listed. Trouble of the store is left to the next refresh: its list ends later than it."""
        if not self._index.is_due(grant):
            return
        try:
            listed = await self._index.add(grant, self._with_room)
            await self._grants.change(grant.id, lambda now: now if now.ended else replace(now, listed=listed))
        except Unavailable as trouble:
            _log.warning("a session could not be listed anew, its next refresh tries again: %s", trouble)

    async def end_all(self, ids: Collection[str], reason: Reason) -> None:
        """End these sessions, each here and at the provider.

        Raises:
            Unavailable: the store does not answer; some of them may have ended.
        """
        waiting = list(ids)
        for start in range(0, len(waiting), _ENDED_AT_ONCE):
            await asyncio.gather(*(self._end(grant_id, reason) for grant_id in waiting[start : start + _ENDED_AT_ONCE]))

    async def _with_room(self, entries: Entries) -> Entries:
        """The entries with room for one more: without those that have ended and, if that is not enough, the oldest.

        Sign-ins that no client came for go before all others, or somebody who can only begin them could end every session of a user.
        """
        if len(entries) < self._most:
            return entries
        grants, too_new = await self._load(entries)
        living = {
            grant_id: at for grant_id, at in entries.items() if grant_id in too_new or self._may_live(grants, grant_id, at)
        }
        waiting = sorted(
            living.keys() - too_new,
            key=lambda grant_id: (grant_id in grants and grants[grant_id].is_redeemed, living[grant_id]),
        )
        for grant_id in waiting[: max(len(living) - self._most + 1, 0)]:
            await self._end(grant_id, reasons.SESSION_LIMIT)
            del living[grant_id]
        return living

    async def _load(self, ids: Collection[str]) -> tuple[dict[str, Grant], set[str]]:
        """The grants of these ids that there are, and the ids of those that a later release wrote."""
        found: dict[str, Grant] = {}
        too_new: set[str] = set()

        async def load(grant_id: str) -> None:
            try:
                grant = await self._grants.load(grant_id)
            except RecordTooNew:
                too_new.add(grant_id)
                return
            if grant is not None:
                found[grant_id] = grant

        waiting = list(ids)
        for start in range(0, len(waiting), _AT_ONCE):
            await asyncio.gather(*(load(grant_id) for grant_id in waiting[start : start + _AT_ONCE]))
        _tell_too_new(len(too_new))
        return found, too_new

    def _may_live(self, grants: Mapping[str, Grant], grant_id: str, created_at: float) -> bool:
        grant = grants.get(grant_id)
        return not self._is_gone(grants, grant_id, created_at) if grant is None else grant.is_alive(self._clock.now())

    def _is_gone(self, grants: Collection[str], grant_id: str, created_at: float) -> bool:
        """Whether there is no such grant and will not be: an entry is written just before its grant."""
        return grant_id not in grants and created_at < self._clock.now() - _SETTLED_SECONDS

    async def _forget(self, subject: str, ids: Collection[str]) -> None:
        """Tidying up along with a reading; it may as well be done by the next one."""
        if not ids:
            return
        try:
            await self._index.remove(subject, ids)
        except Unavailable:
            _log.debug("entries of grants that are gone could not be removed")


def _tell_too_new(count: int) -> None:
    if count:
        _log.warning(
            "%d sessions were written by a later release in a format that this one does not know, and are passed over", count
        )
