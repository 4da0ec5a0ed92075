"""Vestibule: the entrance hall of MCP servers.

Any MCP client signs its users in at any identity provider. Start with :class:`OIDCProxy`.
"""

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
