"""Any ASGI application: the caller is in ``vestibule.get_access_token()`` and in ``scope["state"]``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from vestibule.resource.identity import access_token
from vestibule.tokens import AccessToken

__all__ = ["bind"]


@contextmanager
def bind(scope: MutableMapping[str, Any], token: AccessToken, scopes: Collection[str]) -> Iterator[None]:
    """Make the caller known for the length of a request."""
    scope.setdefault("state", {})["access_token"] = token
    mark = access_token.set(token)
    try:
        yield
    finally:
        access_token.reset(mark)
