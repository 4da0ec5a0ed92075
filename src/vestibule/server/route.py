"""The routes of our endpoints: quick to pass by, and a wrong method is refused by the endpoint itself, in the way it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from vestibule import reasons
from vestibule.errors import OAuthError

__all__ = ["Endpoint", "EndpointRoute", "by_method", "check_method"]

Endpoint = Callable[[Request], Awaitable[Response]]

_METHODS: Final = "vestibule.methods"


class EndpointRoute(Route):
    """A route of one fixed path, for one path is all that most endpoints have, and one is enough for all its methods."""

    def may_match(self, path: str) -> bool:
        """A look that goes before the regular expression: a host tries our routes before its own on every request."""
        return path.endswith(self.path)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if not self.may_match(scope["path"]):
            return Match.NONE, {}
        match, found = super().matches(scope)
        return match, {**found, _METHODS: self.methods}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As any route, but the endpoint is told of a wrong method too."""
        await self.app(scope, receive, send)


def by_method(**endpoints: Endpoint) -> Endpoint:
    """One endpoint of several, each for a method; the first one refuses all others."""
    first = next(iter(endpoints.values()))

    async def chosen(request: Request) -> Response:
        return await endpoints.get("GET" if request.method == "HEAD" else request.method, first)(request)

    return chosen


def check_method(request: Request) -> None:
    """Check that the route has this method (RFC 9110 §15.5.6).

    Raises:
        OAuthError: 405, with ``Allow``.
    """
    methods = request.scope.get(_METHODS)
    if methods and request.method not in methods:
        allow = ", ".join(sorted(methods))
        raise OAuthError("invalid_request", reasons.METHOD_NOT_ALLOWED, f"not {allow}", status=405, headers={"Allow": allow})
