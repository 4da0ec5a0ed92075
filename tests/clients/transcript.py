"""The words that transcripts are written in: what a client sends, in order, and what it needs of each answer.

Every text is filled in before it is sent or compared: ``{name}`` is what an earlier answer was kept as, or one of the names that the
replayer knows by itself (``base``, ``issuer``, ``resource``, ``state``, ``verifier``, ``challenge``, ``basic``, ``assertion``).
Where a value is expected, ``...`` stands for any that is not empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the client itself.

    Attributes:
        method, url, headers, form, json: what is sent; ``form`` and ``json`` exclude each other.
        address: where it comes from.
        status: of the answer.
        answer: members that the JSON answer must have.
        without: members that it must not have.
        headed: texts that headers of the answer must hold.
        keep: members of the answer to remember, by the name to remember them as.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    json: object = None
    address: str = "203.0.113.7"
    status: int = 200
    answer: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    headed: Mapping[str, str] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Login:
    """An authorization request that the user goes through with, and what comes back to the redirect URI.

    Attributes:
        query: parameters of the request.
        url: where it is sent.
        lands: the redirect URI, where the request does not name it.
        returns: parameters that must come back.
        keep: what to remember the code as.
    """

    query: Mapping[str, str]
    url: str = "{authorization_endpoint}"
    lands: str = "{redirect_uri}"
    returns: Mapping[str, Any] = field(default_factory=lambda: {"code": ..., "state": "{state}", "iss": "{issuer}"})
    keep: str = "code"


@dataclass(frozen=True, slots=True)
class Stopped:
    """An authorization request that ends at a page of ours, and never at the client.

    Attributes:
        query: parameters of the request.
        status: of the page.
        shows: texts that are on it.
        embedded: opened in a view that keeps no cookies.
    """

    query: Mapping[str, str]
    status: int
    shows: tuple[str, ...]
    embedded: bool = False


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Requests that are sent at the same time."""

    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Windows:
    """Logins in windows of one browser, all of them begun before the last one goes on, and so on to the first."""

    logins: tuple[Login, ...]


@dataclass(frozen=True, slots=True)
class Same:
    """Whether kept values are equal."""

    names: tuple[str, ...]
    equal: bool = True


@dataclass(frozen=True, slots=True)
class Later:
    """Time passes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """From now on something does not answer; ``nothing`` ends all trouble."""

    at: Literal["store", "provider", "documents", "nothing"]


Step = Request | Login | Stopped | AtOnce | Windows | Same | Later | Trouble


@dataclass(frozen=True, slots=True)
class Transcript:
    """One client.

    Attributes:
        client: its name.
        steps: what happens.
        server: options of the server that it meets.
        path: where the resource is.
        client_id: of a client that does not register.
        documents: what the client's publisher has on the web, by URL; a number is the status of a page that cannot be had.
    """

    client: str
    steps: tuple[Step, ...]
    server: Mapping[str, Any] = field(default_factory=dict)
    path: str = "/mcp"
    client_id: str = ""
    documents: Mapping[str, Any] = field(default_factory=dict)
