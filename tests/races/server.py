"""Real server processes, forked from one that has imported everything; run by the tests of this folder as a program.

Each line on standard input is an order, answered by a line on standard output:

``{"do": "listen"}``
    open a port; answers its number. The port stays open whatever becomes of the servers behind it.
``{"do": "serve", "port": …, …}``
    fork a server on that port; answers its process id. With ``dawdles`` its store takes its time; with ``die_at`` it ends itself by
    SIGKILL at that step: a step is the moment before or after a verb of the store or a request to the provider.

Time is the machine's plus what the file ``clock`` says.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from tests.races.house import KEY, whoami
from tests.races.stores import WrappedStore

from vestibule import OIDCProxy
from vestibule.storage.locate import open_store
from vestibule.storage.protocol import Store


class FileClock:
    """The machine's time and as many seconds as a file says. Waiting goes ten times as fast."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> float:
        return time.time() + float(self._path.read_text() or 0)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 10)


class Steps:
    """Counts, and ends the process at one of them."""

    def __init__(self, die_at: int | None) -> None:
        self._left = die_at

    def step(self) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalStore(WrappedStore):
    """A store in a process that may end around any verb; with `dawdles` there is time for others between a read and its write."""

    def __init__(self, store: Store, steps: Steps, dawdles: bool) -> None:
        super().__init__(store)
        self._steps = steps
        self._dawdles = dawdles

    async def before(self, verb: str, key: str) -> None:
        self._steps.step()

    async def after(self, verb: str, key: str) -> None:
        self._steps.step()
        if self._dawdles:
            await asyncio.sleep(random.uniform(0, 0.02))


class MortalTransport(httpx2.AsyncHTTPTransport):
    """The way to the provider in such a process."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._steps.step()
        response = await super().handle_async_request(request)
        await response.aread()
        self._steps.step()
        return response


def serve(listeners: Mapping[int, socket.socket], order: dict[str, Any]) -> None:
    clock = FileClock(Path(order["clock"]))
    steps = Steps(order.get("die_at"))
    proxy = OIDCProxy(
        config_url=order["config_url"],
        client_id=order["client_id"],
        client_secret=order["client_secret"],
        base_url=order["base_url"],
        client_storage=MortalStore(
            open_store(order["database"], namespace="", public_url="", clock=clock), steps, order["dawdles"]
        ),
        jwt_signing_key=Path(order["keys"]) if order.get("keys") else KEY,
        clock=clock,
        http_client=httpx2.AsyncClient(transport=MortalTransport(steps), timeout=10),
    )
    config = uvicorn.Config(proxy.protect(whoami), log_level="error", ws="none", lifespan="off", access_log=False)
    uvicorn.Server(config).run(sockets=[listeners[order["port"]]])


def main(roles: Mapping[str, Callable[[Mapping[int, socket.socket], dict[str, Any]], None]]) -> None:
    """Follow the orders; an order that is a role forks a process that plays it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended children go by themselves
    listeners: dict[int, socket.socket] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "listen":
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            answer = listener.getsockname()[1]
            listeners[answer] = listener
        else:
            answer = os.fork()
            if answer == 0:
                sys.stdin.close()
                roles[order["do"]](listeners, order)
                os._exit(0)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main({"serve": serve})
