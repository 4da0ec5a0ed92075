"""Keys are rotated by the real commands under the real traffic of several processes, and nobody notices."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle, repeat
from pathlib import Path

import httpx2
import pytest
from tests.races.processes import Street, street

from vestibule.keys.jwt import peek_header
from vestibule.testing import ScriptedClient

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name != "posix", reason="needs fork")]

PEOPLE = 6


async def command(keys: Path, *arguments: str) -> str:
    """``vestibule keys …`` as its own process."""
    program = [sys.executable, "-c", "from vestibule.cli import main; main()", "keys", *arguments, "--file", str(keys)]
    process = await asyncio.create_subprocess_exec(
        *program, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, cwd=keys.parent
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


@dataclass
class Crowd:
    """People whose clients call, refresh, ask again, leave and come back, at every server in turn, until it is enough.

    Attributes:
        requests: how many were answered as they have to be.
        failures: what else was answered.
        kids: of the last access token that each server gave.
    """

    street: Street
    requests: int = 0
    failures: list[str] = field(default_factory=list)
    kids: dict[int, object] = field(default_factory=dict)
    _enough: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        clients = [await self.street.client() for _ in range(PEOPLE)]
        async with asyncio.TaskGroup() as tasks:
            for number, client in enumerate(clients):
                tasks.create_task(self._live(client, number))
            try:
                yield
            finally:
                self._enough.set()
        for client in clients:
            await client.aclose()

    async def until(self, is_so: Callable[[], bool | Awaitable[bool]], what: str) -> None:
        """Wait while they go on."""
        end = time.monotonic() + 60
        for pause in repeat(0.1):
            so = is_so()
            if so if isinstance(so, bool) else await so:
                return
            assert time.monotonic() < end, f"never: {what}; {self.failures[:3]}"
            await asyncio.sleep(pause)

    async def published(self) -> set[int]:
        """How many keys each server publishes."""
        urls = [f"http://127.0.0.1:{port}/.well-known/jwks.json" for port in self.street.ports]
        return {len((await self.street.http.get(url)).json()["keys"]) for url in urls}

    async def _live(self, client: ScriptedClient, number: int) -> None:
        ports = cycle(self.street.ports[number % 3 :] + self.street.ports[: number % 3])
        while not self._enough.is_set():
            await client.login()
            for _ in range(4):
                before, port = client.tokens, next(ports)
                await self._call(next(ports), before)
                client.tokens = await self._refresh(port, client, before)
                again = await self._refresh(next(ports), client, before)  # as if the answer had been lost
                self.kids[port] = (peek_header(client.tokens["access_token"]) or {})["kid"]
                for tokens in (before, client.tokens, again):
                    await self._call(next(ports), tokens)
            await client.revoke()

    async def _call(self, port: int, tokens: dict[str, str]) -> None:
        self._judge("call", await self.street.call(port, tokens["access_token"]))

    async def _refresh(self, port: int, client: ScriptedClient, tokens: dict[str, str]) -> dict[str, str]:
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        answer = await self.street.post(port, "/token", form | {"client_id": client.registration["client_id"]})
        self._judge("refresh", answer)
        return answer.json() if answer.status_code == 200 else tokens

    def _judge(self, what: str, answer: httpx2.Response) -> None:
        if answer.status_code == 200:
            self.requests += 1
        else:
            self.failures.append(f"{what}: {answer.status_code} {answer.text[:200]}")


@pytest.mark.spec("AT-04")
async def test_no_request_fails_while_keys_are_rotated(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    old = (await command(keys, "new"))[:8]
    with street(tmp_path, servers=3, keys=keys) as three:
        for port in three.ports[1:]:  # each looks at the file at a time of its own
            three.advance(2)
            three.start(port)
        crowd = Crowd(three)
        async with crowd.around():
            await crowd.until(lambda: len(crowd.kids) == 3, "a token of every server")
            of_old = set(crowd.kids.values())
            new = (await command(keys, "new", "--in", "12"))[:8]
            await crowd.until(lambda: not of_old & set(crowd.kids.values()), "a token of the new key from every server")

            async def is_free() -> bool:
                [row] = [line for line in (await command(keys, "list", "--url", three.store)).splitlines() if line[:8] == old]
                return "verifies" in row and int(row.split()[-1]) == 0  # the command's clock is behind that of the servers

            async def is_gone() -> bool:
                return await crowd.published() == {1}

            await crowd.until(is_free, "every session has been refreshed twice")
            said = await command(keys, "retire", old, "--yes", "--url", three.store)
            await crowd.until(is_gone, "every server knows")
            done = crowd.requests
            await crowd.until(lambda: crowd.requests > done + 20 * PEOPLE, "more requests")
        await three.http.aclose()
    assert crowd.failures == []
    assert " 0 sessions were ended" in said
    assert set(crowd.kids.values()).isdisjoint(of_old)
    assert len(set(crowd.kids.values())) == 1
    assert f"{old} is retired" in said
    assert new in (await command(keys, "list"))
