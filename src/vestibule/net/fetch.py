"""The guarded way out of this server, for what clients and documents name; for what the operator configured there is
:mod:`vestibule.net.trusted`.

Both follow no redirect, keep no cookie, and end a fetch that is too large or takes too long, whatever its parts do.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from vestibule.clock import Clock, SystemClock
from vestibule.net.addresses import is_forbidden, is_internal_name
from vestibule.net.client import guarded_client
from vestibule.net.exchange import FetchFailed, FetchForbidden, FetchResult, Limits
from vestibule.protocol.uris import URI, parse_uri

if TYPE_CHECKING:
    import httpx2

__all__ = ["Fetcher", "Resolver"]

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes host name and port, gives its IP addresses; OSError if there are none."""

_lookups: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadPoolExecutor]] = WeakKeyDictionary()

_MAX_LOOKUPS: Final = 16
_MAX_ADDRESSES: Final = 4
_CONNECT_SECONDS: Final = 3.0


class Fetcher:
    """Fetches URLs that somebody else named, and nothing that is not public.

    The name is resolved once, every address is checked, and a checked address is dialled, while ``Host`` and TLS carry the name:
    an answer of the DNS that changes between check and use changes nothing.

    Args:
        clock: the time.
        allowed_hosts: host names whose addresses may be internal, as the operator decided; plain http for the loopback ones.
        egress_proxy: URL of a proxy that makes all connections. Names are then checked here and addresses there.
        client: instead of the shared one.
        resolver: instead of the system's.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        allowed_hosts: Collection[str] = (),
        egress_proxy: str | None = None,
        client: httpx2.AsyncClient | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._allowed_hosts = frozenset(host.lower().strip("[]") for host in allowed_hosts)
        self._egress_proxy = egress_proxy
        self._client = client
        self._resolve = resolver or _resolve

    async def get(self, url: str, *, max_bytes: int, timeout: float, accept: str = "application/json") -> FetchResult:  # noqa: ASYNC109
        """Fetch a JSON document. Only an answer of status 200 is read.

        Args:
            url: https, without credentials.
            max_bytes: of the whole body.
            timeout: seconds for everything, from the first look at the DNS.
            accept: the ``Accept`` header.

        Raises:
            FetchForbidden: the URL or an address it leads to is not public.
            FetchFailed: no answer, an answer that is not JSON, too large or too slow.
        """
        import httpx2

        uri = self._checked_url(url)
        try:
            async with asyncio.timeout(timeout):
                targets = await self._targets(uri)
                return await self._from_one_of(targets, uri, Limits(self._clock, max_bytes, timeout), accept)
        except TimeoutError as error:
            raise FetchFailed(f"took longer than {timeout:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise FetchFailed(type(error).__name__) from error

    def _checked_url(self, url: str) -> URI:
        uri = parse_uri(url)
        if uri is None or not uri.is_web or uri.has_userinfo:
            raise FetchForbidden("not a plain https URL")
        if uri.scheme != "https" and not (uri.is_loopback and self._is_allowed(uri)):
            raise FetchForbidden("not https")
        if not self._is_allowed(uri) and is_internal_name(uri.host):
            raise FetchForbidden("not a public host")
        return uri

    def _is_allowed(self, uri: URI) -> bool:
        return uri.host in self._allowed_hosts

    async def _targets(self, uri: URI) -> list[str]:
        """The URLs to dial, all of them meaning `uri`: with addresses in place of the name, unless a proxy looks it up."""
        if self._egress_proxy is not None:
            return [uri.text]
        addresses = await self._resolve(uri.host, uri.port or 443)
        if not self._is_allowed(uri):
            _check_public(addresses)
        return [uri.at(_literal(address), uri.port) for address in addresses[:_MAX_ADDRESSES]]

    async def _from_one_of(self, targets: list[str], uri: URI, limits: Limits, accept: str) -> FetchResult:
        """The answer of the first address that can be reached."""
        import httpx2

        for target in targets[:-1]:
            try:
                return await self._ask(target, uri, limits, accept)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        if not targets:
            raise FetchFailed("the host has no address")
        return await self._ask(targets[-1], uri, limits, accept)

    async def _ask(self, target: str, uri: URI, limits: Limits, accept: str) -> FetchResult:
        import httpx2

        client = self._client or guarded_client(self._egress_proxy)
        request = client.build_request(
            "GET",
            target,
            headers={"host": uri.authority or uri.host, "accept": accept, "accept-encoding": "identity"},
            extensions={"sni_hostname": uri.host},
            timeout=httpx2.Timeout(limits.seconds, connect=min(_CONNECT_SECONDS, limits.seconds)),
        )
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            if response.status_code != 200:
                return FetchResult(response.status_code, response.headers, b"")
            _check_type(response.headers)
            return FetchResult(200, response.headers, await limits.read(response))
        finally:
            await response.aclose()


async def _resolve(host: str, port: int) -> Sequence[str]:
    """By threads of their own: a look-up cannot be broken off, and names that somebody else chose may take as long as they like. The
    loop's common threads have to be there for the provider's name."""
    loop = asyncio.get_running_loop()
    threads = _lookups.setdefault(loop, ThreadPoolExecutor(_MAX_LOOKUPS, "vestibule-lookup"))
    found = await loop.run_in_executor(threads, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _check_public(addresses: Sequence[str]) -> None:
    """One internal address among several is enough to refuse: which of them gets dialled is for nobody outside to choose."""
    if any(is_forbidden(address) for address in addresses):
        raise FetchForbidden("the host has an address that is not public")


def _literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _check_type(headers: Mapping[str, str]) -> None:
    # RFC 6839 §3.1: +json. An encoding was not asked for, and could unfold without end.
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise FetchFailed("the answer is not JSON")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise FetchFailed("the answer is compressed")
