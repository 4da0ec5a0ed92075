"""The processes of a run, forked from one that has imported everything; run by ``deployment.py`` as a program.

``serve`` is one of the servers; it opens its own port, so that while it is dead its connections are refused. ``provide`` is the identity
provider, whose refresh tokens rotate, and which ends a session whose spent refresh token comes back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from tests.races.house import whoami
from tests.races.server import main
from tests.races.stores import WrappedStore
from tests.scale.clock import PacedClock
from tests.scale.journal import SERVER, Journal, ProviderJournal

from vestibule import OIDCProxy
from vestibule.cli.key_place import find_keys
from vestibule.cli.keys import add_key
from vestibule.cli.keys_retire import retire_key
from vestibule.errors import ConfigurationError
from vestibule.storage.locate import open_store
from vestibule.storage.protocol import Record, Store
from vestibule.testing import DevelopmentProvider

FOR_EVER = 1e9


class CarelessStore(WrappedStore):
    """Swaps whatever version is there: the flaw of a store without compare-and-swap."""

    async def after(self, verb: str, key: str) -> None:
        await asyncio.sleep(random.uniform(0, 0.02))  # so that somebody comes between

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        record = await self.inner.get(key)
        return record is not None and await self.inner.swap(key, record.version, value, ttl)


class ForgetfulStore(WrappedStore):
    """Loses a record now and then."""

    async def get(self, key: str) -> Record | None:
        return None if random.random() < 0.02 else await self.inner.get(key)


class BrokenStore(WrappedStore):
    """Fails in a way that no store may."""

    async def before(self, verb: str, key: str) -> None:
        if verb == "put_new" and random.random() < 0.3:
            raise RuntimeError("not what stores raise")


FLAWS = {"careless": CarelessStore, "forgetful": ForgetfulStore, "broken": BrokenStore}


def serve(_: Mapping[int, socket.socket], order: dict[str, Any]) -> None:
    name, clock = f"{order['port']}-{os.getpid()}", PacedClock(*order["clock"])
    logging.basicConfig(filename=Path(order["folder"]) / f"server-{name}.log", level=logging.WARNING)
    store: Store = open_store(order["database"], namespace="", public_url="", clock=clock)
    flaw = order["flaw"]
    proxy = OIDCProxy(
        config_url=order["config_url"],
        client_id=order["client_id"],
        client_secret=order["client_secret"],
        base_url=order["base_url"],
        client_storage=FLAWS[flaw](store) if flaw in FLAWS else store,
        jwt_signing_key=Path(order["keys"]),
        access_token_expiry_seconds=order["access_token_seconds"],
        revocation_delay_seconds=FOR_EVER if flaw == "deaf" else order["revocation_delay"],
        http_client=httpx2.AsyncClient(headers={SERVER: name}, timeout=30, trust_env=False),
        clock=clock,
    )
    app = Journal(proxy.protect(whoami), Path(order["folder"]) / f"server-{name}.jsonl", clock)
    _run(app, socket.create_server(("127.0.0.1", order["port"]), backlog=512))


def provide(listeners: Mapping[int, socket.socket], order: dict[str, Any]) -> None:
    clock = PacedClock(*order["clock"])
    provider = DevelopmentProvider(
        base_url=f"http://127.0.0.1:{order['port']}",
        users={name: {"email": f"{name}@example.com", "email_verified": True} for name in order["users"]},
        algorithm="ES256",
        access_token_seconds=order["access_token_seconds"],
        clock=clock,
    )
    _run(ProviderJournal(provider.app, Path(order["folder"]) / "provider.jsonl", clock), listeners[order["port"]])


def tend_keys(_: Mapping[int, socket.socket], order: dict[str, Any]) -> None:
    """What ``vestibule keys new`` and ``retire`` do, with the clock of the run."""
    file, clock = Path(order["keys"]), PacedClock(*order["clock"])
    logging.basicConfig(filename=Path(order["folder"]) / "keys.log", level=logging.WARNING)
    with (Path(order["folder"]) / "keys.log").open("a") as log, redirect_stdout(log):
        try:
            if order["retire"]:
                retire_key(find_keys(file, order["database"]), order["retire"], compromised=False, yes=True, clock=clock)
            else:
                add_key(find_keys(file, None), order["delay"], clock)
        except ConfigurationError as error:  # the store is away: whoever rotates tries again
            print(error)


def _run(app: Any, listener: socket.socket) -> None:
    # The reverse proxy keeps its connections for less long: one that is closed as it is used breaks a request for nothing.
    config = uvicorn.Config(app, log_level="critical", ws="none", access_log=False, timeout_keep_alive=75)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main({"serve": serve, "provide": provide, "tend keys": tend_keys})
