"""A value for a tool's parameter that is found when the tool is called, by the dependency mechanism of whichever host there is.

FastMCP resolves a parameter's default, or what its annotation holds; the official SDK (2.x) what the annotation holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

__all__ = ["injected"]

_MECHANISMS = (
    ("uncalled_for", "Provider"),  # FastMCP 3.x and 4.x; as a default and in an annotation
    ("mcp.server.mcpserver", "Resolve"),  # SDK 2.x; in an annotation
)


def injected(find: Callable[[], Awaitable[str]]) -> Any:
    """What to write as the default of a parameter, or into its ``Annotated``.

    Args:
        find: gives the value, within the call.

    Raises:
        ImportError: neither host is installed in a version with such a mechanism.
    """
    bases = tuple(filter(None, (_class(module, name) for module, name in _MECHANISMS)))
    if not bases:
        raise ImportError("no dependency mechanism: install fastmcp 3.2 or newer, or mcp 2.0 or newer")

    async def enter(self: object) -> str:
        return await find()

    return type("Injected", bases, {"fn": staticmethod(find), "__init__": lambda self: None, "__aenter__": enter})()


def _class(module: str, name: str) -> type | None:
    try:
        found: type | None = getattr(import_module(module), name, None)
    except ImportError:
        return None
    return found
