"""Fakes and servers on real ports, for what does not talk through our HTTP client."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from tests.interop.certificates import self_signed

from vestibule.testing import LoopbackServer


class Later:
    """An app that is named after its address is known, and what to close in its event loop when it ends."""

    app: Any = None
    closing: Sequence[Callable[[], Awaitable[object]]] = ()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                for close in self.closing:
                    await close()
            await send(message)

        await self.app(scope, receive, sent)


@contextmanager
def on_loopback() -> Iterator[tuple[str, Later, LoopbackServer]]:
    """A base URL, the app to name, and the server to start."""
    later = Later()
    server = LoopbackServer(later)
    try:
        yield server.url, later, server
    finally:
        server.stop()


@contextmanager
def over_tls(app: Any, folder: Path) -> Iterator[tuple[str, str]]:
    """Serve `app` with a certificate of its own; gives host with port, and the file to trust."""
    files = self_signed(folder)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", lifespan="off", **files))
    thread = threading.Thread(target=_run, args=(server, listening), daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.005)
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}", files["ssl_certfile"]
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def trusting(certificate: str) -> httpx2.AsyncClient:
    """An HTTP client, or a browser, that trusts one certificate more."""
    context = ssl.create_default_context()
    context.load_verify_locations(certificate)
    return httpx2.AsyncClient(verify=context, follow_redirects=False, trust_env=False, timeout=20)


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    with suppress(SystemExit):
        server.run(sockets=[listening])
