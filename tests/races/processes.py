"""The tests' side of ``server.py``: servers as processes on one store, and a provider that all of them ask."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import httpx2
from tests.races.server import FileClock

from vestibule.testing import DevelopmentProvider, ScriptedClient, ScriptedUser

PROGRAM = Path(__file__).with_name("server.py")


class Nursery:
    """Server processes, forked from one program that has imported everything, so that a new one costs milliseconds.

    Attributes:
        running: process ids of the servers, by port.
    """

    def __init__(self, program: Path = PROGRAM) -> None:
        self.running: dict[int, int] = {}
        self._lock = Lock()
        roots = [str(PROGRAM.parents[2]), *sys.path]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in roots if entry)}
        self._program = subprocess.Popen(
            [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def listen(self) -> int:
        """Open a port, which stays open whatever becomes of the servers behind it."""
        return int(self._follow({"do": "listen"}))

    def run(self, order: dict[str, Any]) -> None:
        """Have a process do something, and wait for its end."""
        process = self._follow(order)
        while self.is_alive(process):
            time.sleep(0.01)

    def start(self, port: int, order: dict[str, Any]) -> None:
        """Start a server for a port, instead of the one that is there."""
        self.kill(port)
        self.running[port] = self._follow({**order, "port": port})

    def kill(self, port: int) -> None:
        """kill -9."""
        process = self.running.pop(port, None)
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        while self.is_alive(process):
            time.sleep(0.002)

    def close(self) -> None:
        """End the servers, then the program."""
        for port in list(self.running):
            self.kill(port)
        self._program.kill()
        self._program.communicate()

    @staticmethod
    def is_alive(process: int) -> bool:
        try:
            os.kill(process, 0)
            state = Path(f"/proc/{process}/stat")
            return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
        except (ProcessLookupError, FileNotFoundError):
            return False

    def _follow(self, order: dict[str, Any]) -> int:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        with self._lock:
            self._program.stdin.write(json.dumps(order) + "\n")
            self._program.stdin.flush()
            return int(self._program.stdout.readline())


@dataclass
class Street:
    """Several servers that share their address, keys and file.

    Attributes:
        ports: where they listen; the first is the one that the public URL names.
        idp: the provider, in this process.
    """

    idp: DevelopmentProvider
    folder: Path
    nursery: Nursery
    database: str = ""
    keys: Path | None = None
    ports: list[int] = field(default_factory=list)
    http: httpx2.AsyncClient = field(default_factory=lambda: httpx2.AsyncClient(timeout=30, trust_env=False))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def store(self) -> str:
        return self.database or f"sqlite:///{self.folder / 'state' / 'state.sqlite3'}"

    @property
    def clock(self) -> Path:
        return self.folder / "clock"

    @property
    def upstream_refreshes(self) -> int:
        return sum(r.parameters.get("grant_type") == "refresh_token" for r in self.idp.requests_to("token"))

    def advance(self, seconds: float) -> None:
        """Let time pass for everybody."""
        written = self.clock.with_suffix(".new")
        written.write_text(str(float(self.clock.read_text()) + seconds))
        written.replace(self.clock)

    def start(self, port: int, *, die_at: int | None = None) -> None:
        """Start a server on a port, instead of the one that is there."""
        order = {
            "do": "serve",
            "die_at": die_at,
            "dawdles": len(self.ports) > 1,
            "clock": str(self.clock),
            "keys": str(self.keys or ""),
            "database": self.store,
            "config_url": self.idp.config_url,
            "client_id": self.idp.client_id,
            "client_secret": self.idp.client_secret,
            "base_url": self.base_url,
        }
        self.nursery.start(port, order)

    def kill(self, port: int) -> None:
        """kill -9."""
        self.nursery.kill(port)

    def has_died(self, port: int) -> bool:
        """Whether the server has ended; its connections break a moment before."""
        deadline = time.monotonic() + 20
        while self.nursery.is_alive(self.nursery.running[port]):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def listen(self) -> int:
        port = self.nursery.listen()
        self.ports.append(port)
        return port

    async def client(self) -> ScriptedClient:
        made = ScriptedClient(f"{self.base_url}/mcp", user=ScriptedUser())
        for http in (self.http, made.http, made.user.browser):
            http.headers["connection"] = "close"  # a kept connection to a server of before would break for nothing
        await made.discover()
        await made.register()
        return made

    async def post(self, port: int, path: str, form: dict[str, str]) -> httpx2.Response:
        """A form to one of the servers."""
        return await self.http.post(f"http://127.0.0.1:{port}{path}", data=form)

    async def call(self, port: int, token: str) -> httpx2.Response:
        """A call to one of the servers."""
        return await self.http.post(f"http://127.0.0.1:{port}/mcp", json={}, headers={"authorization": f"Bearer {token}"})


@contextmanager
def street(
    folder: Path, *, servers: int, access_token_seconds: int = 3600, database: str = "", keys: Path | None = None
) -> Iterator[Street]:
    """`servers` running processes, on a SQLite file or the store that a URL names, with a key of the tests or a key file."""
    (folder / "clock").write_text("0")
    provider = DevelopmentProvider(
        clock=FileClock(folder / "clock"), access_token_seconds=access_token_seconds, auto_approve_as="alice"
    )
    nursery = Nursery()
    with provider:
        made = Street(provider, folder, nursery, database, keys)
        try:
            for port in [made.listen() for _ in range(servers)]:
                made.start(port)
            yield made
        finally:
            nursery.close()
