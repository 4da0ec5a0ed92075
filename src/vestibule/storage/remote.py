"""What the stores behind a network have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

__all__ = ["PerLoop", "shown_url"]

_Client = TypeVar("_Client")


class PerLoop(Generic[_Client]):
    """One client for each event loop: a connection that was made in one cannot be used in another.

    Args:
        build: makes a client, inside the loop that it is for.
    """

    def __init__(self, build: Callable[[], _Client]) -> None:
        self._build = build
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _Client] = WeakKeyDictionary()

    def here(self) -> _Client:
        """The client of the running loop."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            self._drop_closed()
            client = self._clients[loop] = self._build()
        return client

    def forget(self) -> _Client | None:
        """The client of the running loop, which is no longer ours: the next use makes another."""
        return self._clients.pop(asyncio.get_running_loop(), None)

    def _drop_closed(self) -> None:
        """A client refers to its loop, so that one which ended unclosed would be kept here for ever."""
        for loop in [loop for loop in self._clients if loop.is_closed()]:
            del self._clients[loop]


def shown_url(url: str) -> str:
    """A store's URL without credentials and options, which may hold a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
