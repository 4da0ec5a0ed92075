"""Servers behind nginx on one store, with their provider: everything that a run needs, and what can be done to it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.races.processes import Nursery
from tests.scale.clock import PacedClock
from tests.scale.front import Nginx, is_open
from tests.scale.stores import new_store
from tests.stores.servers import free_port, wait_until

from vestibule.testing.provider.model import DEFAULT_CLIENT

PROGRAM = Path(__file__).with_name("server.py")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is like.

    Attributes:
        store: its kind.
        seconds: of traffic, on the machine's clock.
        users: how many.
        servers: how many processes.
        seed: repeats the same decisions (not the same timing).
        pace: how fast the servers' clock goes.
        flaw: what is deliberately wrong with the servers; see ``server.py``.
        chaos: whether processes and store are killed and keys rotated.
    """

    store: str
    seconds: float
    users: int
    servers: int = 3
    seed: int = 1
    pace: float = 1.0
    flaw: str = ""
    chaos: bool = True
    access_token_seconds: int = 20
    upstream_token_seconds: int = 15
    revocation_delay: float = 5

    @property
    def names(self) -> list[str]:
        return [f"user-{number:03}" for number in range(self.users)]


@dataclass
class Deployment:
    """Processes, store, front and provider.

    Attributes:
        keys: of the servers, the one that signs first.
        kills: when each process that was killed had ended.
        outages: when the store was away: from, to.
        rotations: how many keys came.
    """

    plan: Plan
    clock: PacedClock = field(init=False)
    keys: list[str] = field(default_factory=lambda: [secrets.token_urlsafe(32)])
    kills: dict[str, float] = field(default_factory=dict)
    outages: list[tuple[float, float]] = field(default_factory=list)
    rotations: int = 0

    def __post_init__(self) -> None:
        self.clock = PacedClock(time.time(), self.plan.pace)
        self.folder = Path(tempfile.mkdtemp(prefix="vestibule-"))
        self.store = new_store(self.plan.store)
        self.ports = [free_port() for _ in range(self.plan.servers)]
        self.front = Nginx(self.ports)
        self._nursery = Nursery(PROGRAM)
        self._provider = self._nursery.listen()

    @property
    def base_url(self) -> str:
        return self.front.url

    @property
    def provider_url(self) -> str:
        return f"http://127.0.0.1:{self._provider}"

    def start(self) -> None:
        self.store.start()
        self._nursery.start(
            self._provider,
            self._order("provide", users=self.plan.names, access_token_seconds=self.plan.upstream_token_seconds),
        )
        for port in self.ports:
            self.start_server(port)
        wait_until(lambda: all(map(is_open, self.ports)))
        self.front.start()

    def start_server(self, port: int) -> None:
        """Start a server, with the keys of now."""
        order = self._order(
            "serve",
            database=self.store.url,
            config_url=f"{self.provider_url}/.well-known/openid-configuration",
            client_id=DEFAULT_CLIENT.client_id,
            client_secret=DEFAULT_CLIENT.client_secret,
            base_url=self.base_url,
            keys=self.keys,
            access_token_seconds=self.plan.access_token_seconds,
            revocation_delay=self.plan.revocation_delay,
            flaw=self.plan.flaw,
        )
        self._nursery.start(port, order)

    def kill_server(self, port: int) -> None:
        """kill -9."""
        process = self._nursery.running.get(port)
        self._nursery.kill(port)
        if process is not None:
            self.kills[f"{port}-{process}"] = self.clock.now()

    def fail_store(self) -> None:
        self.outages.append((self.clock.now(), float("inf")))
        self.store.kill()

    def recover_store(self) -> None:
        self.store.start()
        began, _ = self.outages.pop()
        self.outages.append((began, self.clock.now()))

    def add_key(self) -> str:
        """A new key that all will know before anybody uses it: the first step of a rotation, which the next start takes."""
        key = secrets.token_urlsafe(32)
        self.keys = [*self.keys, key]
        return key

    def promote_key(self, key: str) -> None:
        """The second step: from the next start it signs and seals."""
        self.keys = [key, *(known for known in self.keys if known != key)]
        self.rotations += 1

    def stop(self) -> None:
        """End the servers, so that their journals are complete."""
        for port in self.ports:
            self.kill_server(port)

    def remove(self) -> None:
        self._nursery.close()
        self.front.remove()
        self.store.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _order(self, role: str, **parts: Any) -> dict[str, Any]:
        return {"do": role, "folder": str(self.folder), "clock": [self.clock.origin, self.clock.pace], **parts}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
