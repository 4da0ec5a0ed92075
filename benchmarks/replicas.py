"""Several server processes of one side on one store, and requests that are spread over them in turn."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import httpx2

from benchmarks.processes import Running, start
from benchmarks.replica import BASE_URL

HOST = urlsplit(BASE_URL).netloc


@dataclass(frozen=True, slots=True)
class Replicas:
    """Running processes that are one server."""

    running: tuple[Running, ...]

    def cpu_ns(self) -> int:
        """What all of them have used together."""
        return sum(each.usage().cpu_ns for each in self.running)

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx2.AsyncClient]:
        """A client for whole logins, whose requests to :data:`BASE_URL` go to the processes in turn."""
        spread = Spread([each.base_url for each in self.running])
        async with httpx2.AsyncClient(timeout=60, mounts={BASE_URL: spread}) as client:
            yield client


@contextmanager
def replicas(count: int, side: str, upstream: str, store: str) -> Iterator[Replicas]:
    """Start so many processes; end them on leaving."""
    with ExitStack() as stack:
        begin = lambda: start("benchmarks.replica", side, upstream, store, probe="/benchmark/usage")  # noqa: E731
        yield Replicas(tuple(stack.enter_context(begin()) for _ in range(count)))


class Spread(httpx2.AsyncBaseTransport):
    """Sends each request to the next address, by the name it was meant for."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = itertools.cycle([urlsplit(address).port for address in addresses])
        self._inner = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=None))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(port=next(self._addresses))  # the Host header stays
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class Caller:
    """A client with a kept-alive connection to each process, for one thread. Lean, since it shares the machine with what it measures."""

    def __init__(self, replicas: Replicas) -> None:
        self._connections = [http.client.HTTPConnection(urlsplit(r.base_url).netloc, timeout=60) for r in replicas.running]
        self._turn = itertools.cycle(self._connections)

    def call(self, token: str) -> None:
        """A call of the protected application."""
        self._post("/mcp", "{}", {"content-type": "application/json", "authorization": f"Bearer {token}"})

    def refresh(self, client_id: str, refresh_token: str) -> dict[str, str]:
        """A refresh; the token answer, with ``client_id``."""
        form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": refresh_token}
        body = self._post("/token", urlencode(form), {"content-type": "application/x-www-form-urlencoded"})
        return json.loads(body) | {"client_id": client_id}

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _post(self, path: str, body: str, headers: dict[str, str]) -> bytes:
        connection = next(self._turn)
        connection.request("POST", path, body=body, headers={"Host": HOST, **headers})
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {content[:200]!r}")
        return content
