"""The bridge whose sessions or keys a command is about."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from vestibule.cli.config_show import chosen_settings
from vestibule.cli.server_file import find_provider
from vestibule.errors import ConfigurationError
from vestibule.proxy.multi import MultiAuth
from vestibule.proxy.oauth_proxy import OAuthProxy
from vestibule.storage.memory import MemoryStore
from vestibule.storage.protocol import Store

__all__ = ["find_bridge", "find_sessions", "store_of"]


def find_bridge(target: str | None) -> OAuthProxy:
    """The bridge of a server file or, without one, the configured one.

    Args:
        target: ``SERVER.py`` or ``SERVER.py:object``; the object may be a server or a provider.

    Raises:
        ConfigurationError: there is none.
    """
    with _quietly():
        provider = (find_provider(target) if target else None) or chosen_settings()[0].provider()
    bridge = provider.server or provider if isinstance(provider, MultiAuth) else provider
    if not isinstance(bridge, OAuthProxy):
        raise ConfigurationError(
            f"{type(bridge).__name__} keeps no sessions and has no keys: tokens come from the provider itself."
        )
    return bridge


def find_sessions(target: str | None) -> OAuthProxy:
    """As :func:`find_bridge`, for a command that works on its sessions.

    Raises:
        ConfigurationError: there is none, or its sessions are out of reach.
    """
    bridge = find_bridge(target)
    if isinstance(store_of(bridge), MemoryStore):
        raise ConfigurationError(
            "Sessions are kept in the memory of the server's process, where no command reaches them: set client_storage."
        )
    return bridge


@contextmanager
def _quietly() -> Iterator[None]:
    """What a server says when it starts is said by the server."""
    logger = logging.getLogger("vestibule")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def store_of(bridge: OAuthProxy) -> Store:
    """Where the bridge keeps its sessions."""
    return bridge.hall.grants.store
