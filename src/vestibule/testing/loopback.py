"""An ASGI app on a real port of this machine, in a thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import uvicorn

from vestibule.errors import ConfigurationError

__all__ = ["LoopbackServer", "check_loopback_host"]

_START_SECONDS = 10.0
_STOP_SECONDS = 10.0

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


def check_loopback_host(host: str) -> None:
    """Check that only this machine can reach `host`.

    Raises:
        ConfigurationError: it is not ``localhost`` or a loopback address.
    """
    if host == "localhost":
        return
    try:
        if ip_address(host.strip("[]")).is_loopback:
            return
    except ValueError:
        pass
    raise ConfigurationError(f"{host!r} is not a loopback host; what is made for development runs on 127.0.0.1 only.")


class LoopbackServer:
    """Serves an app while a ``with`` block runs, or between :meth:`start` and :meth:`stop`.

    Args:
        app: the ASGI app; its lifespan is run.
        host: a loopback host.
        port: 0 for a free one. It is bound at once, so that :attr:`url` is known before the app runs.

    Raises:
        ConfigurationError: `host` is not loopback.
        OSError: the port is taken.
    """

    def __init__(self, app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> None:
        check_loopback_host(host)
        self._socket = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._host = f"[{host}]" if ":" in host else host
        config = uvicorn.Config(app, log_level="warning", ws="none", lifespan="auto", timeout_graceful_shutdown=2)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://{self._host}:{self.port}"

    def start(self) -> Self:
        """Serve from now on.

        Raises:
            RuntimeError: the app did not start; the log says why.
        """
        port = self.port
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the app on port {port} did not start")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Serve no more; the port is free afterwards."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _run(self) -> None:
        with suppress(SystemExit):  # how the server says that the app did not start
            self._server.run(sockets=[self._socket])
