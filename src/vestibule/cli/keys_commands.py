"""``vestibule keys`` and ``vestibule storage``, as they are typed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from vestibule.cli.command_line import explained, server_option

__all__ = ["keys", "storage"]

_LONGEST_DELAY: Final = 30 * 86_400  # seconds: what is longer is a mistyped one, and would pass for a key that never comes

_KEY_FILE = click.option("--file", type=click.Path(path_type=Path), help="The key file, if not that of the server.")
_STORE_URL = click.option("--url", help="The store, if not that of the server.")
_SERVER = server_option("keys")


@click.group()
def storage() -> None:
    """Where sessions are kept."""


@storage.command("init")
@click.option("--url", help="The store, if not that of the server, e.g. with the role that owns it.")
@server_option("store")
def storage_init(url: str | None, server: str | None) -> None:
    """Create the table of a PostgreSQL store, or bring it up to date. Other stores need nothing."""
    if url is not None and server is not None:
        raise click.UsageError("Name the store by --url or the server by --server, not both.")
    with explained(quiet=True):
        from vestibule.cli.storage import init_storage

        init_storage(url, server)


@click.group()
def keys() -> None:
    """The keys that sign and seal. Docs: how-to/keys.md.

    Of the configured provider, or of the server in a file: --server SERVER.py[:object].
    """


@keys.command("new")
@click.option(
    "--in",
    "delay",
    type=click.FloatRange(0, _LONGEST_DELAY),
    default=60,
    show_default=True,
    help="Seconds until the key signs and seals.",
)
@_KEY_FILE
@_SERVER
def keys_new(delay: float, file: Path | None, server: str | None) -> None:
    """Add a key. Every process learns of it before anything is made with it; nothing is restarted."""
    with explained(quiet=True):
        from vestibule.cli.key_place import find_keys
        from vestibule.cli.keys import add_key

        add_key(find_keys(file, None, server), delay)


@keys.command("list")
@_KEY_FILE
@_STORE_URL
@_SERVER
def keys_list(file: Path | None, url: str | None, server: str | None) -> None:
    """Print every key, what it does, and how many records and living sessions hang from it."""
    with explained(quiet=True):
        from vestibule.cli.key_place import find_keys
        from vestibule.cli.keys import list_keys

        list_keys(find_keys(file, url, server))


@keys.command("retire")
@click.argument("key_id", metavar="ID")
@click.option("--compromised", is_flag=True, help="Somebody else may have it: remove it whole, and what it made.")
@click.option("--yes", is_flag=True, help="Do not ask, also where sessions end.")
@_KEY_FILE
@_STORE_URL
@_SERVER
def keys_retire(key_id: str, compromised: bool, yes: bool, file: Path | None, url: str | None, server: str | None) -> None:
    """Take an old key out of service. Records that it sealed are sealed anew; it goes on reading registrations of clients."""
    with explained(quiet=True):
        from vestibule.cli.key_place import find_keys
        from vestibule.cli.keys_retire import retire_key

        retire_key(find_keys(file, url, server), key_id, compromised=compromised, yes=yes)
