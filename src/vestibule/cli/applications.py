"""From a server of any kind to a protected ASGI application."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, cast

from starlette.types import ASGIApp

from vestibule.cli.server_file import kind_of
from vestibule.errors import ConfigurationError
from vestibule.resource.application import ProtectedApplication
from vestibule.verifiers.base import AuthProvider

__all__ = ["protected_application"]

_NOBODY = (
    "This server asks nobody who they are, and no provider is configured: set VESTIBULE_AUTH, "
    "or give the server a provider (auth=…, or provider.protect(app))."
)


def protected_application(server: object, path: str, configured: Callable[[], AuthProvider | None]) -> ASGIApp:
    """`server` as an application, behind its own provider or else the configured one.

    Args:
        server: FastMCP server, SDK server or ASGI application.
        path: of the MCP endpoint.
        configured: gives the configured provider, or None; called only if the server has none of its own.

    Raises:
        ConfigurationError: there is neither, so that everybody could call it.
    """
    kind = kind_of(server) or "asgi"
    if _IS_PROTECTED[kind](server):
        return _MAKE[kind](server, path, None)
    provider = configured()
    if provider is None:
        raise ConfigurationError(_NOBODY)
    return _MAKE[kind](server, path, provider)


def _fastmcp(server: Any, path: str, provider: AuthProvider | None) -> ASGIApp:
    if provider is not None:
        server.auth = provider
    options: dict[str, Any] = {"path": path}
    # The guard checks Host and Origin against the public URL, which FastMCP does not know (it would answer 421 to everybody).
    if isinstance(server.auth, AuthProvider) and "host_origin_protection" in inspect.signature(server.http_app).parameters:
        options["host_origin_protection"] = False
    return cast("ASGIApp", server.http_app(**options))


def _sdk(server: Any, path: str, provider: AuthProvider | None) -> ASGIApp:
    if provider is None:
        return _sdk_app(server, path, {})
    from mcp.server.transport_security import TransportSecuritySettings

    # As above: the SDK would only know the address that it is bound to.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return provider.protect(_sdk_app(server, path, {"transport_security": security}), path)


def _sdk_app(server: Any, path: str, options: dict[str, Any]) -> ASGIApp:
    """SDK 2.x takes options where the application is made, 1.x from the server's settings."""
    options = {"streamable_http_path": path, **options}
    if "streamable_http_path" in inspect.signature(server.streamable_http_app).parameters:
        return cast("ASGIApp", server.streamable_http_app(**options))
    for name, value in options.items():
        setattr(server.settings, name, value)
    return cast("ASGIApp", server.streamable_http_app())


def _asgi(server: Any, path: str, provider: AuthProvider | None) -> ASGIApp:
    return cast("ASGIApp", server) if provider is None else provider.protect(server, path)


def _is_protected_app(server: Any) -> bool:
    """One of ours, or one that FastMCP made of a server with a provider."""
    made_of = getattr(getattr(server, "state", None), "fastmcp_server", None)
    return isinstance(server, ProtectedApplication) or getattr(made_of, "auth", None) is not None


_MAKE: Final[dict[str, Callable[[Any, str, AuthProvider | None], ASGIApp]]] = {"fastmcp": _fastmcp, "sdk": _sdk, "asgi": _asgi}
_IS_PROTECTED: Final[dict[str, Callable[[Any], bool]]] = {
    "fastmcp": lambda server: server.auth is not None,
    "sdk": lambda server: getattr(server.settings, "auth", None) is not None,
    "asgi": _is_protected_app,
}
