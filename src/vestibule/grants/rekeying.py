"""What hangs from a key of the ring, and what becomes of it when the key is retired.

A record says in its first bytes which key sealed it, and a grant says which key its client's refresh token or code was made with. The
time of a rotation would not tell that: a process that cannot read the key file goes on with the older key.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Set
from dataclasses import dataclass, field
from typing import Final

from vestibule import reasons
from vestibule.clients.dynamic import registered_with
from vestibule.clock import Clock
from vestibule.grants.model import Grant
from vestibule.grants.refresh import RETRY_SECONDS
from vestibule.grants.store import Grants
from vestibule.keys.sealing import sealed_by
from vestibule.storage.protocol import Record
from vestibule.storage.sealed import SealedRecords

__all__ = ["UNKNOWN", "KeyUse", "end_sessions", "key_use", "needed_keys", "reseal"]

UNKNOWN: Final = ""
"""Stands for the key of a session whose record was written by a release that did not note it: the oldest."""

_AT_ONCE: Final = 50  # records that are changed side by side: most of the time is the way to the store
_ATTEMPTS: Final = 20  # of one record; each lost attempt means that somebody else wrote it, and sealed it anew by that


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What hangs from each key, by its id.

    Attributes:
        records: how many records it sealed.
        sessions: how many living sessions cannot go on without it.
        registered: of how many living sessions the client was registered with it.
        last_made: when the youngest of their tokens was made with it; seconds since the epoch.
    """

    records: Counter[str] = field(default_factory=Counter)
    sessions: Counter[str] = field(default_factory=Counter)
    registered: Counter[str] = field(default_factory=Counter)
    last_made: dict[str, float] = field(default_factory=dict)

    def add(self, grant: Grant, now: float) -> None:
        """Count a grant."""
        self.sessions.update(needed_keys(grant, now))
        if _is_living(grant, now):
            self.registered[registered_with(grant.client_id)] += 1
        if grant.rotation is not None:
            key, made = grant.rotation.ring_key, grant.rotation.rotated_at
            self.last_made[key] = max(made, self.last_made.get(key, made))


async def key_use(records: SealedRecords, clock: Clock) -> KeyUse:
    """Look through the whole store. Records that do not open are counted by the key that they name, and are no sessions.

    Raises:
        Unavailable: the store fails.
    """
    use = KeyUse()
    async for key, record in records.store.scan(""):
        use.records[sealed_by(record.value)] += 1
        grant = _grant(records, key, record)
        if grant is not None:
            use.add(grant, clock.now())
    return use


def needed_keys(grant: Grant, now: float) -> frozenset[str]:
    """Ids of the keys without which the client of a living grant may have to sign in again.

    That is the key of its refresh token, and that of the one before while its client may still ask with it; where there is no refresh
    token, that of its code, which is as old as its access token or older.
    """
    rotation = grant.rotation
    if not _is_living(grant, now):
        return frozenset()
    if rotation is not None and rotation.previous_ring_key and now - rotation.rotated_at <= RETRY_SECONDS:
        return frozenset({_token_key(grant), rotation.previous_ring_key})
    return frozenset({_token_key(grant)})


def _token_key(grant: Grant) -> str:
    """Id of the key that the refresh token was made with; where there is none, the code."""
    return grant.code.ring_key if grant.rotation is None else grant.rotation.ring_key


async def reseal(records: SealedRecords, key_id: str, clock: Clock) -> int:
    """Seal with the current key what `key_id` sealed. A record keeps its content and its end.

    Returns:
        How many records that were.

    Raises:
        Unavailable: the store fails. What was sealed anew stays so.
    """

    async def seal_anew(key: str, record: Record) -> bool:
        held: Record | None = record
        for _ in range(_ATTEMPTS):
            if held is None or sealed_by(held.value) != key_id:
                return False
            content = records.open(key, held.value)
            if content is None:
                return False
            if await records.swap(key, held.version, content, held.expires_at - clock.now()):
                return True
            held = await records.store.get(key)
        return False

    return await _count(records.store.scan(""), lambda record: sealed_by(record.value) == key_id, seal_anew)


async def end_sessions(
    records: SealedRecords, grants: Grants, key_ids: Set[str], clock: Clock, *, registrations: bool = False
) -> int:
    """End the sessions that cannot go on without these keys: nobody can use them, so they shall not keep the provider's tokens.

    Not those that have just been refreshed: nearly all of their clients hold a token of the newer key. One that lost the answer signs in
    again.

    Args:
        registrations: whether what clients registered with these keys counts no more either: none of them can refresh again.

    Returns:
        How many sessions that were.

    Raises:
        Unavailable: the store fails.
    """

    def needs_them(grant: Grant) -> bool:
        if registrations and _is_living(grant, clock.now()) and registered_with(grant.client_id) in key_ids - {UNKNOWN}:
            return True
        return _is_living(grant, clock.now()) and _token_key(grant) in key_ids

    def rule(grant: Grant) -> Grant:
        """Sees the newest record: who refreshed a moment ago has a token of the newer key."""
        return grant.end(reasons.KEY_RETIRED.code, clock.now()) if needs_them(grant) else grant

    async def end(key: str, record: Record) -> bool:
        grant = _grant(records, key, record)
        if grant is None or not needs_them(grant):
            return False
        ended = await grants.change(grant.id, rule)
        return ended is not None and ended.ended == reasons.KEY_RETIRED.code

    return await _count(records.store.scan("grant/"), lambda record: True, end)


def _is_living(grant: Grant, now: float) -> bool:
    return not grant.ended and grant.expires_at > now


def _grant(records: SealedRecords, key: str, record: Record) -> Grant | None:
    content = records.open(key, record.value) if key.startswith("grant/") else None
    return Grant.from_record(content) if content is not None else None


async def _count(
    found: AsyncIterator[tuple[str, Record]],
    is_wanted: Callable[[Record], bool],
    change: Callable[[str, Record], Awaitable[bool]],
) -> int:
    """Change the records that are wanted, a few side by side, and count those that were."""
    changed, batch = 0, list[tuple[str, Record]]()
    async for key, record in found:
        if is_wanted(record):
            batch.append((key, record))
        if len(batch) >= _AT_ONCE:
            changed += sum(await asyncio.gather(*(change(*each) for each in batch)))
            batch.clear()
    return changed + sum(await asyncio.gather(*(change(*each) for each in batch)))
