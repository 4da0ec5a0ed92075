"""``vestibule sessions``, as it is typed."""

from __future__ import annotations

from collections.abc import Callable

import click

from vestibule.cli.command_line import CommandOfIds, explained, server_option
from vestibule.cli.durations import read_duration

__all__ = ["sessions"]


@click.group()
def sessions() -> None:
    """Who is signed in with which client, and ending that.

    Of the configured provider, or of the server in a file: --server SERVER.py[:object].
    """


_SERVER = server_option("sessions")
_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which sessions are meant."""
    for option in (
        click.option("--older", callback=read_duration, metavar="DURATION", help="Signed in so long ago or longer, e.g. 30d."),
        click.option("--idle", callback=read_duration, metavar="DURATION", help="Not used for so long, e.g. 12h."),
        click.option("--client", help="Client id (of a dynamic one the beginning will do), or its name."),
        click.option("--user", help="Subject, e-mail address or user name."),
    ):
        command = option(command)
    return command


@sessions.command("list")
@_filters
@click.option("--ended", is_flag=True, help="Those that have ended or expired within the last day, too.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@_JSON
@_SERVER
def sessions_list(
    user: str | None,
    client: str | None,
    idle: float | None,
    older: float | None,
    ended: bool,
    limit: int,
    as_json: bool,
    server: str | None,
) -> None:
    """List sessions, the newest first."""
    with explained(quiet=True):
        from vestibule.cli.sessions import list_sessions
        from vestibule.grants.session_filter import SessionFilter

        wanted = SessionFilter(user=user, client=client, idle_for=idle, older_than=older, ended=ended)
        list_sessions(server, wanted, limit=limit, as_json=as_json)


@sessions.command("show", cls=CommandOfIds)
@click.argument("session", metavar="ID")
@_JSON
@_SERVER
def sessions_show(session: str, as_json: bool, server: str | None) -> None:
    """Show one session. The beginning of its id will do."""
    with explained(quiet=True):
        from vestibule.cli.sessions import show_session

        show_session(server, session, as_json=as_json)


@sessions.command("end", cls=CommandOfIds)
@click.argument("session_ids", metavar="[ID]...", nargs=-1)
@_filters
@click.option("--yes", is_flag=True, help="Do not ask before several are ended.")
@_SERVER
def sessions_end(
    session_ids: tuple[str, ...],
    user: str | None,
    client: str | None,
    idle: float | None,
    older: float | None,
    yes: bool,
    server: str | None,
) -> None:
    """End sessions by id, or all that the options describe. Their tokens end here and at the provider."""
    filtered = any(value is not None for value in (user, client, idle, older))
    if filtered == bool(session_ids):
        raise click.UsageError("Name sessions by id, or describe them by --user, --client, --idle, --older; not both.")
    with explained(quiet=True):
        from vestibule.cli.sessions import end_sessions
        from vestibule.grants.session_filter import SessionFilter

        wanted = SessionFilter(user=user, client=client, idle_for=idle, older_than=older) if filtered else None
        end_sessions(server, session_ids, wanted, ask=not yes)
