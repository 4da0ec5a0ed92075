"""What the stores behind a network have in common."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from vestibule.errors import ConfigurationError

__all__ = ["PerLoop", "check_file", "network_trouble", "shown_url"]

_Client = TypeVar("_Client")

_NETWORK_TROUBLE: Final[tuple[tuple[type[Exception], str], ...]] = (
    (socket.gaierror, "the name of the host cannot be resolved"),
    (ssl.SSLCertVerificationError, "the certificate of the server is not trusted"),
    (ssl.SSLError, "no connection with TLS can be made"),
)


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


def check_file(name: str, path: str) -> None:
    """Check that a file is there which an option names; its content is read where it is used.

    Raises:
        ConfigurationError: it is not.
    """
    if not Path(path).is_file():
        raise ConfigurationError(f"{name} names a file that is not there: {path[:200]}.")


def network_trouble(error: BaseException) -> str | None:
    """Why there is no connection, where that can be told more exactly than by the kind of `error`: no credentials."""
    causes = list(_causes(error))
    return next((text for kind, text in _NETWORK_TROUBLE if any(isinstance(cause, kind) for cause in causes)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
