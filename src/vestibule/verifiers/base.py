"""What every provider and every verifier has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Final

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from vestibule import reasons
from vestibule.errors import ConfigurationError, TokenRejected
from vestibule.reasons import Reason
from vestibule.tokens import AccessToken

__all__ = ["AuthProvider", "Guarding", "TokenVerifier", "rejection", "use_guard"]

rejection: Final[ContextVar[Reason | None]] = ContextVar("vestibule_rejection", default=None)
"""Why :meth:`AuthProvider.verify_token` last said no in this context; None after a yes."""


class AuthProvider:
    """Decides whose requests reach the MCP server.

    Args:
        base_url: public URL of this server.
        required_scopes: scopes that every request needs.
        resource_base_url: public URL under which the MCP endpoint lives, if another.

    Raises:
        ConfigurationError: `required_scopes` is a text instead of a list.
    """

    def __init__(
        self,
        base_url: object | None = None,
        required_scopes: Sequence[str] | None = None,
        resource_base_url: object | None = None,
    ) -> None:
        if isinstance(required_scopes, str):
            raise ConfigurationError("required_scopes is a list of scopes, not a text.")
        self.base_url = None if base_url is None else str(base_url)
        self.resource_base_url = None if resource_base_url is None else str(resource_base_url)
        self.required_scopes = list(required_scopes or ())
        self._mcp_path: str | None = None
        self._resource_url: str | None = None

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who presents this token, or None for "no"; :data:`rejection` then holds the reason.

        Raises:
            Unavailable: nobody can tell right now.
        """
        rejection.set(None)
        try:
            return await self.check_token(token)
        except TokenRejected as refused:
            rejection.set(refused.reason)
            return None

    async def check_token(self, token: str) -> AccessToken:
        """Who presents this token.

        Raises:
            TokenRejected: with the reason; ``scope_missing`` if the token is good and only lacks a required scope.
            Unavailable: nobody can tell right now.
        """
        raise NotImplementedError

    @property
    def scopes_supported(self) -> list[str]:
        """The scopes that the protected resource metadata names."""
        return self.required_scopes

    @property
    def challenge_scopes(self) -> list[str]:
        """The scopes that a client without a token is told to ask for."""
        return self.get_challenge_scopes()

    def get_challenge_scopes(self, required_scopes: list[str] | None = None) -> list[str]:
        """The scopes to name in a challenge, for everything or for what `required_scopes` protect. May be overridden."""
        return self.required_scopes if required_scopes is None else required_scopes

    def set_mcp_path(self, mcp_path: str | None) -> None:
        """Tell under which path the MCP endpoint lives."""
        self._mcp_path = mcp_path
        self._resource_url = self._get_resource_url(mcp_path)

    def get_routes(self, mcp_path: str | None = None) -> Sequence[BaseRoute]:
        """The routes that this provider adds to the application."""
        return []

    def get_well_known_routes(self, mcp_path: str | None = None) -> list[Route]:
        """Those of the routes that belong to the root of the origin (RFC 8615)."""
        routes = self.get_routes(mcp_path)
        return [route for route in routes if isinstance(route, Route) and route.path.startswith("/.well-known/")]

    def get_middleware(self) -> list[Middleware]:
        """What a host puts around its application so that requests are verified."""
        return _guarding().middleware(self)

    def protect(self, app: ASGIApp, path: str = "/mcp") -> ASGIApp:
        """`app` with its `path` open to verified requests only, and this provider's routes beside it."""
        return _guarding().protect(self, app, path)

    def _get_resource_url(self, path: str | None = None) -> str | None:
        base = self.resource_base_url or self.base_url
        return f"{base.rstrip('/')}/{path.lstrip('/')}" if base and path else base


class TokenVerifier(AuthProvider):
    """Checks tokens that others issue; has no routes."""

    def check_scopes(self, token: AccessToken) -> AccessToken:
        """Check that a good token has the required scopes.

        Raises:
            TokenRejected: with reason ``scope_missing``, which is answered 403 (RFC 6750 §3.1), not 401.
        """
        missing = [scope for scope in self.required_scopes if scope not in token.scopes]
        if missing:
            raise TokenRejected(reasons.SCOPE_MISSING, f"lacks {' '.join(missing)}")
        return token


class Guarding:
    """How requests are guarded. The layer above fills it in by :func:`use_guard`.

    Args:
        protect: wraps an application.
        middleware: makes the middleware for a host.
    """

    def __init__(
        self,
        protect: Callable[[AuthProvider, ASGIApp, str], ASGIApp],
        middleware: Callable[[AuthProvider], list[Middleware]],
    ) -> None:
        self.protect = protect
        self.middleware = middleware


_guard: list[Guarding] = []


def use_guard(guarding: Guarding) -> None:
    """Tell how requests are guarded: imports point downwards, and the guard lives above the verifiers."""
    _guard[:] = [guarding]


def _guarding() -> Guarding:
    if not _guard:
        raise RuntimeError("import vestibule first: it brings the guard")
    return _guard[0]
