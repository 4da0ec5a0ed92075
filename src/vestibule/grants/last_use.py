"""When and from where a grant was last used: written where something is written anyway, otherwise once an hour."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vestibule.clock import Clock
from vestibule.grants.model import Grant, LastUse
from vestibule.resource.peer import current_peer

__all__ = ["NOTE_SECONDS", "is_due", "with_use"]

NOTE_SECONDS: Final = 3600
"""How old the note of the last use gets in a grant that is in use."""


def with_use(grant: Grant, clock: Clock) -> Grant:
    """The grant, last used now by the peer whose request is being handled."""
    address, agent = current_peer()
    return replace(grant, last_used=LastUse(at=clock.now(), address=address, agent=agent))


def is_due(grant: Grant, now: float) -> bool:
    """Whether the note is missing or an hour old. One from the future is good for as long: clocks differ, and are set back."""
    return grant.last_used is None or abs(now - grant.last_used.at) >= NOTE_SECONDS
