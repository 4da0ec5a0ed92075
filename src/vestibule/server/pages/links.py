"""Which URLs a page may send a browser to, and how they are shown to a person.

The redirect URI was checked at registration and at authorization; this is the last door before a browser follows it, so it
is checked once more, without trust in what came before.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Literal

from vestibule import reasons
from vestibule.errors import ConfigurationError, OAuthError
from vestibule.protocol.redirect_uris import KNOWN_SCHEMES, display_host
from vestibule.protocol.uris import parse_uri

__all__ = ["LinkKind", "LinkRule", "contact_url", "destination"]

LinkKind = Literal["web", "loopback", "custom"]

# What a browser runs, shows or opens by itself instead of handing it to an app.
_OF_THE_BROWSER: Final = frozenset(
    {
        "about",
        "blob",
        "chrome",
        "data",
        "file",
        "filesystem",
        "http",
        "https",
        "jar",
        "javascript",
        "resource",
        "vbscript",
        "view-source",
    }
)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
# RFC 3986 §2. Anything else is dropped, encoded or taken for a slash by browsers, each in its own way.
_LEGAL: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
# Addresses that need no encoding in a mailto: URL (RFC 6068 §2).
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")


class LinkRule:
    """The allow-list of schemes: web addresses, the private-use schemes of known apps, any with a dot (RFC 8252 §7.1).

    Args:
        schemes: further private-use schemes that the operator admits, without the colon.

    Raises:
        ConfigurationError: one of them is not a scheme that a browser hands to an app.
    """

    def __init__(self, schemes: Collection[str] = ()) -> None:
        self._schemes = frozenset(_check_scheme(scheme) for scheme in schemes) | KNOWN_SCHEMES

    def check(self, url: str) -> str:
        """Return `url` if a page may link to it.

        Raises:
            OAuthError: it is not; the detail says why and never repeats the URL, which may hold a code.
        """
        uri = parse_uri(_without_query(url))
        if uri is None or not _LEGAL.fullmatch(url):
            raise _refused("it cannot be read in one way only")
        if not uri.is_web and not self._is_private_use(uri.scheme):
            raise _refused("its scheme is not on the list")
        if uri.is_web and uri.has_userinfo:
            raise _refused("it holds credentials, which can pass for a host")
        return url

    def admits(self, url: str) -> bool:
        """Whether a page may link to `url`."""
        try:
            self.check(url)
        except OAuthError:
            return False
        return True

    def _is_private_use(self, scheme: str) -> bool:
        return scheme not in _OF_THE_BROWSER and ("." in scheme or scheme in self._schemes)


def destination(url: str) -> str:
    """Who gets what is sent to a checked `url`: host and port, or ``scheme:`` where an app takes it."""
    return display_host(_without_query(url))


def contact_url(contact: str) -> str:
    """What the operator's contact links to: a web address, an e-mail address, or nothing if it is words."""
    if contact.startswith("https://") and LinkRule().admits(contact):
        return contact
    return f"mailto:{contact}" if _ADDRESS.fullmatch(contact) else ""


def _check_scheme(scheme: str) -> str:
    if not _SCHEME.fullmatch(scheme) or scheme in _OF_THE_BROWSER:
        raise ConfigurationError(
            f"schemes: {scheme!r} is not a private-use URI scheme; write it in lower case without the colon."
        )
    return scheme


def _without_query(url: str) -> str:
    # What follows may be longer than any registered URI: a code and the client's own state.
    return re.split(r"[?#]", url, maxsplit=1)[0]


def _refused(why: str) -> OAuthError:
    return OAuthError("invalid_request", reasons.REDIRECT_URI_INVALID, f"a page must not link to this URL: {why}")
