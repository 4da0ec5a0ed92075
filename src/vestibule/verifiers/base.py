"""What every provider and every verifier has in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import AnyHttpUrl
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from vestibule import reasons
from vestibule.errors import ConfigurationError, TokenRejected
from vestibule.protocol.resource_metadata import well_known_path
from vestibule.protocol.scopes import ScopeHierarchy
from vestibule.resource.addresses import AllowedHosts, AllowedOrigins, AnyHost
from vestibule.resource.application import ProtectedApplication
from vestibule.resource.guard import Guard
from vestibule.resource.protection import Protection, rejection, rejection_detail
from vestibule.resource.step_up import ToolScopes
from vestibule.tokens import AccessToken

VESTIBULE_ITSELF = False
"""True for the type checker where it checks this package, which then misses nothing."""

if TYPE_CHECKING and not VESTIBULE_ITSELF:
    # For type checkers a class derived from Any fits wherever a host names a class of its own, as in FastMCP(auth=provider).
    from typing import Any as FitsEveryHost
else:
    FitsEveryHost = object

__all__ = ["AuthProvider", "TokenVerifier", "rejection", "rejection_detail"]


@dataclass(slots=True)
class _Place:
    """The path of one application. A host builds its middleware first and tells the path after that."""

    path: str | None = None


class AuthProvider(FitsEveryHost):
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
        self.scope_hierarchy: Mapping[str, Collection[str]] = {}
        self.tool_scopes: Mapping[str, Collection[str]] = {}
        self.allowed_origins: Sequence[str] = ()
        self.allowed_hosts: Sequence[str] = ()
        self._mcp_path: str | None = None
        self._places: list[_Place] = []
        self._resource_url: str | None = None

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who presents this token, or None for "no"; :data:`rejection` then holds the reason.

        Raises:
            Unavailable: nobody can tell right now.
        """
        rejection.set(None)
        rejection_detail.set("")
        try:
            return await self.check_token(token)
        except TokenRejected as refused:
            rejection.set(refused.reason)
            rejection_detail.set(refused.detail)
            return None

    def recognises(self, token: str) -> bool | None:
        """Whether `token` is one that this provider would judge, told by its form and issuer alone: nothing is asked, nothing is trusted.

        Returns:
            True or False; None if that cannot be told without checking it.
        """
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
        for place in self._places:
            place.path = place.path or mcp_path
        self._resource_url = self.resource_url(mcp_path)

    def get_routes(self, mcp_path: str | None = None) -> Sequence[BaseRoute]:
        """The routes that this provider adds to the application. FastMCP 3.x tells the path only here."""
        if mcp_path is not None:
            self.set_mcp_path(mcp_path)
        return []

    def get_well_known_routes(self, mcp_path: str | None = None) -> list[Route]:
        """Those of the routes that belong to the root of the origin (RFC 8615)."""
        routes = self.get_routes(mcp_path)
        return [route for route in routes if isinstance(route, Route) and route.path.startswith("/.well-known/")]

    def get_middleware(self) -> list[Middleware]:
        """What a host puts around its application so that requests are verified."""
        place = _Place()
        self._places.append(place)
        return [
            Middleware(Guard, protection=lambda: self._protection(place.path or self._mcp_path or "/mcp"), whole_tree=False)
        ]

    def protect(self, app: ASGIApp, path: str = "/mcp") -> ASGIApp:
        """`app` with `path` and everything below it open to verified requests only, and this provider's routes beside it."""
        routes = self.get_routes(path)
        return ProtectedApplication(app, routes, Guard(app, protection=lambda: self._protection(path)), self)

    def _protection(self, path: str) -> Protection:
        """How the guard protects `path`."""
        resource = self.resource_url(path)
        urls = [url for url in (self.base_url, self.resource_base_url) if url]
        return Protection(
            path=path.rstrip("/"),
            verify=self.verify_token,
            audience=self._audience(path),
            hosts=AllowedHosts(urls, self.allowed_hosts) if urls else AnyHost(),
            origins=AllowedOrigins(urls, self.allowed_origins),
            required_scopes=tuple(self.required_scopes),
            challenge_scopes=tuple(self.challenge_scopes),
            metadata_url=self._metadata_url(resource) if resource else None,
            hierarchy=ScopeHierarchy(self.scope_hierarchy),
            tool_scopes=ToolScopes(self.tool_scopes),
            to_challenge=self.get_challenge_scopes,
            provider=self,
        )

    def _audience(self, path: str) -> str | None:
        """The one ``resource`` that tokens at `path` must carry; None where the verifier checks the audience."""
        return None

    def _metadata_url(self, resource: str) -> str | None:
        """Where the document about `resource` is (RFC 9728 §3.1); None where this provider serves none."""
        path = well_known_path("oauth-protected-resource", resource)
        served = any(isinstance(route, Route) and route.path == path for route in self.get_routes(self._mcp_path))
        parts = urlsplit(resource)
        return f"{parts.scheme}://{parts.netloc}{path}" if served else None

    def _get_resource_url(self, path: str | None = None) -> AnyHttpUrl | None:
        """The URL of the resource at `path`, as hosts ask for it."""
        url = self.resource_url(path)
        return AnyHttpUrl(url) if url else None

    def resource_url(self, path: str | None = None) -> str | None:
        """The URL of the resource at `path`, byte for byte as it stands in metadata and tokens."""
        base = self.resource_base_url or self.base_url
        if not base:
            return None
        return f"{base.rstrip('/')}/{path.strip('/')}" if path and path.strip("/") else base.rstrip("/")


class TokenVerifier(AuthProvider):
    """Checks tokens that others issue; has no routes.

    Attributes:
        knows_application: whether it can tell which application a token was issued to. One that cannot is good behind a bridge, where
            tokens come straight from the provider for a code of ours, and never for tokens that a client presents.
    """

    knows_application: bool = True

    def check_scopes(self, token: AccessToken) -> AccessToken:
        """Check that a good token has the required scopes.

        Raises:
            TokenRejected: with reason ``scope_missing``, which is answered 403 (RFC 6750 §3.1), not 401.
        """
        missing = ScopeHierarchy(self.scope_hierarchy).missing(self.required_scopes, token.scopes)
        if missing:
            raise TokenRejected(reasons.SCOPE_MISSING, f"lacks {' '.join(missing)}")
        return token
