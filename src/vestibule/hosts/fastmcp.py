"""FastMCP (3.x and 4.x): fills its ``get_access_token()`` with its own token class, and asks its components for their scopes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any, Final

from fastmcp.server.auth import AccessToken as FastMCPAccessToken
from starlette.routing import Match, Mount

from vestibule.hosts import mcp_sdk
from vestibule.hosts.asgi import Bound
from vestibule.resource.component_scopes import noted_scopes
from vestibule.resource.step_up import Operation
from vestibule.tokens import AccessToken

__all__ = ["bind", "component_scopes"]

_log = logging.getLogger("vestibule.hosts")


def _convert(token: AccessToken) -> FastMCPAccessToken:
    return mcp_sdk.to_sdk_token(token, FastMCPAccessToken)  # type: ignore[return-value]


def bind(scope: MutableMapping[str, Any], token: AccessToken, scopes: Collection[str]) -> Bound:
    """Make the caller known for the length of a request."""
    return mcp_sdk.bind_as(_convert, scope, token, scopes)


async def component_scopes(app: object, scope: MutableMapping[str, Any], operations: Collection[Operation]) -> tuple[str, ...]:
    """What ``require_scopes`` on the components behind `app` asks for.

    The server itself looks the components up, so that mounted servers, transforms and late additions count as they do in the call.
    """
    server = _find_server(scope.get("app"), scope) or _find_server(app, scope)
    if server is None:
        return ()
    needed = [scope for operation in operations for scope in await _needed(server, operation)]
    return tuple(dict.fromkeys(needed))


async def _needed(server: Any, operation: Operation) -> tuple[str, ...]:
    """Nothing for what the server would not show this caller anyway; its own checks then refuse the call."""
    kind, name = operation
    with noted_scopes() as noted:
        try:
            component = await _LOOK_UP[kind](server, name)
        except Exception as error:
            _log.debug("the %s cannot be looked up before the call: %s", kind, type(error).__name__)
            return ()
    return tuple(noted) if component is not None else ()


async def _resource(server: Any, uri: str) -> object:
    return await server.get_resource(uri) or await server.get_resource_template(uri)


_LOOK_UP: Final[Mapping[str, Callable[[Any, str], Awaitable[object]]]] = {
    "tool": lambda server, name: server.get_tool(name),
    "resource": _resource,
    "prompt": lambda server, name: server.get_prompt(name),
}


def _find_server(app: Any, scope: MutableMapping[str, Any]) -> Any:
    """The FastMCP server that will handle the request: of `app`, of what is mounted in it, or of what it wraps."""
    if app is None:
        return None
    server = getattr(getattr(app, "state", None), "fastmcp_server", None)
    if server is not None:
        return server
    for route in getattr(app, "routes", ()):
        if isinstance(route, Mount):
            match, child = route.matches(scope)
            if match is not Match.NONE:
                return _find_server(route.app, {**scope, **child})
    return _find_server(getattr(app, "app", None), scope)
