"""Which redirect URIs an operator admits, as patterns and named presets.

A limit on top of what a client registered, never instead of it (RFC 9700 §2.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vestibule.errors import ConfigurationError
from vestibule.protocol.uris import LOOPBACK_HOSTS, URI, parse_uri

__all__ = ["DANGEROUS_SCHEMES", "PRESETS", "AllowedRedirectURIs"]

# Never a way back to a client: they run script, read files or stay inside the browser, or belong to another protocol.
DANGEROUS_SCHEMES: Final = frozenset(
    {
        "about", "blob", "chrome", "chrome-extension", "data", "file", "filesystem", "ftp", "ftps", "intent", "jar", "javascript",
        "mailto", "moz-extension", "ms-appx", "ms-appx-web", "resource", "sms", "smb", "ssh", "tel", "urn", "vbscript",
        "view-source", "wss", "ws",
    }
)  # fmt: skip

# What the clients in use are known to send. A bare name in the operator's list stands for its row.
PRESETS: Final[dict[str, tuple[str, ...]]] = {
    "chatgpt": ("https://chatgpt.com/connector/oauth/*", "https://chatgpt.com/connector_platform_oauth_redirect"),
    "claude": ("https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback", "claude://*"),
    "claude-code": ("http://localhost:*/callback", "http://127.0.0.1:*/callback"),
    "copilot-studio": ("https://global.consent.azure-apim.net/redirect/*",),
    "cursor": ("cursor://*", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:*/callback"),
    "grok": (
        "https://grok.com/connectors-oauth-exchange-code/",
        "https://console.x.ai/connectors-oauth-exchange-code/",
    ),
    "inspector": ("http://localhost:*/oauth/callback*", "http://127.0.0.1:*/oauth/callback*"),
    "le-chat": ("https://callback.mistral.ai/*",),
    "loopback": ("http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"),
    "vscode": (
        "https://vscode.dev/redirect",
        "https://insiders.vscode.dev/redirect",
        "http://127.0.0.1:*/",
        "http://localhost:*/",
        "vscode://*",
        "vscode-insiders://*",
    ),
    "windsurf": ("windsurf://*",),
    "zed": ("http://127.0.0.1:*/callback", "http://localhost:*/callback"),
}

_PATTERN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.\-]*):"
    r"(?://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._*]*)(?::(?P<port>\*|[1-9][0-9]{0,4}))?(?=[/?]|\Z))?"
    r"(?P<rest>[^#\\\s]*)"
)
_HOST: Final = re.compile(r"\*|(?:\*\.)?[^*]+")  # a wildcard stands for whole labels, and only in front
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One pattern. `host` None: no authority at all; `port` None: the default port; ``*``: any."""

    scheme: str
    host: str | None
    port: str | None
    rest: re.Pattern[str]

    def fits(self, uri: URI) -> bool:
        return (
            uri.scheme == self.scheme
            and self._host_fits(uri)
            and self._port_fits(uri)
            and self.rest.fullmatch(uri.rest) is not None
        )

    def _host_fits(self, uri: URI) -> bool:
        if self.host is None or uri.authority is None:
            return self.host is None and uri.authority is None
        if self.host == "*":
            return True
        if self.host.startswith("*."):
            return uri.host.endswith(self.host[1:])
        return uri.host == self.host

    def _port_fits(self, uri: URI) -> bool:
        default = _DEFAULT_PORTS.get(self.scheme)
        if self.port == "*":
            return True
        return (uri.port or default) == (int(self.port) if self.port else default)


class AllowedRedirectURIs:
    """The operator's list of redirect URIs.

    A pattern is a URI with wildcards::

        https://app.example.com/callback    exactly this
        https://*.example.com/cb/*          any host below example.com, any path below /cb/
        https://app.example.com             any path there
        http://localhost:*                  any port and path
        cursor://*                          everything of that scheme
        claude                              a preset (see PRESETS)

    ``*`` in a host stands for whole labels, in a path for anything; there is no other syntax. No pattern admits a URI with a fragment,
    user information or dot segments, or one that :func:`~vestibule.protocol.uris.parse_uri` does not read.

    Args:
        patterns: none admits nothing.

    Raises:
        ConfigurationError: for a pattern that is none, or that would admit what may never be admitted.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        if isinstance(patterns, str):
            raise ConfigurationError("allowed_client_redirect_uris must be a list of patterns, not one text")
        self._patterns = tuple(_compile(pattern) for pattern in _with_presets(patterns))

    def admits(self, uri: str) -> bool:
        """Whether one of the patterns fits `uri`."""
        parsed = parse_uri(uri)
        if parsed is None or parsed.has_fragment or parsed.has_userinfo or parsed.has_dot_segments:
            return False
        return any(pattern.fits(parsed) for pattern in self._patterns)


def _with_presets(patterns: Iterable[str]) -> Iterable[str]:
    for pattern in patterns:
        yield from PRESETS.get(pattern, (pattern,))


def _compile(pattern: str) -> _Pattern:
    match = _PATTERN.fullmatch(pattern)
    if match is None:
        raise _bad(pattern, f"it is neither a URI pattern nor one of the presets {', '.join(PRESETS)}")
    scheme, host, rest = match["scheme"], match["host"], match["rest"]
    _check_scheme(pattern, scheme)
    _check_host(pattern, scheme, host)
    anything = rest == "" and host is not None
    parts = [".*"] if anything else [re.escape(part) for part in rest.split("*")]
    return _Pattern(scheme, None if host is None else host.lower().strip("[]"), match["port"], re.compile(".*".join(parts)))


def _check_scheme(pattern: str, scheme: str) -> None:
    if scheme in DANGEROUS_SCHEMES:
        raise _bad(pattern, f"the scheme {scheme} can never lead back to a client")


def _check_host(pattern: str, scheme: str, host: str | None) -> None:
    if host and _HOST.fullmatch(host) is None:
        raise _bad(pattern, "a wildcard in a host stands in front, for whole labels: *.example.com")
    if scheme == "https" and not host:
        raise _bad(pattern, "https needs a host")
    if scheme == "http" and (host or "").lower().strip("[]") not in LOOPBACK_HOSTS:
        raise _bad(pattern, "http is only for localhost, 127.0.0.1 and [::1]")


def _bad(pattern: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"allowed_client_redirect_uris: {pattern!r} cannot be used: {why}")
