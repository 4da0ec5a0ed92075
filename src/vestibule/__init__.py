"""Vestibule: the entrance hall of MCP servers.

Any MCP client signs its users in at any identity provider. Start with :class:`OIDCProxy`.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from vestibule.providers.chosen import auth_from_env
    from vestibule.proxy.multi import MultiAuth
    from vestibule.proxy.oauth_proxy import OAuthProxy
    from vestibule.proxy.oidc_proxy import OIDCProxy
    from vestibule.proxy.remote import RemoteAuthProvider
    from vestibule.resource.component_scopes import require_scopes
    from vestibule.resource.identity import get_access_token
    from vestibule.tokens import AccessToken
    from vestibule.upstream.discovery import OIDCConfiguration
    from vestibule.verifiers.base import AuthProvider, TokenVerifier
    from vestibule.verifiers.debug import DebugTokenVerifier
    from vestibule.verifiers.introspection import IntrospectionTokenVerifier
    from vestibule.verifiers.jwt import JWTVerifier
    from vestibule.verifiers.static import StaticTokenVerifier

__all__ = [
    "AccessToken",
    "AuthProvider",
    "DebugTokenVerifier",
    "IntrospectionTokenVerifier",
    "JWTVerifier",
    "MultiAuth",
    "OAuthProxy",
    "OIDCConfiguration",
    "OIDCProxy",
    "RemoteAuthProvider",
    "StaticTokenVerifier",
    "TokenVerifier",
    "auth_from_env",
    "get_access_token",
    "require_scopes",
]

_HOMES = {
    "AccessToken": "vestibule.tokens",
    "AuthProvider": "vestibule.verifiers.base",
    "DebugTokenVerifier": "vestibule.verifiers.debug",
    "IntrospectionTokenVerifier": "vestibule.verifiers.introspection",
    "JWTVerifier": "vestibule.verifiers.jwt",
    "MultiAuth": "vestibule.proxy.multi",
    "OAuthProxy": "vestibule.proxy.oauth_proxy",
    "OIDCConfiguration": "vestibule.upstream.discovery",
    "OIDCProxy": "vestibule.proxy.oidc_proxy",
    "RemoteAuthProvider": "vestibule.proxy.remote",
    "StaticTokenVerifier": "vestibule.verifiers.static",
    "TokenVerifier": "vestibule.verifiers.base",
    "auth_from_env": "vestibule.providers.chosen",
    "get_access_token": "vestibule.resource.identity",
    "require_scopes": "vestibule.resource.component_scopes",
}
"""Where each name lives. It is loaded when it is asked for, so that nobody waits for what they do not use."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
