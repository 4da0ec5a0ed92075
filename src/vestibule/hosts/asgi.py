"""Any ASGI application: the caller is in ``vestibule.get_access_token()`` and in ``scope["state"]``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from vestibule.resource.identity import Caller, current_caller
from vestibule.resource.step_up import Operation
from vestibule.tokens import AccessToken

__all__ = ["bind", "bind_found_by", "component_scopes"]


@contextmanager
def bind_found_by(find: Callable[[], Caller], scope: MutableMapping[str, Any]) -> Iterator[None]:
    """Make the caller known for the length of a request, with `find` telling who it is whenever somebody asks."""
    scope.setdefault("state", {})["access_token"] = find().token
    mark = current_caller.set(find)
    try:
        yield
    finally:
        current_caller.reset(mark)


@contextmanager
def bind(scope: MutableMapping[str, Any], token: AccessToken, scopes: Collection[str]) -> Iterator[None]:
    """Make the caller known for the length of a request."""
    caller = Caller(token, scopes)
    with bind_found_by(lambda: caller, scope):
        yield


async def component_scopes(app: object, scope: MutableMapping[str, Any], operations: Collection[Operation]) -> tuple[str, ...]:
    """None: such an application has no components of its own."""
    return ()
