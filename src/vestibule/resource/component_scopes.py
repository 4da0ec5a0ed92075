"""Scopes that a server puts on its own tools, resources and prompts, known to the guard before the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from vestibule.errors import ConfigurationError
from vestibule.resource.identity import get_caller

__all__ = ["ComponentScopes", "noted_scopes", "require_scopes"]


@dataclass(slots=True)
class _Note:
    """Scopes asked for so far. Closed when the looking up is over: a task that was started by it goes on with its context."""

    scopes: dict[str, None] = field(default_factory=dict)
    is_open: bool = True


_note: Final[ContextVar[_Note | None]] = ContextVar("vestibule_scopes_note", default=None)


class ComponentScopes:
    """Whether the caller has all of some scopes.

    Attributes:
        in_use: whether any component of this process has scopes; without, the guard looks into no request.
    """

    in_use: ClassVar[bool] = False

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self.scopes = scopes

    def __call__(self, context: Any) -> bool:
        """Whether `context.token`, the host's view of the caller, is enough.

        While the guard only wants to know what a component needs (:func:`noted_scopes`), that is noted and the answer is yes.
        """
        note = _note.get()
        if note is not None and note.is_open:
            note.scopes.update(dict.fromkeys(self.scopes))
            return True
        if context.token is None:
            return False
        caller = get_caller()
        held = context.token.scopes if caller is None else caller.scopes
        return set(held).issuperset(self.scopes)


@contextmanager
def noted_scopes() -> Iterator[dict[str, None]]:
    """Within this, looking up a component notes the scopes that it needs, and needs none."""
    note = _Note()
    mark = _note.set(note)
    try:
        yield note.scopes
    finally:
        note.is_open = False
        _note.reset(mark)


def require_scopes(*scopes: str) -> ComponentScopes:
    """Protect one component of a FastMCP server::

        @mcp.tool(auth=require_scopes("admin"))
        def delete_everything() -> None: ...

    Args:
        scopes: the caller needs all of them, itself or through the provider's ``scope_hierarchy``.

    Returns:
        For ``auth=`` of a tool, a resource or a prompt. A call without the scopes is answered 403 ``insufficient_scope`` with every scope
        it needs, before it reaches the server (RFC 6750 §3.1), and lists leave the component out.

    Raises:
        ConfigurationError: no scope is given.
    """
    if not scopes or not all(isinstance(scope, str) and scope for scope in scopes):
        raise ConfigurationError("require_scopes needs at least one scope, each a text.")
    ComponentScopes.in_use = True
    return ComponentScopes(scopes)
