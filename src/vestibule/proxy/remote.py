"""A resource server whose provider registers MCP clients itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from vestibule.errors import ConfigurationError
from vestibule.protocol.resource_metadata import resource_metadata
from vestibule.proxy.build import public_url
from vestibule.server.metadata import document_routes, resource_routes
from vestibule.tokens import AccessToken
from vestibule.verifiers.base import AuthProvider, TokenVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["RemoteAuthProvider"]


class RemoteAuthProvider(AuthProvider):
    """Tells clients which authorization servers to use (RFC 9728), and checks the tokens they come back with.

    Args:
        token_verifier: checks the tokens; its ``required_scopes`` are the resource's.
        authorization_servers: their issuers, each byte for byte as in its own metadata. A text stays as it is; a URL object has a slash
            after a bare host.
        base_url: public URL of this server, with any prefix it is mounted under.
        scopes_supported: named in the metadata; default: those of the verifier.
        resource_base_url: base of the resource URL, if another.
        resource_name: for people.
        resource_documentation: URL, for people.
        challenge_scopes: what a client without a token is told to ask for; default: what the verifier says.

    Raises:
        ConfigurationError: no authorization server, or a URL that is none.
    """

    def __init__(
        self,
        token_verifier: TokenVerifier,
        authorization_servers: Sequence[str | AnyHttpUrl],
        base_url: str | AnyHttpUrl,
        scopes_supported: Sequence[str] | None = None,
        resource_base_url: str | AnyHttpUrl | None = None,
        resource_name: str | None = None,
        resource_documentation: str | AnyHttpUrl | None = None,
        challenge_scopes: Sequence[str] | None = None,
    ) -> None:
        _check_verifier(token_verifier)
        resource_base = public_url(resource_base_url, "resource_base_url") if resource_base_url else None
        super().__init__(public_url(base_url, "base_url"), token_verifier.required_scopes, resource_base)
        self.token_verifier = token_verifier
        self.authorization_servers = _issuers(authorization_servers)
        self.resource_name = resource_name
        self.resource_documentation = str(resource_documentation) if resource_documentation else None
        self._scopes_supported = None if scopes_supported is None else list(scopes_supported)
        self._challenge_scopes = None if challenge_scopes is None else list(challenge_scopes)

    def recognises(self, token: str) -> bool | None:
        """As the verifier sees it."""
        return self.token_verifier.recognises(token)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who presents this token, or None for "no", as the verifier sees it."""
        return await self.token_verifier.verify_token(token)

    @property
    def scopes_supported(self) -> list[str]:
        return self.token_verifier.scopes_supported if self._scopes_supported is None else self._scopes_supported

    def get_challenge_scopes(self, required_scopes: list[str] | None = None) -> list[str]:
        if required_scopes is None and self._challenge_scopes is not None:
            return self._challenge_scopes
        return self.token_verifier.get_challenge_scopes(required_scopes)

    def get_routes(self, mcp_path: str | None = None) -> list[BaseRoute]:
        """The resource's document: at its path-inserted place (RFC 9728 §3.1), and at the root for clients that only look there."""
        if mcp_path is not None:
            self.set_mcp_path(mcp_path)
        resource = self._resource_url or self.resource_url() or ""
        document = partial(self._document, resource)
        root = document_routes("/.well-known/oauth-protected-resource", {""}, document) if urlsplit(resource).path else []
        return [*resource_routes(resource, document), *root]

    def _document(self, resource: str) -> dict[str, Any]:
        return resource_metadata(
            resource=resource,
            authorization_servers=self.authorization_servers,
            scopes_supported=self.scopes_supported,
            resource_name=self.resource_name,
            resource_documentation=self.resource_documentation,
        )


def _check_verifier(verifier: TokenVerifier) -> None:
    """Else every application of the same provider would be let in."""
    if not getattr(verifier, "knows_application", True):
        raise ConfigurationError(f"{type(verifier).__name__} cannot tell which application a token is for: see its client_id.")


def _issuers(given: Sequence[str | AnyHttpUrl]) -> list[str]:
    if isinstance(given, str) or not given:
        raise ConfigurationError("authorization_servers is a list with at least one issuer: clients must know where to go.")
    issuers = [str(issuer) for issuer in given]
    for issuer in issuers:
        public_url(issuer, "authorization_servers")
    return issuers
