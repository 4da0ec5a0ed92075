"""``vestibule storage init``: the table of a PostgreSQL store, made before the server runs, by a role that may make it."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from vestibule.cli.bridge import find_bridge, store_of
from vestibule.cli.config_show import chosen_settings
from vestibule.cli.store_trouble import told_trouble
from vestibule.errors import ConfigurationError, Unavailable
from vestibule.settings import BridgeSettings
from vestibule.storage.locate import open_store

__all__ = ["init_storage"]


def init_storage(url: str | None, server: str | None) -> None:
    """Create the store's table or bring it up to date, and say what was done.

    Args:
        url: the store, if not that of a server.
        server: see :func:`~vestibule.cli.bridge.find_bridge`; None for the configured one.

    Raises:
        ConfigurationError: there is no such store, or its server does not answer or refuses.
    """
    store: Any = store_of(find_bridge(server)) if server else open_store(url or _configured(), namespace="", public_url="")
    prepare = getattr(getattr(store, "native", store), "prepare", None)
    if prepare is None:
        click.echo(f"{store!r} has nothing to prepare.")
        return
    try:
        has_changed = asyncio.run(_prepared(store, prepare))
    except Unavailable as error:
        raise ConfigurationError(told_trouble(store, error)) from error
    click.echo(f"{store!r} {'is ready' if has_changed else 'was ready before'}.")


async def _prepared(store: Any, prepare: Any) -> bool:
    try:
        return bool(await prepare())
    finally:
        await store.aclose()


def _configured() -> Any:
    _, settings = chosen_settings()
    storage = settings.client_storage if isinstance(settings, BridgeSettings) else None
    if storage is None:
        raise ConfigurationError("client_storage is not set, and the default SQLite file prepares itself; or name a --url.")
    return storage
