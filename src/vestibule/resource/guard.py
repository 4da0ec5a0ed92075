"""The guard: every request to the protected path passes these checks, in this order, or does not pass."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from vestibule.errors import OAuthError
from vestibule.resource.answers import answer_preflight, is_preflight, refuse, with_cors
from vestibule.resource.checks import host_is_ours, origin_is_allowed, scopes_suffice, token_is_good
from vestibule.resource.component_scopes import ComponentScopes
from vestibule.resource.identity import Host, current_provider, find_host
from vestibule.resource.peer import current_request
from vestibule.resource.protection import Protection, Refused
from vestibule.resource.requests import Headers, drop_trailing_slash, is_protected, read_body, replay, route_path
from vestibule.resource.step_up import read_operations

__all__ = ["Guard"]


class Guard:
    """ASGI middleware in front of an MCP server.

    Args:
        app: what is protected.
        protection: called once, at the first request: a host tells its paths only after it has built its middleware.
        whole_tree: protect everything below the path too (an application of unknown routes), not only the path itself.
    """

    def __init__(self, app: ASGIApp, *, protection: Callable[[], Protection], whole_tree: bool = True) -> None:
        self._app = app
        self._make_protection = protection
        self._protection: Protection | None = None
        self._whole_tree = whole_tree
        self._host: Host | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        protection = self._protection
        if protection is None:
            protection = self._protection = self._make_protection()
        if not is_protected(route_path(scope), protection.path, self._whole_tree):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # no MCP transport uses them
        else:
            await self._guarded(protection, scope, receive, send)

    async def _guarded(self, protection: Protection, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope["headers"])
        origin = headers.get(b"origin")
        try:
            host_is_ours(protection, headers)
            origin_is_allowed(protection, origin)
            if origin is not None:
                if is_preflight(scope, headers):
                    await answer_preflight(send, origin, headers)
                    return
                send = with_cors(send, origin)
            current_request.set(scope)
            token = await token_is_good(protection, headers)
            held = protection.hierarchy.expand(token.scopes)
            scopes_suffice(protection, protection.required_scopes, held)
            drop_trailing_slash(scope, protection.path)
            host = self._host = self._host or find_host()
            current_provider.set(protection.provider)
            with host.bind(scope, token, held):
                receive = await self._operation_is_allowed(protection, host, scope, headers, held, receive)
                await self._app(scope, receive, send)
        except Refused as refusal:  # never of a guard further in: that one answers its own
            await refuse(send, protection, refusal)

    async def _operation_is_allowed(
        self, protection: Protection, host: Host, scope: Scope, headers: Headers, held: frozenset[str], receive: Receive
    ) -> Receive:
        """Scopes per tool: the body is read, checked, and handed on as it came."""
        if scope["method"] != "POST" or not (protection.tool_scopes or ComponentScopes.in_use):
            return receive
        body = await read_body(receive)
        try:
            operations = read_operations(body, headers.text(b"mcp-method"), headers.text(b"mcp-name"))
        except OAuthError as error:
            raise Refused(400, error.reason, "invalid_request") from error
        of_components = await host.component_scopes(self._app, scope, operations) if ComponentScopes.in_use else ()
        needed = (*protection.required_scopes, *protection.tool_scopes.required(operations), *of_components)
        scopes_suffice(protection, needed, held)
        return replay(body, receive)
