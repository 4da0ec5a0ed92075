"""``vestibule keys retire``: an old key out of service, and no surprise in it for anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import click

from vestibule.cli.key_place import KeyPlace
from vestibule.cli.keys import said_time, with_store
from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError
from vestibule.grants.rekeying import UNKNOWN, KeyUse, end_sessions, key_use, reseal
from vestibule.grants.store import Grants
from vestibule.keys.keyring import in_order
from vestibule.keys.ring_key import RingKey
from vestibule.storage.sealed import SealedRecords

__all__ = ["retire_key"]

_NO_STORE: Final = "No store was looked into (--url): sessions whose records it sealed end, and how many is not known."
_WRONG_STORE: Final = "No record in the store was sealed with any key of the file: it is empty, or not the server's (another URL, prefix or table); --server names the server itself."
_CLOCKS_DIFFER: Final = 30  # seconds
_CLOSES: Final = (
    "What was made with it is closed at once: access tokens, refresh tokens, codes, registrations of clients (they register anew), "
    "sign-ins under way and remembered consents."
)


def retire_key(place: KeyPlace, key_id: str, *, compromised: bool, yes: bool, clock: Clock | None = None) -> None:
    """Take a key out of service.

    Args:
        place: where the keys and the sessions are.
        key_id: as ``vestibule keys list`` shows it.
        compromised: somebody else may have it: nothing that it made counts any more. Otherwise registrations stay readable.
        yes: do not ask.
        clock: the time.

    Raises:
        ConfigurationError: there is no such key, or it is needed; the keys are in no file that can be changed; or the store fails.
        click.Abort: whoever was asked said no. Nothing was changed.
    """
    clock = clock or SystemClock()
    keys = in_order(place.changeable().read(), clock.now())
    case = _Case(place, clock, keys, _checked(keys, key_id, compromised=compromised))
    if compromised:
        case.remove(yes)
    else:
        case.retire(yes)


def _checked(keys: Sequence[RingKey], key_id: str, *, compromised: bool) -> RingKey:
    """The key, if it may go."""
    key = next((key for key in keys if key.id == key_id), None)
    if key is None:
        raise ConfigurationError(f"There is no key {key_id}. There are {', '.join(key.id for key in keys)}.")
    if key.only_registrations and not compromised:
        raise ConfigurationError(f"{key_id} is retired already; with --compromised it is removed.")
    if key is keys[0]:
        waiting = next((other for other in keys if other.active_from > key.active_from and not other.only_registrations), None)
        when = f"{waiting.id} takes over at {said_time(waiting.active_from)}" if waiting and not compromised else ""
        new = "vestibule keys new --in 0" if compromised else "vestibule keys new"
        raise ConfigurationError(f"{key_id} is the key that signs: {when or f'add the next one first, with {new}'}.")
    return key


@dataclass(frozen=True, slots=True)
class _Case:
    """A key that goes, and where."""

    place: KeyPlace
    clock: Clock
    keys: Sequence[RingKey]
    key: RingKey

    def retire(self, yes: bool) -> None:
        """In order: what must not break is saved first. Whoever is interrupted starts again."""
        remarks = self._remarks()
        for remark in remarks:
            click.echo(remark)
        if remarks and not yes:
            click.confirm("Retire it now?", abort=True)
        self._tell(with_store(self.place, self.clock, self.keys, self._save))
        self._change([] if self._is_waiting else [_registrations_only(self.key)], compromised=False)
        click.echo(
            f"{self.key.id} is retired" + (": it had made nothing." if self._is_waiting else " and reads registrations only.")
        )

    def remove(self, yes: bool) -> None:
        """At once: what it made is worth nothing from here on, and what can be saved is saved afterwards.

        Records stay readable, for this command knows the key still. Those that it does not come to count as absent, and they are of
        sessions whose tokens are closed anyway.
        """
        click.echo(_CLOSES)
        use = with_store(self.place, self.clock, self.keys, key_use)
        for remark in [*self._sessions(use), *self._registrations(use)]:
            click.echo(remark)
        if not yes:
            click.confirm("Remove it now?", abort=True)
        self._change([], compromised=True)
        click.echo(f"{self.key.id} is removed.")
        self._tell(with_store(self.place, self.clock, self.keys, self._clean))

    @property
    def _is_waiting(self) -> bool:
        return self.key.active_from > self.clock.now()

    @property
    def _ids(self) -> frozenset[str]:
        """Sessions that do not say which key they hang from hang from the oldest."""
        in_use = [key for key in self.keys if not key.only_registrations]
        oldest = min(in_use, key=lambda key: key.active_from)
        return frozenset({self.key.id, UNKNOWN} if self.key is oldest else {self.key.id})

    def _remarks(self) -> list[str]:
        """What may surprise somebody if the key is retired now; nothing if it is free."""
        if self._is_waiting:
            return []
        use = with_store(self.place, self.clock, self.keys, key_use)
        later = [key.active_from for key in self.keys if key.active_from > self.key.active_from]
        signed_until = min(later, default=self.key.active_from)
        valid_until = signed_until + self.place.access_token_seconds
        remarks = self._sessions(use)
        last_made = use.last_made.get(self.key.id, 0) if use is not None else 0
        if last_made > signed_until + _CLOCKS_DIFFER:
            remarks.append(
                f"Some process still made tokens with it at {said_time(last_made)}, after its time: has every one read the newer key?"
            )
        if valid_until > self.clock.now():
            remarks.append(
                f"Access tokens made with it are valid until {said_time(valid_until)}: clients have to refresh theirs."
            )
        return remarks

    def _sessions(self, use: KeyUse | None) -> list[str]:
        if use is None:
            return [_NO_STORE]
        if not any(use.records[key.id] for key in self.keys):
            return [_WRONG_STORE]
        count = sum(use.sessions[key_id] for key_id in self._ids)
        return (
            [f"{count} sessions hold a refresh token or code made with it: these users have to sign in again."] if count else []
        )

    def _registrations(self, use: KeyUse | None) -> list[str]:
        count = use.registered[self.key.id] if use is not None else 0
        return [f"{count} sessions are of clients that registered with it: they end too."] if count else []

    async def _save(self, records: SealedRecords, clock: Clock) -> tuple[int, int]:
        """Seal its records anew and end what cannot go on without it; gives how many each."""
        sealed = await reseal(records, self.key.id, clock)
        if await reseal(records, self.key.id, clock):
            raise ConfigurationError(
                f"Some process still seals with {self.key.id}: it has not read the newer key. Its log says why. Nothing was retired."
            )
        return sealed, await end_sessions(records, Grants(records, clock), self._ids, clock)

    async def _clean(self, records: SealedRecords, clock: Clock) -> tuple[int, int]:
        sealed = await reseal(records, self.key.id, clock)
        return sealed, await end_sessions(records, Grants(records, clock), self._ids, clock, registrations=True)

    def _tell(self, done: tuple[int, int] | None) -> None:
        if done is not None:
            click.echo(f"{done[0]} records were sealed anew, {done[1]} sessions were ended.")

    def _change(self, rest: Sequence[RingKey], *, compromised: bool) -> None:
        """Put `rest` in the place of the key, if it still may go."""

        def rule(keys: tuple[RingKey, ...]) -> Sequence[RingKey]:
            gone = _checked(in_order(keys, self.clock.now()), self.key.id, compromised=compromised)
            return [each for key in keys for each in (rest if key is gone else [key])]

        self.place.changeable().change(rule)


def _registrations_only(key: RingKey) -> RingKey:
    return RingKey(key.secret, created_at=key.created_at, active_from=key.active_from, only_registrations=True)
