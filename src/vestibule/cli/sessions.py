"""``vestibule sessions``: who is signed in with which client, and ending that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from textwrap import TextWrapper
from typing import TypeVar

import click
from rich.console import Console
from rich.text import Text

from vestibule import reasons
from vestibule.cli.bridge import find_sessions, store_of
from vestibule.cli.durations import ago
from vestibule.cli.store_trouble import told_trouble
from vestibule.errors import ConfigurationError, Unavailable
from vestibule.grants.description import client_kind, describe, user_name
from vestibule.grants.model import Grant
from vestibule.grants.session_filter import SessionFilter
from vestibule.protocol.visible_text import shortened, visible
from vestibule.proxy.oauth_proxy import OAuthProxy

__all__ = ["end_sessions", "list_sessions", "show_session"]

_SHORT_ID = 24  # characters of a dynamic client's id, as in the log
_USER_WIDTH = 80
_DATE = len("2026-01-01")
_LEAST = 4  # characters of an id
_KINDS = {"document": "by its document", "dynamic": "registered itself", "configured": "configured"}

_Answer = TypeVar("_Answer")


def list_sessions(server: str | None, wanted: SessionFilter, *, limit: int, as_json: bool) -> None:
    """Print the sessions that are wanted, the newest first.

    Args:
        server: see :func:`~vestibule.cli.bridge.find_sessions`.
        limit: how many at most.

    Raises:
        ConfigurationError: there is no bridge, or its store does not answer.
    """
    bridge = find_sessions(server)
    found = _run(bridge, lambda: bridge.hall.listing.find(wanted, limit + 1))
    shown = sorted(found[:limit], key=lambda grant: grant.created_at, reverse=True)
    if as_json:
        click.echo(json.dumps([describe(grant) for grant in shown], indent=2))
        return
    console, now = _console(), bridge.hall.clock.now()
    for grant in shown:
        console.print(_summary(grant, now, console.width), soft_wrap=True)
    more = f" There are more: narrow it down, or raise --limit {limit}." if len(found) > limit else ""
    count = f"{len(shown)} session{'' if len(shown) == 1 else 's'}"
    console.print(f"{count} in {store_of(bridge)!r}.{more}", soft_wrap=True)


def show_session(server: str | None, written: str, *, as_json: bool) -> None:
    """Print everything about one session, also one that has ended.

    Args:
        written: its id, or the beginning of it.

    Raises:
        ConfigurationError: there is no such session; and as :func:`list_sessions`.
    """
    bridge = find_sessions(server)
    [grant] = _run(bridge, lambda: _named(bridge, [written]))
    if as_json:
        click.echo(json.dumps(describe(grant), indent=2))
    else:
        _console().print(_details(grant, bridge.hall.clock.now()), soft_wrap=True)


def end_sessions(server: str | None, written: Sequence[str], wanted: SessionFilter | None, *, ask: bool) -> None:
    """End sessions, here and at the provider, and say how many.

    Args:
        written: their ids, or beginnings of them; empty to end those that `wanted` describes.
        ask: before more than one is ended.

    Raises:
        ConfigurationError: as :func:`show_session`.
        click.Abort: the operator thought better of it.
    """
    bridge = find_sessions(server)

    async def chosen() -> list[Grant]:
        return await _named(bridge, written) if wanted is None else await bridge.hall.listing.find(wanted)

    grants = [grant for grant in _run(bridge, chosen) if not grant.ended]
    if len(grants) > 1 and ask:
        users = len({grant.subject for grant in grants})
        click.confirm(f"End {len(grants)} sessions of {users} user{'' if users == 1 else 's'}?", abort=True, err=True)
    ids = [grant.id for grant in grants]
    _run(bridge, lambda: bridge.hall.listing.end_all(ids, reasons.ENDED_BY_OPERATOR))
    click.echo(f"{len(ids)} session{'' if len(ids) == 1 else 's'} ended.")


def _run(bridge: OAuthProxy, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Ask the store; it is closed afterwards, for connections belong to one event loop."""

    async def asked() -> _Answer:
        try:
            return await ask()
        finally:
            await store_of(bridge).aclose()

    try:
        return asyncio.run(asked())
    except Unavailable as error:
        raise ConfigurationError(told_trouble(store_of(bridge), error)) from error


