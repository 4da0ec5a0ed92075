"""WorkOS AuthKit, which registers MCP clients itself: this server only checks the tokens they come back with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx2
from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.clock import Clock, SystemClock
from vestibule.errors import TokenRejected
from vestibule.events import Event, emit
from vestibule.keys.jwt import peek_claims
from vestibule.net.trusted import TrustedClient
from vestibule.providers.workos.verifier import authkit_url
from vestibule.proxy.remote import RemoteAuthProvider
from vestibule.server.forwarded import ForwardedDocument
from vestibule.settings import ProviderSettings, ScopeList, Text
from vestibule.tokens import AccessToken
from vestibule.unsafe import any_audience
from vestibule.verifiers.base import TokenVerifier
from vestibule.verifiers.jwt import JWTVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["AuthKitProvider", "AuthKitProviderSettings"]

_SERVER: Final = "/.well-known/oauth-authorization-server"
_WHERE: Final = "the WorkOS dashboard under Connect, Configuration, MCP, resource indicators"

_log = logging.getLogger("vestibule.providers")


class AuthKitProviderSettings(ProviderSettings, provider="authkit", older="authkitprovider"):
    """``VESTIBULE_AUTHKIT_*``, or ``FASTMCP_SERVER_AUTH_AUTHKITPROVIDER_*``."""

    authkit_domain: Text | None = None
    base_url: Text | None = None
    resource_base_url: Text | None = None
    required_scopes: ScopeList | None = None
    scopes_supported: ScopeList | None = None
    resource_name: Text | None = None
    resource_documentation: Text | None = None


class AuthKitProvider(RemoteAuthProvider):
    """Sends clients to AuthKit and accepts the tokens that AuthKit issued for this resource.

    AuthKit puts a resource into ``aud`` only after its URL was entered in the dashboard. The URL to enter is logged at the start, and again,
    as an event for the operator, when a token comes that is for something else.

    Args:
        authkit_domain: e.g. ``your-app.authkit.app``; ``https://`` is put before it.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: scopes that every token needs.
        scopes_supported: named in the metadata; default: the required ones.
        resource_base_url: base of the resource URL, if another.
        resource_name, resource_documentation: for people, in the metadata.
        token_verifier: instead of the one for AuthKit's tokens.
        http_client: asks AuthKit instead of the shared client; whoever made it closes it.
        clock: the time.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        authkit_domain: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        scopes_supported: Sequence[str] | None = None,
        resource_base_url: str | AnyHttpUrl | None = None,
        resource_name: str | None = None,
        resource_documentation: str | AnyHttpUrl | None = None,
        token_verifier: TokenVerifier | None = None,
        http_client: httpx2.AsyncClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        given = AuthKitProviderSettings.filled(
            authkit_domain=authkit_domain,
            base_url=base_url,
            required_scopes=required_scopes,
            scopes_supported=scopes_supported,
            resource_base_url=resource_base_url,
            resource_name=resource_name,
            resource_documentation=resource_documentation,
        )
        given.require("authkit_domain", "base_url")
        url = authkit_url(given.value("authkit_domain"))
        now = clock or SystemClock()
        self._resources: dict[str, None] = {}
        super().__init__(
            token_verifier=token_verifier
            or _AuthKitVerifier(url, self._own_resources, given.required_scopes, http_client=http_client, clock=now),
            authorization_servers=[url],
            base_url=given.value("base_url"),
            scopes_supported=given.scopes_supported,
            resource_base_url=given.resource_base_url,
            resource_name=given.resource_name,
            resource_documentation=given.resource_documentation,
        )
        self._checks_audience = token_verifier is None
        self._document_of_authkit = ForwardedDocument(url + _SERVER, TrustedClient(http_client, clock=now), now)

    def set_mcp_path(self, mcp_path: str | None) -> None:
        super().set_mcp_path(mcp_path)
        if self._resource_url and self._resource_url not in self._resources:
            self._resources[self._resource_url] = None
            _log.info("AuthKit issues tokens for this server once %s is entered in %s", self._resource_url, _WHERE)

    def get_routes(self, mcp_path: str | None = None) -> list[BaseRoute]:
        """The resource's document, and AuthKit's own for clients that look for it here."""
        routes = super().get_routes(mcp_path)
        path = urlsplit(self._resource_url or "").path.rstrip("/")
        return [*routes, *self._document_of_authkit.routes(_SERVER, _SERVER + path)]

    def _audience(self, path: str) -> str | None:
        """Several resources of one provider do not take each other's tokens."""
        return self.resource_url(path) if self._checks_audience else None

    def _own_resources(self) -> Sequence[str]:
        return tuple(self._resources) or (self.resource_url("/mcp") or "",)


class _AuthKitVerifier(JWTVerifier):
    """AuthKit's JWTs for resources whose paths a host tells after this was made."""

    def __init__(
        self,
        url: str,
        resources: Callable[[], Sequence[str]],
        required_scopes: Sequence[str] | None,
        *,
        http_client: httpx2.AsyncClient | None,
        clock: Clock,
    ) -> None:
        super().__init__(
            jwks_uri=f"{url}/oauth2/jwks",
            issuer=url,
            audience=any_audience,  # see accepted_audiences
            algorithm="RS256",
            required_scopes=required_scopes,
            http_client=http_client,
            clock=clock,
        )
        self._resources = resources
        self._has_told = False

    def accepted_audiences(self) -> Collection[str]:
        return self._resources()

    async def check_token(self, token: str) -> AccessToken:
        try:
            return await super().check_token(token)
        except TokenRejected as rejected:
            if rejected.reason is reasons.TOKEN_AUDIENCE:
                self._tell_operator(token)
            raise

    def _tell_operator(self, token: str) -> None:
        """Once: AuthKit signed the token, so as a rule the URL is not in the dashboard."""
        if self._has_told:
            return
        self._has_told = True
        audience = str((peek_claims(token) or {}).get("aud"))[:200]
        detail = f"a token of AuthKit is for {audience}, not for {self._resources()[0]}: enter the latter in {_WHERE}"
        emit(Event(name="operator", reason=reasons.TOKEN_AUDIENCE.code, detail=detail))
