"""``vestibule keys``: which keys there are, a new one, and an old one out of service, while the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import click
from rich.console import Console
from rich.table import Table

from vestibule.cli.key_place import KeyPlace
from vestibule.cli.store_trouble import told_trouble
from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError, Unavailable
from vestibule.grants.rekeying import UNKNOWN, KeyUse, key_use
from vestibule.keys.key_file import new_key
from vestibule.keys.keyring import LOOK_SECONDS, KeyRing, in_order
from vestibule.keys.ring_key import RingKey
from vestibule.keys.sealing import Sealer
from vestibule.storage.protocol import Store
from vestibule.storage.sealed import SealedRecords

Answer = TypeVar("Answer")
Work = Callable[[SealedRecords, Clock], Awaitable[Answer]]

__all__ = ["add_key", "list_keys", "said_time", "with_store"]


def add_key(place: KeyPlace, delay: float, clock: Clock | None = None) -> None:
    """Add a key that signs and seals from `delay` seconds from now on.

    The first key of a file signs at once: there is none before it that could.

    Args:
        place: where the keys are.
        delay: seconds.
        clock: the time.

    Raises:
        ConfigurationError: the keys are in no file, or it cannot be changed.
    """
    now = (clock or SystemClock()).now()
    file = place.changeable()
    made: list[RingKey] = []

    def rule(keys: tuple[RingKey, ...]) -> Sequence[RingKey]:
        active_from = now + delay if keys else now
        made[:] = [new_key(now, active_from=active_from, taken={key.id for key in keys})]
        return [*keys, *made]

    is_first = len(file.change(rule)) == 1
    when = "now" if is_first else said_time(made[0].active_from)
    click.echo(f"{made[0].id} is in {file.path} and signs from {when} on.")
    if not is_first and delay <= LOOK_SECONDS:
        click.echo("That is soon: whoever reads a copy of the file may refuse what is made with it until then.", err=True)


def list_keys(place: KeyPlace, clock: Clock | None = None, console: Console | None = None) -> None:
    """Print every key, its part, and what hangs from it. No secret is shown.

    Raises:
        ConfigurationError: the keys cannot be found or read, or the store fails.
    """
    clock, console = clock or SystemClock(), console or Console(highlight=False)
    keys = in_order(place.keys(), clock.now())
    use = with_store(place, clock, keys, key_use)
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "created", "signs from (UTC)", "state", "records", "sessions"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("records", "sessions") else "left")
    for key in keys:
        table.add_row(*_row(key, keys[0], use, clock.now()))
    console.print(table)
    for line in _remarks(place, keys, use):
        console.print(line, soft_wrap=True)


def with_store(place: KeyPlace, clock: Clock, keys: Sequence[RingKey], work: Work[Answer]) -> Answer | None:
    """What `work` makes of the records of the store; None if there is no store to look into.

    Args:
        keys: those that open the records, the one that seals first.

    Raises:
        ConfigurationError: the store does not answer or refuses.
    """

    async def done(store: Store) -> Answer:
        try:
            return await work(SealedRecords(store, Sealer(KeyRing.of(keys, clock))), clock)
        finally:
            await store.aclose()

    store = place.open_store(clock)
    if store is None:
        return None
    try:
        return asyncio.run(done(store))
    except Unavailable as error:
        raise ConfigurationError(told_trouble(store, error)) from error


def said_time(when: float | None) -> str:
    """A time for people, UTC."""
    return "–" if not when else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _row(key: RingKey, current: RingKey, use: KeyUse | None, now: float) -> list[str]:
    counts = ("–", "–") if use is None else (str(use.records[key.id]), str(use.sessions[key.id]))
    return [key.id, said_time(key.created_at)[:10], said_time(key.active_from)[:19], _state(key, current, now), *counts]


def _state(key: RingKey, current: RingKey, now: float) -> str:
    if key.only_registrations:
        return "registrations only"
    if key is current:
        return "signs"
    return "verifies" if key.active_from <= now else "waiting"


def _remarks(place: KeyPlace, keys: Sequence[RingKey], use: KeyUse | None) -> list[str]:
    remarks = [f"The keys are in {place.file.path}." if place.file is not None else "The keys are given in jwt_signing_key."]
    if use is None:
        return [*remarks, "No store was looked into: name it with --url to see what hangs from each key."]
    strangers = use.records.total() - sum(use.records[key.id] for key in keys)
    if strangers:
        remarks.append(f"{strangers} records were sealed with none of these keys: they count as absent.")
    if use.sessions[UNKNOWN]:
        remarks.append(f"{use.sessions[UNKNOWN]} sessions of an earlier release hang from the oldest key.")
    return remarks
