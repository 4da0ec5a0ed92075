"""Any ASGI application: the caller is in ``vestibule.get_access_token()`` and in ``scope["state"]``."""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping
from contextvars import ContextVar, Token
from typing import Any

from vestibule.resource.identity import Caller, current_caller
from vestibule.resource.step_up import Operation
from vestibule.tokens import AccessToken

__all__ = ["Bound", "bind", "bind_found_by", "component_scopes"]


class Bound:
    """Context variables set for the length of a ``with`` block. On the path of every request, so without a generator behind it."""

    __slots__ = ("_marks", "_values")

    def __init__(self, *values: tuple[ContextVar[Any], object]) -> None:
        self._values = values
        self._marks: list[tuple[ContextVar[Any], Token[Any]]] = []

    def __enter__(self) -> None:
        self._marks = [(variable, variable.set(value)) for variable, value in self._values]

    def __exit__(self, *error: object) -> None:
        for variable, mark in self._marks:
            variable.reset(mark)


def bind_found_by(find: Callable[[], Caller], scope: MutableMapping[str, Any], *more: tuple[ContextVar[Any], object]) -> Bound:
    """Make the caller known for the length of a request, with `find` telling who it is whenever somebody asks."""
    scope.setdefault("state", {})["access_token"] = find().token
    return Bound((current_caller, find), *more)


def bind(scope: MutableMapping[str, Any], token: AccessToken, scopes: Collection[str]) -> Bound:
    """Make the caller known for the length of a request."""
    caller = Caller(token, scopes)
    return bind_found_by(lambda: caller, scope)


async def component_scopes(app: object, scope: MutableMapping[str, Any], operations: Collection[Operation]) -> tuple[str, ...]:
    """None: such an application has no components of its own."""
    return ()
