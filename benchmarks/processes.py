"""Servers in processes of their own: ``serve`` inside one, ``start`` from outside."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn

READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server process has used: CPU of all its threads in nanoseconds, resident memory in bytes."""

    cpu_ns: int
    rss: int


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers at ``base_url``."""

    base_url: str

    def usage(self) -> Usage:
        """Ask the process itself; its own clock counts nanoseconds where the system's table counts hundredths."""
        return Usage(**httpx2.get(f"{self.base_url}/benchmark/usage").json())


def serve(build: Callable[[str], Any]) -> None:
    """Serve ``build(base_url)`` on a free loopback port with one stock uvicorn worker; print the base URL first."""
    logging.disable(logging.WARNING)
    # Named as TCP, or asyncio does not switch off Nagle's algorithm and every streamed answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    # A side waits while the others have their turn; its connections are to last that long.
    config = uvicorn.Config(build(base_url), log_level="warning", access_log=False, timeout_keep_alive=READY_SECONDS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print(base_url, flush=True)
    uvicorn.Server(config).run(sockets=[listener])


def _end_with_parent() -> None:
    """Standard input closes when whoever started us is gone, however it went."""
    sys.stdin.buffer.read()
    os._exit(0)


@contextlib.contextmanager
def start(module: str, *arguments: str, probe: str) -> Iterator[Running]:
    """Run ``python -m module``; yields once ``probe`` (a path) answers; ends the process on leaving."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        base_url = (process.stdout.readline() if process.stdout else "").strip()
        if not base_url:
            raise RuntimeError(f"{module} {' '.join(arguments)} did not start")
        # The port listens before the application is up, so this one request waits for it.
        httpx2.get(f"{base_url}{probe}", timeout=READY_SECONDS)
        yield Running(base_url)
    finally:
        process.terminate()
        process.communicate(timeout=READY_SECONDS)
