"""A protected application as one ASGI application: the provider's routes, and everything else behind the guard."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["ProtectedApplication"]


class ProtectedApplication:
    """Routes first, then the guarded application.

    Args:
        app: what is protected; it runs its own lifespan.
        routes: of the authorization server and its metadata.
        guard: around `app`.
        provider: whose they are.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], guard: ASGIApp, provider: object = None) -> None:
        self.provider = provider
        self._app = app
        self._router = Router(routes, redirect_slashes=False, default=guard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await self._router(scope, receive, send)