async def _named(bridge: OAuthProxy, written: Collection[str]) -> list[Grant]:
    """The session of each id. Only for what is no whole id all records are looked at."""
    listing = bridge.hall.listing
    found = {text: grant for text in written if (grant := await listing.get(text)) is not None}
    beginnings = [text for text in written if text not in found]
    if any(len(text) < _LEAST for text in beginnings):
        raise ConfigurationError(f"Write at least {_LEAST} characters of a session's id.")
    if beginnings:
        async for grant in listing.search(SessionFilter(ended=True)):
            for text in beginnings:
                if grant.id.startswith(text):
                    _is_the_only_one(text, found.get(text))
                    found[text] = grant
    missing = [text for text in written if text not in found]
    if missing:
        raise ConfigurationError(f"There is no session {missing[0]}.")
    return list({grant.id: grant for grant in found.values()}.values())


def _is_the_only_one(text: str, other: Grant | None) -> None:
    if other is not None:
        raise ConfigurationError(f"More than one session begins with {text}: write more of it.")


# --- for people -----------------------------------------------------------------------------------------------------------------


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _summary(grant: Grant, now: float, width: int) -> Text:
    """A few lines, the id first, each folded below itself where the terminal is narrow."""
    lines = [_client(grant), f"{' '.join(grant.scopes) or 'no scopes'} at {grant.resource}", _times(grant, now)]
    fold = TextWrapper(width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return Text.assemble((grant.id, "bold"), f"  {_user(grant)}\n", "\n".join(map(fold.fill, lines)), "\n")


def _times(grant: Grant, now: float) -> str:
    used = grant.last_used
    where = f" from {visible(used.address)}" if used and used.address else ""
    use = f"used {ago(now - used.at)}{where}" if used else "not used yet"
    ends = f"ended {_at(grant.ended_at)} ({grant.ended})" if grant.ended else f"until {_at(grant.expires_at)[:_DATE]}"
    return f"since {_at(grant.created_at)}, {use}, {ends}"


def _details(grant: Grant, now: float) -> Text:
    """All that is told of a session, a line each; long values fold by themselves."""
    used = grant.last_used
    rows = {
        "session": grant.id,
        "user": _user(grant),
        "client": _client(grant),
        "redirects to": visible(grant.redirect_uri),
        "scopes": " ".join(grant.scopes),
        "resource": grant.resource,
        "since": f"{_at(grant.created_at)} ({ago(now - grant.created_at)})",
        "last used": f"{_at(used.at)} ({ago(now - used.at)})" if used else "never",
        "from": visible(used.address) if used else "",
        "by": visible(used.agent) if used else "",
        "expires": _at(grant.expires_at),
        "ended": f"{_at(grant.ended_at)}: {grant.ended}" if grant.ended else "",
    }
    told = [(name, value) for name, value in rows.items() if value]
    return Text("\n").join(Text.assemble((f"{name:<14}", "dim"), value) for name, value in told)


def _user(grant: Grant) -> str:
    """What people call the user, and the subject."""
    told = describe(grant)["user"]
    names = " ".join(dict.fromkeys(text for text in (told["email"], user_name(grant)) if text))
    subject = grant.subject if grant.has_user else "unknown user"
    return shortened(f"{names} ({subject})" if names else subject, _USER_WIDTH)


def _client(grant: Grant) -> str:
    kind = client_kind(grant.client_id)
    name = visible(grant.client_name) or "unnamed"
    shown = f"{grant.client_id[:_SHORT_ID]}…" if kind == "dynamic" else visible(grant.client_id)
    return f"{name}, {_KINDS[kind]}: {shown}"


def _at(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds or 0, UTC).strftime("%Y-%m-%d %H:%MZ")
