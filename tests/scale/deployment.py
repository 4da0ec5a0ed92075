"""Servers behind nginx on one store, with their provider: everything that a run needs, and what can be done to it."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.races.processes import Nursery
from tests.scale.clock import PacedClock
from tests.scale.front import Nginx, is_open
from tests.scale.model import Retirement
from tests.scale.stores import new_store
from tests.stores.servers import free_port, wait_until

from vestibule.keys.key_file import KeyFile
from vestibule.keys.keyring import LOOK_SECONDS
from vestibule.keys.ring_key import RingKey
from vestibule.testing.provider.model import DEFAULT_CLIENT

PROGRAM = Path(__file__).with_name("server.py")
KEY_DELAY = 2 * LOOK_SECONDS
"""Seconds between a key's coming and its first use."""


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
        kills: when each process that was killed had ended.
        outages: when the store was away: from, to.
        retirements: of keys.
    """

    plan: Plan
    clock: PacedClock = field(init=False)
    kills: dict[str, float] = field(default_factory=dict)
    outages: list[tuple[float, float]] = field(default_factory=list)
    retirements: list[Retirement] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = PacedClock(time.time(), self.plan.pace)
        self.folder = Path(tempfile.mkdtemp(prefix="vestibule-"))
        self.store = new_store(self.plan.store)
        self.ports = [free_port() for _ in range(self.plan.servers)]
        self.front = Nginx(self.ports)
        self._nursery = Nursery(PROGRAM)
        self._provider = self._nursery.listen()

    @property
    def _key_file(self) -> Path:
        return self.folder / "keys.json"

    @property
    def base_url(self) -> str:
        return self.front.url

    @property
    def provider_url(self) -> str:
        return f"http://127.0.0.1:{self._provider}"

    def start(self) -> None:
        self.store.start()
        self.add_key()
        self._nursery.start(
            self._provider,
            self._order("provide", users=self.plan.names, access_token_seconds=self.plan.upstream_token_seconds),
        )
        for port in self.ports:
            self.start_server(port)
        wait_until(lambda: all(map(is_open, self.ports)))
        self.front.start()

    def start_server(self, port: int) -> None:
        """Start a server."""
        order = self._order(
            "serve",
            config_url=f"{self.provider_url}/.well-known/openid-configuration",
            client_id=DEFAULT_CLIENT.client_id,
            client_secret=DEFAULT_CLIENT.client_secret,
            base_url=self.base_url,
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

    def add_key(self) -> float:
        """A new key; gives the time from which it signs and seals, after all servers have looked at the file."""
        self._nursery.run(self._order("tend keys", delay=KEY_DELAY, retire=""))
        return max(key.active_from for key in self._keys())

    def retire_key(self) -> bool:
        """Take the oldest key out of service; False if the store was away and it has to be tried again."""
        oldest, successor, *_ = sorted(self._keys(), key=lambda key: key.active_from)
        began = self.clock.now()
        self._nursery.run(self._order("tend keys", retire=oldest.id))
        done = oldest.id not in {key.id for key in self._keys()}
        self.retirements.append(Retirement(successor.active_from, began, self.clock.now() + LOOK_SECONDS))
        return done

    def _keys(self) -> list[RingKey]:
        return [key for key in KeyFile(self._key_file).read() if not key.only_registrations]

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
        common = {
            "folder": str(self.folder),
            "clock": [self.clock.origin, self.clock.pace],
            "keys": str(self._key_file),
            "database": self.store.url,
        }
        return {"do": role, **common, **parts}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
