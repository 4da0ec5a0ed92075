"""The HTTP clients that everything here shares: one for each purpose and event loop.

A client of its own for each request would cost about 25 ms, most of it for reading the trusted certificates.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import httpx2

__all__ = ["close_shared_clients", "guarded_client", "trusted_client"]

_HEADERS = {"user-agent": "vestibule"}


@dataclass(slots=True)
class _Shared:
    """The clients of one event loop, by purpose, and what closes them with it."""

    clients: dict[str, httpx2.AsyncClient] = field(default_factory=dict)
    until_the_loop_ends: AsyncGenerator[None, None] | None = None


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = WeakKeyDictionary()


def trusted_client() -> httpx2.AsyncClient:
    """For hosts that the operator configured: connections are kept, proxies come from the environment."""

    def build() -> httpx2.AsyncClient:
        import httpx2  # the library is not needed before the first request, and start-up would pay for it

        return httpx2.AsyncClient(verify=_tls(), cookies=_no_cookies(), headers=_HEADERS)

    return _client("trusted", build)


def guarded_client(egress_proxy: str | None) -> httpx2.AsyncClient:
    """For hosts that somebody else named.

    No connection is used twice: it was made to an address, its certificate checked for one name, and the next request to the same
    address may be for another name. The environment names no proxy: it would dial addresses that nobody checked.
    """

    def build() -> httpx2.AsyncClient:
        import httpx2

        return httpx2.AsyncClient(
            verify=_tls(),
            cookies=_no_cookies(),
            headers=_HEADERS | {"connection": "close"},
            limits=httpx2.Limits(max_connections=100, max_keepalive_connections=0),
            proxy=egress_proxy,
            trust_env=False,
        )

    return _client(f"guarded {egress_proxy or ''}", build)


async def close_shared_clients() -> None:
    """Close this event loop's clients before it ends. A later request opens new ones."""
    shared = _shared.pop(asyncio.get_running_loop(), None)
    if shared is not None:
        await _close(shared.clients)


def _client(purpose: str, build: Callable[[], httpx2.AsyncClient]) -> httpx2.AsyncClient:
    loop = asyncio.get_running_loop()
    shared = _shared.get(loop)
    if shared is None:
        _drop_closed()
        shared = _shared[loop] = _Shared()
        shared.until_the_loop_ends = _kept_open(shared.clients)
        loop.create_task(_begin(shared.until_the_loop_ends))  # noqa: RUF006 over at once; the loop keeps it that long
    if purpose not in shared.clients:
        shared.clients[purpose] = build()
    return shared.clients[purpose]


async def _kept_open(clients: dict[str, httpx2.AsyncClient]) -> AsyncGenerator[None, None]:
    """An event loop ends its asynchronous generators before it closes, and this one the clients: no caller has to think of it."""
    try:
        yield
    finally:
        await _close(clients)


async def _begin(generator: AsyncGenerator[None, None]) -> None:
    await anext(generator)


async def _close(clients: dict[str, httpx2.AsyncClient]) -> None:
    while clients:
        _, client = clients.popitem()
        await client.aclose()


def _drop_closed() -> None:
    """A client refers to its loop, so that one which was closed without its generators being ended would be kept for ever."""
    for loop in [loop for loop in _shared if loop.is_closed()]:
        del _shared[loop]


@cache
def _tls() -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context()


def _no_cookies() -> CookieJar:
    """A jar that takes nothing: what one user's request brought must not travel with the next one's."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
