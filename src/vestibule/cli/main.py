"""The ``vestibule`` command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from vestibule.cli.durations import read_duration
from vestibule.errors import ConfigurationError

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vestibule")
def main() -> None:
    """The entrance hall of MCP servers."""


@main.command()
@click.option("--serve", is_flag=True, help="Leave it running, for a browser or the MCP Inspector.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the protected server; 0 picks a free one.")
def demo(serve: bool, port: int) -> None:
    """Walk the whole way on this machine: discovery, registration, consent, sign-in, call, step-up, refresh, revocation.

    Exits with 0 only if all of it held.
    """
    with _explained():
        from vestibule.cli.demo import run_demo, serve_demo

        if serve:
            serve_demo(port)
        else:
            sys.exit(run_demo(port))


@main.command()
@click.argument("target", metavar="SERVER.py[:object]")
@click.option("--transport", type=click.Choice(["http", "streamable-http"]), default="http", help="Both mean Streamable HTTP.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--path", default="/mcp", show_default=True, help="Path of the MCP endpoint.")
def run(target: str, transport: str, host: str, port: int, path: str) -> None:
    """Serve the FastMCP server, SDK server or ASGI application in a file, behind its own provider or the configured one.

    Without an object: mcp, server or app, or the only server that there is.
    """
    with _explained():
        from vestibule.cli.run import load_application, log_to_terminal, serve

        log_to_terminal()
        serve(load_application(target, path), host=host, port=port, path=path)


@main.group()
def config() -> None:
    """What is configured, and whether it can work."""


@config.command("show")
def config_show() -> None:
    """Print what is in force and where each value comes from. Secrets are masked."""
    with _explained():
        from vestibule.cli.config_show import show_config

        show_config()


@config.command("check")
def config_check() -> None:
    """Look for what cannot work, before anyone signs in. Exits with 1 if something cannot."""
    with _explained():
        from vestibule.cli.config_check import check_config

        sys.exit(check_config())


@main.group()
def storage() -> None:
    """Where sessions are kept."""


@storage.command("init")
@click.option("--url", help="The store, if not the configured one, e.g. with the role that owns it.")
def storage_init(url: str | None) -> None:
    """Create the table of a PostgreSQL store, or bring it up to date. Other stores need nothing."""
    with _explained():
        from vestibule.cli.storage import init_storage

        init_storage(url)


_KEY_FILE = click.option("--file", type=click.Path(path_type=Path), help="The key file, if not the configured one.")
_STORE_URL = click.option("--url", help="The store, if not the configured one.")


@main.group()
def keys() -> None:
    """The keys that sign and seal. Docs: how-to/keys.md."""


@keys.command("new")
@click.option(
    "--in", "delay", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds until the key signs and seals."
)
@_KEY_FILE
def keys_new(delay: float, file: Path | None) -> None:
    """Add a key. Every process learns of it before anything is made with it; nothing is restarted."""
    with _explained():
        from vestibule.cli.keys import add_key

        add_key(delay, file)


@keys.command("list")
@_KEY_FILE
@_STORE_URL
def keys_list(file: Path | None, url: str | None) -> None:
    """Print every key, what it does, and how many records and living sessions hang from it."""
    with _explained():
        from vestibule.cli.keys import list_keys

        list_keys(file, url)


@keys.command("retire")
@click.argument("key_id", metavar="ID")
@click.option("--compromised", is_flag=True, help="Somebody else may have it: remove it whole, and what it made.")
@click.option("--yes", is_flag=True, help="Do not ask, also where sessions end.")
@_KEY_FILE
@_STORE_URL
def keys_retire(key_id: str, compromised: bool, yes: bool, file: Path | None, url: str | None) -> None:
    """Take an old key out of service. Records that it sealed are sealed anew; it goes on reading registrations of clients."""
    with _explained():
        from vestibule.cli.keys_retire import retire_key

        retire_key(key_id, compromised=compromised, yes=yes, file=file, url=url)


@main.group()
def sessions() -> None:
    """Who is signed in with which client, and ending that.

    Of the configured provider, or of the server in a file: --server SERVER.py[:object].
    """


_SERVER = click.option("--server", metavar="SERVER.py[:object]", help="The server whose sessions; default: the configured one.")
_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")
_IDS = {"ignore_unknown_options": True, "help_option_names": ["--help"]}  # a session's id may begin with a dash


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
    with _explained():
        from vestibule.cli.sessions import list_sessions
        from vestibule.grants.session_filter import SessionFilter

        wanted = SessionFilter(user=user, client=client, idle_for=idle, older_than=older, ended=ended)
        list_sessions(server, wanted, limit=limit, as_json=as_json)


@sessions.command("show", context_settings=_IDS)
@click.argument("session", metavar="ID")
@_JSON
@_SERVER
def sessions_show(session: str, as_json: bool, server: str | None) -> None:
    """Show one session. The beginning of its id will do."""
    with _explained():
        from vestibule.cli.sessions import show_session

        show_session(server, session, as_json=as_json)


@sessions.command("end", context_settings=_IDS)
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
    with _explained():
        from vestibule.cli.sessions import end_sessions
        from vestibule.grants.session_filter import SessionFilter

        wanted = SessionFilter(user=user, client=client, idle_for=idle, older_than=older) if filtered else None
        end_sessions(server, session_ids, wanted, ask=not yes)


@contextmanager
def _explained() -> Iterator[None]:
    """What the operator must change is a line, not a traceback."""
    try:
        yield
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
