"""Who may call from where: the Host and Origin headers (DNS rebinding; MCP Streamable HTTP, security)."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

__all__ = ["AllowedHosts", "AllowedOrigins", "AnyHost"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


def _is_loopback_url(url: str) -> bool:
    try:
        return _bare(urlsplit(url).netloc) in _LOOPBACK
    except ValueError:  # "http://[" and its like: anybody can send such an Origin
        return False


def _bare(host: str) -> str:
    """`host` without port, lower case."""
    name, separator, port = host.rpartition(":")
    return (name if separator and port.isdigit() else host).lower()


def origin_of(url: str) -> str:
    """The web origin of a URL, as a browser sends it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, " "))


class AllowedHosts:
    """Which ``Host`` headers are ours: those of the public URLs, loopback names (a reverse proxy on this machine), and `more`.

    A page that was made to resolve to this machine names its own host, and is refused.
    """

    def __init__(self, public_urls: Collection[str], more: Collection[str] = ()) -> None:
        self._names = frozenset(_bare(host) for host in [*more, *(urlsplit(url).netloc for url in public_urls)]) | _LOOPBACK

    def __contains__(self, host: object) -> bool:
        return isinstance(host, str) and _bare(host) in self._names

    def __str__(self) -> str:
        return ", ".join(sorted(self._names))


class AnyHost(AllowedHosts):
    """No public URL is known, so that no ``Host`` can be told to be wrong. The bearer token still stands."""

    def __init__(self) -> None:
        super().__init__(())

    def __contains__(self, host: object) -> bool:
        return True

    def __str__(self) -> str:
        return "any host"


class AllowedOrigins:
    """Which ``Origin`` headers may come with a request: our own, every loopback one on a loopback URL, and `more`.

    ``"*"`` in `more` admits any origin: the endpoint needs a bearer token, which a foreign page does not have by itself.
    """

    def __init__(self, public_urls: Collection[str], more: Collection[str] = ()) -> None:
        self._any = "*" in more
        self._loopback = any(_is_loopback_url(url) for url in public_urls)
        self._origins = frozenset(origin_of(url) for url in [*public_urls, *(url for url in more if url != "*")])

    def __contains__(self, origin: object) -> bool:
        if not isinstance(origin, str) or origin == "null":
            return False
        return self._any or origin.lower() in self._origins or (self._loopback and _is_loopback_url(origin))
