"""Telling the protected server who is calling, and asking it what its components need."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, MutableMapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol, cast

from vestibule.resource.step_up import Operation
from vestibule.tokens import AccessToken

__all__ = ["Caller", "Host", "current_caller", "current_provider", "find_host", "get_access_token", "get_caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling.

    Attributes:
        token: the verified token.
        scopes: its scopes with everything they imply.
    """

    token: AccessToken
    scopes: Collection[str]


current_caller: ContextVar[Callable[[], Caller] | None] = ContextVar("vestibule_caller", default=None)
"""How to find out who is calling. A function, because some hosts handle a later message in an earlier request's context."""


current_provider: ContextVar[object | None] = ContextVar("vestibule_provider", default=None)
"""What verified the caller: the provider whose guard let the request in."""


class Host(Protocol):
    """What the guard needs of whatever carries the protected server; a module of :mod:`vestibule.hosts`."""

    def bind(
        self, scope: MutableMapping[str, Any], token: AccessToken, scopes: Collection[str]
    ) -> AbstractContextManager[object]:
        """Make the caller known for the length of a request: ASGI scope, token, scopes with everything they imply."""
        ...

    async def component_scopes(
        self, app: object, scope: MutableMapping[str, Any], operations: Collection[Operation]
    ) -> tuple[str, ...]:
        """The scopes that the server behind `app` has put on its own components by ``require_scopes``, for these operations."""
        ...


_HOSTS: Final = {"fastmcp": "vestibule.hosts.fastmcp", "mcp": "vestibule.hosts.mcp_sdk"}


def get_caller() -> Caller | None:
    """The caller of the request being handled, with its scopes, or None outside of one."""
    find = current_caller.get()
    return find() if find is not None else None


def get_access_token() -> AccessToken | None:
    """The caller of the request being handled, or None outside of one."""
    caller = get_caller()
    return caller.token if caller is not None else None


def find_host() -> Host:
    """The host that is in use.

    The one place that looks upwards, by name: a host's package is touched only when the protected server has loaded it already.
    """
    name = next((module for package, module in _HOSTS.items() if package in sys.modules), "vestibule.hosts.asgi")
    return cast("Host", import_module(name))
