"""The HTTP clients that everything here shares: one for each purpose and event loop.

A client of its own for each request would cost about 25 ms, most of it for reading the trusted certificates.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import httpx2

__all__ = ["close_shared_clients", "guarded_client", "trusted_client"]

_HEADERS = {"user-agent": "vestibule"}

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, httpx2.AsyncClient]] = WeakKeyDictionary()


def trusted_client() -> httpx2.AsyncClient:
    """For hosts that the operator configured: connections are kept, proxies come from the environment."""

    def build() -> httpx2.AsyncClient:
        import httpx2  # the library is not needed before the first request, and start-up would pay for it

        return httpx2.AsyncClient(verify=_tls(), cookies=_no_cookies(), headers=_HEADERS)

    return _shared("trusted", build)


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

    return _shared(f"guarded {egress_proxy or ''}", build)


async def close_shared_clients() -> None:
    """Close this event loop's clients, at the end of the server. A later request opens new ones."""
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.aclose()


def _shared(purpose: str, build: Callable[[], httpx2.AsyncClient]) -> httpx2.AsyncClient:
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if purpose not in clients:
        _drop_closed()
        clients[purpose] = build()
    return clients[purpose]


def _drop_closed() -> None:
    """A client refers to its loop, so that one which ended without :func:`close_shared_clients` would be kept for ever."""
    for loop in [loop for loop in _clients if loop.is_closed()]:
        del _clients[loop]


@cache
def _tls() -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context()


def _no_cookies() -> CookieJar:
    """A jar that takes nothing: what one user's request brought must not travel with the next one's."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
