"""Which grants a user has: one sealed record per user, so that listing them reads those and no others.

Its key is an HMAC of issuer and subject: a copy of the store does not even tell whether somebody it knows has a session here. The record
is written before the grant that it names. A process that dies in between leaves a name without a grant, which a reader removes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import Unavailable
from vestibule.grants.model import Grant, Listed
from vestibule.keys.keyring import KeyRing
from vestibule.storage.sealed import SealedRecords

__all__ = ["Entries", "UserIndex"]

_ATTEMPTS: Final = 200  # of one change; each lost attempt means that another sign-in of the user went through
_NAME: Final = 16  # characters of a list's name that a grant remembers

Entries = dict[str, float]
"""Ids of grants, with the times at which they were created (seconds since the epoch)."""


@dataclass(frozen=True, slots=True)
class _List:
    entries: Entries
    until: float
    version: int | None


class UserIndex:
    """The lists of all users of one authorization server.

    Args:
        records: the sealed store.
        keyring: names the lists.
        issuer: the server; others with the same keys and store have users of their own.
        life: seconds that a grant lives on after each refresh.
        clock: the time.
    """

    def __init__(self, records: SealedRecords, keyring: KeyRing, clock: Clock, *, issuer: str, life: float) -> None:
        self._records = records
        self._keyring = keyring
        self._clock = clock
        self._issuer = issuer
        self._life = life

    def is_due(self, grant: Grant) -> bool:
        """Whether the list that the grant stands in ends before it, or is named by a key that is not the current one any more."""
        if not grant.has_user:
            return False
        listed = grant.listed
        return listed is None or listed.until < grant.expires_at or listed.under != _name(self._keys(grant.subject)[0])

    async def entries(self, subject: str) -> Entries:
        """The user's entries, under every key of the ring.

        Raises:
            Unavailable: the store does not answer.
        """
        found: Entries = {}
        for key in self._keys(subject):
            found |= (await self._read(key)).entries
        return found

    async def add(self, grant: Grant, make_room: Callable[[Entries], Any]) -> Listed:
        """Enter the grant.

        The list outlives the grant by a whole session life, so that it need not be written at every refresh.

        Args:
            make_room: given the entries before a new one is added, gives those that stay.

        Raises:
            Unavailable: the store does not answer, or the list changes too fast.
        """
        key = self._keys(grant.subject)[0]
        listed = Listed(until=self._clock.now() + 2 * self._life, under=_name(key))
        for _ in range(_ATTEMPTS):
            found = await self._read(key)
            entries = found.entries if grant.id in found.entries else await make_room(found.entries)
            if await self._write(key, found, {**entries, grant.id: grant.created_at}, max(found.until, listed.until)):
                return listed
        raise Unavailable(reasons.STORE_UNAVAILABLE, "a list of grants changes faster than it can be written")

    async def remove(self, subject: str, ids: Collection[str]) -> None:
        """Remove entries. One that a newer change keeps from going is left to the next reader.

        Raises:
            Unavailable: the store does not answer.
        """
        for key in self._keys(subject):
            found = await self._read(key)
            left = {grant_id: at for grant_id, at in found.entries.items() if grant_id not in ids}
            if len(left) < len(found.entries):
                await self._write(key, found, left, found.until)

    def _keys(self, subject: str) -> list[str]:
        """Where the user's list is, and where it was under the older keys of the ring."""
        user = f"{self._issuer}\n{subject}".encode()
        return [f"user/{key.mac('user', user).hex()}" for key in self._keyring.serving("user")]

    async def _read(self, key: str) -> _List:
        content, version = await self._records.hold(key)
        if content is None:
            # One that does not open is replaced: put aside, it would keep its user from signing in until it ends.
            return _List({}, 0.0, version)
        return _List(_entries(content), float(content["until"]), version)

    async def _write(self, key: str, before: _List, entries: Entries, until: float) -> bool:
        content, ttl = {"entries": entries, "until": until}, until - self._clock.now()
        if before.version is None:
            return await self._records.put_new(key, content, ttl)
        return await self._records.swap(key, before.version, content if entries else None, ttl)


def _entries(content: Mapping[str, Any]) -> Entries:
    return {str(grant_id): float(at) for grant_id, at in content["entries"].items()}


def _name(key: str) -> str:
    return key.removeprefix("user/")[:_NAME]
