"""URIs, read so strictly that every program that follows one ends up at the same place (RFC 3986).

Redirect URIs, resources and client identifiers are compared as strings and followed by browsers. Between the two lie all the
tricks: characters that browsers drop, backslashes, hosts that are numbers in disguise. A URI that any of them could touch is not
read at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["LOOPBACK_HOSTS", "MAX_URI_CHARACTERS", "URI", "parse_uri"]

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_URI_CHARACTERS: Final = 2048
_MAX_ENCODINGS: Final = 5

_WEB: Final = ("http", "https")
_LEGAL: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")  # RFC 3986 §2
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")  # §3.1
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~]*)(?::(?P<port>[1-9][0-9]{0,4}))?")
_DNS_NAME: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_\-]*[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?")
# What a browser takes for an IPv4 address: 127.1, 0x7f000001, 2130706433 (https://url.spec.whatwg.org/#ends-in-a-number-checker).
_ENDS_IN_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


@dataclass(frozen=True, slots=True)
class URI:
    """An absolute URI and its parts.

    Attributes:
        text: the URI as it was written.
        scheme: in lower case.
        authority: as written, without userinfo; None if there is no ``//``.
        host: in lower case, IPv6 without brackets; empty if there is none.
        port: as a number, or None.
        rest: path, query and fragment as written.
        has_userinfo: there was a ``user@``.
    """

    text: str
    scheme: str
    authority: str | None
    host: str
    port: int | None
    rest: str
    has_userinfo: bool

    @property
    def is_web(self) -> bool:
        """Whether it is ``http`` or ``https``."""
        return self.scheme in _WEB

    @property
    def is_loopback(self) -> bool:
        """Whether it is ``http`` or ``https`` at a loopback host (RFC 8252 §7.3, §8.3)."""
        return self.is_web and self.host in LOOPBACK_HOSTS

    @property
    def has_fragment(self) -> bool:
        """Whether there is a ``#``, even with nothing behind it."""
        return "#" in self.rest

    @property
    def path(self) -> str:
        """The path alone."""
        return re.split(r"[?#]", self.rest, maxsplit=1)[0]

    @property
    def has_dot_segments(self) -> bool:
        """Whether the path has a ``.`` or ``..`` segment, written plainly or percent-encoded, once or several times over."""
        path = self.path
        for _ in range(_MAX_ENCODINGS):
            path, previous = unquote(path), path
            if path == previous:
                break
        else:
            return True  # encoded over and over: nobody means that, and each look at it costs
        return any(segment in (".", "..") for segment in re.split(r"[/\\]", path))

    @property
    def literal_host(self) -> str:
        """The host as written, with brackets."""
        return re.sub(r":[0-9]+\Z", "", self.authority or "")

    def at(self, host: str, port: int | None = None) -> str:
        """This URI at another host and port, everything else as written.

        Args:
            host: as it is to be written, IPv6 in brackets.
            port: None for no port.
        """
        before = self.text[: len(self.scheme)]
        return f"{before}://{host}{'' if port is None else f':{port}'}{self.rest}"


def parse_uri(text: str) -> URI | None:
    """Read an absolute URI; None for anything else.

    None are also: characters outside RFC 3986 (so spaces, controls, backslashes, non-ASCII host names), more than
    `MAX_URI_CHARACTERS`, http and https without a host, hosts with a trailing dot or that only resemble an IP address, ports that
    are none.
    """
    if len(text) > MAX_URI_CHARACTERS or _LEGAL.fullmatch(text) is None or _SCHEME.match(text) is None:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    after_scheme = text[len(parts.scheme) + 1 :]
    if after_scheme.startswith("//"):
        return _with_authority(text, parts.scheme, parts.netloc, after_scheme[2 + len(parts.netloc) :])
    return None if parts.scheme in _WEB else URI(text, parts.scheme, None, "", None, after_scheme, False)


def _with_authority(text: str, scheme: str, netloc: str, rest: str) -> URI | None:
    _, at, authority = netloc.rpartition("@")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    host = match["host"].lower().strip("[]")
    if (port or 0) > 65535 or not _is_host(host, bracketed=match["host"].startswith("["), required=scheme in _WEB):
        return None
    return URI(text, scheme, authority, host, port, rest, bool(at))


def _is_host(host: str, *, bracketed: bool, required: bool) -> bool:
    if bracketed:
        return _is_address(IPv6Address, host)
    if not required:  # what follows the // of a private-use scheme is that application's own matter
        return True
    if _ENDS_IN_NUMBER.fullmatch(host):
        return _is_address(IPv4Address, host)
    return len(host) <= 253 and _DNS_NAME.fullmatch(host) is not None


def _is_address(kind: type[IPv4Address | IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True
