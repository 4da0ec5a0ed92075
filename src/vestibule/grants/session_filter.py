"""Which sessions are meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vestibule.grants.model import Grant

__all__ = ["SessionFilter"]

_SHORT_ID: Final = 20  # characters of a dynamic client's id that are enough to name it; events and commands show 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions are wanted; what is None does not matter.

    Attributes:
        user: the subject, or the e-mail address or user name among the claims, in any case.
        client: the client id (of a dynamic one its first 20 characters or more), or its name in any case.
        idle_for: seconds without use.
        older_than: seconds since the sign-in.
        ended: those that have ended or expired, too, as long as their records are kept.
    """

    user: str | None = None
    client: str | None = None
    idle_for: float | None = None
    older_than: float | None = None
    ended: bool = False

    def fits(self, grant: Grant, now: float) -> bool:
        """Whether `grant` is wanted."""
        return all(check(self, grant, now) for check in _CHECKS)


def _is_wanted_alive(wanted: SessionFilter, grant: Grant, now: float) -> bool:
    return wanted.ended or grant.is_alive(now)


def _is_of_the_user(wanted: SessionFilter, grant: Grant, now: float) -> bool:
    if wanted.user is None or wanted.user == grant.subject:
        return True
    names = (grant.claims.get(name) for name in ("email", "preferred_username", "login"))
    return wanted.user.casefold() in {name.casefold() for name in names if isinstance(name, str)}


def _is_of_the_client(wanted: SessionFilter, grant: Grant, now: float) -> bool:
    if wanted.client is None or wanted.client == grant.client_id:
        return True
    if grant.client_id.startswith("vc_") and len(wanted.client) >= _SHORT_ID and grant.client_id.startswith(wanted.client):
        return True
    return bool(wanted.client) and wanted.client.casefold() == grant.client_name.casefold()


def _is_idle(wanted: SessionFilter, grant: Grant, now: float) -> bool:
    used_at = grant.last_used.at if grant.last_used else grant.created_at
    return wanted.idle_for is None or now - used_at >= wanted.idle_for


def _is_old(wanted: SessionFilter, grant: Grant, now: float) -> bool:
    return wanted.older_than is None or now - grant.created_at >= wanted.older_than


_CHECKS: Final[tuple[Callable[[SessionFilter, Grant, float], bool], ...]] = (
    _is_wanted_alive,
    _is_of_the_user,
    _is_of_the_client,
    _is_idle,
    _is_old,
)
