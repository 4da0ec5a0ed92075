"""Telling the protected server who is calling."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, MutableMapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from importlib import import_module
from typing import Any, Final

from vestibule.tokens import AccessToken

__all__ = ["Binder", "access_token", "find_binder", "get_access_token"]

access_token: ContextVar[AccessToken | None] = ContextVar("vestibule_access_token", default=None)

Binder = Callable[[MutableMapping[str, Any], AccessToken, Collection[str]], AbstractContextManager[object]]
"""Makes the caller known to the host for the length of a request: ASGI scope, token, scopes with everything they imply."""

_HOSTS: Final = {"fastmcp": "vestibule.hosts.fastmcp", "mcp": "vestibule.hosts.mcp_sdk"}


def get_access_token() -> AccessToken | None:
    """The caller of the request being handled, or None outside of one."""
    return access_token.get()


def find_binder() -> Binder:
    """The binder of the host that is in use.

    The one place that looks upwards, by name: a host's package is touched only when the protected server has loaded it already.
    """
    for package, module in _HOSTS.items():
        if package in sys.modules:
            return import_module(module).bind  # type: ignore[no-any-return]
    return import_module("vestibule.hosts.asgi").bind  # type: ignore[no-any-return]
