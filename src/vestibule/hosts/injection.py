"""A value for a tool's parameter that is found when the tool is called, by the dependency mechanism of whichever host there is.

FastMCP resolves a parameter's default, or what its annotation holds; the official SDK (2.x) what the annotation holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Final

__all__ = ["injected"]

_MECHANISMS: Final = (
    ("uncalled_for", "Provider"),  # FastMCP 3.x and 4.x; as a default and in an annotation
    ("mcp.server.mcpserver", "Resolve"),  # SDK 2.x; in an annotation
)
_TOOL_ERRORS: Final = (("fastmcp.exceptions", "ToolError"), ("mcp.server.mcpserver.exceptions", "ToolError"))
"""Errors whose words a host hands on to the client; of others it only logs them."""


def injected(find: Callable[[], Awaitable[str]]) -> Any:
    """What to write as the default of a parameter, or into its ``Annotated``.

    Args:
        find: gives the value, within the call. A RuntimeError of it becomes the tool's error, with its words.

    Raises:
        ImportError: neither host is installed in a version with such a mechanism.
    """
    bases = _present(_MECHANISMS)
    if not bases:
        raise ImportError("no dependency mechanism: install fastmcp 3.2 or newer, or mcp 2.0 or newer")

    async def found() -> str:
        try:
            return await find()
        except RuntimeError as error:
            raise _as_tool_error(error) from error

    async def enter(self: object) -> str:
        return await found()

    return type("Injected", bases, {"fn": staticmethod(found), "__init__": lambda self: None, "__aenter__": enter})()


def _as_tool_error(error: RuntimeError) -> RuntimeError:
    """The same error as what every host here takes for a tool's own."""
    kind: type[RuntimeError] = type("InjectionFailed", (*_present(_TOOL_ERRORS), type(error)), {})
    return kind(str(error))


def _present(names: tuple[tuple[str, str], ...]) -> tuple[type, ...]:
    return tuple(filter(None, (_class(module, name) for module, name in names)))


def _class(module: str, name: str) -> type | None:
    try:
        found: type | None = getattr(import_module(module), name, None)
    except ImportError:
        return None
    return found
