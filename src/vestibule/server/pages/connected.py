"""The page of connected apps: what it says about each, and times as people read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from vestibule.server.pages.links import LinkKind, destination

__all__ = ["ConnectedApp", "LastUsed", "Moment", "Notice", "moment"]

Notice = Literal["disconnected", "all_disconnected", "signed_out", "session_ended"]
"""What has just happened, where the page says so."""

# The locale of the process must not reach a page that says of itself that it is English: no strftime("%b").
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HOUR: Final = 3600
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class LastUsed:
    """When, to within an hour, and by whom an app's access was last used.

    Attributes:
        at: seconds since the epoch.
        address: where from; empty where that is not known.
        agent: what the program called itself, or empty.
    """

    at: float
    address: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedApp:
    """One app that has access.

    Attributes:
        connection: what the form names it by.
        proof: for its form, against forgery.
        name: the name it gave itself, or empty.
        client_id_host: host of its metadata document, or empty.
        redirect_uri, redirect_kind: where its answers went, and whether that is a web address, a loopback address or a scheme.
        scopes, resource: what it may do, and where.
        connected_at: seconds since the epoch.
        last_used: None if it was not used yet.
    """

    connection: str
    proof: str = field(repr=False)
    name: str
    client_id_host: str
    redirect_uri: str
    redirect_kind: LinkKind
    scopes: tuple[str, ...]
    resource: str
    connected_at: float
    last_used: LastUsed | None

    @property
    def destination(self) -> str:
        """Host and port, or the scheme, of the redirect URI."""
        return destination(self.redirect_uri)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on a page.

    Attributes:
        iso: for programs (HTML, the time element).
        exact: the day and minute, in UTC.
        ago: how long ago, in words.
    """

    iso: str
    exact: str
    ago: str


def moment(at: float, now: float) -> Moment:
    """The time `at` as seen from `now`, both in seconds since the epoch."""
    time = datetime.fromtimestamp(at, UTC)
    exact = f"{time.day} {_MONTHS[time.month - 1]} {time.year}, {time:%H:%M} UTC"
    return Moment(f"{time:%Y-%m-%dT%H:%M:%SZ}", exact, _ago(now - at))


def _ago(seconds: float) -> str:
    """In whole hours: the last use is not known more exactly."""
    if seconds < _HOUR:
        return "in the last hour"
    count, unit = (int(seconds // _HOUR), "hour") if seconds < 2 * _DAY else (int(seconds // _DAY), "day")
    return f"{count} {unit}{'s' if count > 1 else ''} ago"
