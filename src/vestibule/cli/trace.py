"""Exchanges as lines that can be read: what was asked, what came, how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2
from rich.console import Console
from rich.text import Text

__all__ = ["Trace"]

_ERROR, _REDIRECT = 400, 300


@dataclass(frozen=True, slots=True)
class _Meaning:
    method: str
    path: str
    words: str
    at: str = "vestibule"


_MEANINGS: Final = (
    _Meaning("GET", "/.well-known/oauth-protected-resource", "Where does one sign in for this?"),
    _Meaning("GET", "/.well-known/oauth-authorization-server", "What can the authorization server do?"),
    _Meaning("POST", "/register", "The client registers itself"),
    _Meaning("GET", "/authorize", "The browser asks for access"),
    _Meaning("GET", "/authorize", "The provider asks who it is, or knows already", "provider"),
    _Meaning("POST", "/authorize", "The user signs in", "provider"),
    _Meaning("GET", "/consent", "The consent page"),
    _Meaning("POST", "/consent", "The user allows it"),
    _Meaning("GET", "/auth/callback", "Back from the identity provider"),
    _Meaning("POST", "/token", "Tokens, please"),
    _Meaning("POST", "/revoke", "The session ends"),
    _Meaning("POST", "/mcp", "MCP"),
    _Meaning("GET", "/mcp", "MCP: a stream of messages from the server"),
    _Meaning("DELETE", "/mcp", "MCP: goodbye"),
)


class Trace:
    """Prints exchanges.

    Args:
        console: where to.
        names: what to call each base URL.
    """

    def __init__(self, console: Console, names: dict[str, str]) -> None:
        self._console = console
        self._names = names

    def watch(self, client: httpx2.AsyncClient) -> httpx2.AsyncClient:
        """Print whatever `client` sends from now on."""
        client.event_hooks["request"].append(_remember_start)
        client.event_hooks["response"].append(self._print)
        return client

    def title(self, text: str) -> None:
        """A step begins."""
        self._console.print(f"\n[bold]{text}[/bold]")

    def held(self, text: str) -> None:
        """Something that had to be true was."""
        self._console.print(Text("  ✓ ", "bold green") + Text(text))

    def failed(self, text: str) -> None:
        """Something that had to be true was not."""
        self._console.print(Text("  ✗ ", "bold red") + Text(text))

    async def _print(self, response: httpx2.Response) -> None:
        request = response.request
        took = (time.perf_counter() - request.extensions["vestibule_started"]) * 1000
        line = Text("  ")
        line.append(f"{request.method:6} ", "cyan")
        line.append(f"{self._name(str(request.url)):9} ", "magenta")
        line.append(f"{_path(request):42.42} ")
        line.append(f"{response.status_code} ", _colour(response.status_code))
        line.append(f"{took:6.1f} ms  ", "dim")
        line.append(
            _words(request, response, self._name(str(request.url))), "dim" if response.status_code < _ERROR else "yellow"
        )
        self._console.print(line, soft_wrap=True)

    def _name(self, url: str) -> str:
        return next((name for base, name in self._names.items() if url.startswith(base)), "?")


async def _remember_start(request: httpx2.Request) -> None:
    request.extensions["vestibule_started"] = time.perf_counter()


def _path(request: httpx2.Request) -> str:
    path = urlsplit(str(request.url)).path
    return path if len(path) <= 42 else path[:41] + "…"


def _colour(status: int) -> str:
    if status >= _ERROR:
        return "yellow"
    return "blue" if status >= _REDIRECT else "green"


def _words(request: httpx2.Request, response: httpx2.Response, at: str) -> str:
    """What the exchange means. Never a token, a code or a secret."""
    path = urlsplit(str(request.url)).path
    known = [
        entry.words for entry in _MEANINGS if (entry.method, entry.at) == (request.method, at) and path.startswith(entry.path)
    ]
    parts = [*known[:1], *(describe(request) for describe in _DETAILS), _challenge(response)]
    return " · ".join(part for part in parts if part)


def _grant_type(request: httpx2.Request) -> str:
    if not urlsplit(str(request.url)).path.endswith("/token"):
        return ""
    return {"authorization_code": "for the code", "refresh_token": "for the refresh token"}.get(
        parse_qs(request.content.decode()).get("grant_type", [""])[0], ""
    )


def _mcp_method(request: httpx2.Request) -> str:
    name = request.headers.get("mcp-name")
    return " ".join(part for part in (request.headers.get("mcp-method"), name) if part)


def _challenge(response: httpx2.Response) -> str:
    values = _members(response.headers.get("www-authenticate", ""))
    return " ".join(f"{key}={values[key]}" for key in ("error", "scope") if key in values)


def _members(header: str) -> dict[str, str]:
    """The members of a Bearer challenge, for showing."""
    pairs = (member.partition("=") for member in header.removeprefix("Bearer ").split('", '))
    return {key.strip(): value.strip('"') for key, separator, value in pairs if separator}


_DETAILS: Final[tuple[Callable[[httpx2.Request], Any], ...]] = (_grant_type, _mcp_method)
