"""The ``vestibule`` command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

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


@contextmanager
def _explained() -> Iterator[None]:
    """What the operator must change is a line, not a traceback."""
    try:
        yield
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
