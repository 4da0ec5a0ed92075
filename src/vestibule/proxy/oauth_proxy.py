"""The bridge to any OAuth 2.0 provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Unpack

from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.clients.model import Client
from vestibule.errors import ConfigurationError, OAuthError, TokenRejected
from vestibule.grants.connection import Connection, ProviderRules
from vestibule.grants.data_key import DataKey
from vestibule.grants.sign_in import IdentityProvider
from vestibule.keys.jwt import peek_claims
from vestibule.net.trusted import TrustedClient
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.redirect_uris import is_loopback
from vestibule.protocol.server_metadata import check_issuer
from vestibule.proxy.build import build, public_url
from vestibule.proxy.options import CommonOptions, Options
from vestibule.reasons import Reason
from vestibule.server import admin, consent, endpoints
from vestibule.server.hall import Hall
from vestibule.server.journey import leave_for_upstream
from vestibule.server.login import AuthorizationParams, Login
from vestibule.tokens import AccessToken
from vestibule.upstream.client import UpstreamClient
from vestibule.upstream.contact import Contact
from vestibule.verifiers.base import AuthProvider, TokenVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["OAuthProxy"]


class OAuthProxy(AuthProvider):
    """An authorization server for MCP clients in front of a provider that wants its applications registered by hand.

    Args:
        upstream_authorization_endpoint: the provider's; may carry a query.
        upstream_token_endpoint: the provider's.
        upstream_client_id: what the provider gave you.
        upstream_client_secret: None for a public client or a private key.
        upstream_revocation_endpoint: where to end the provider's tokens with ours.
        token_verifier: checks the provider's access tokens; its ``required_scopes`` are the resource's.
        base_url: public URL of this server, with any prefix it is mounted under.
        options: see :class:`~vestibule.proxy.options.CommonOptions`.

    Raises:
        ConfigurationError: something is missing or cannot work; the message names the parameter.
    """

    _upstream_client: ClassVar[type[UpstreamClient]] = UpstreamClient
    """Talks to the provider. A provider class with requests of its own names another."""

    def __init__(
        self,
        *,
        upstream_authorization_endpoint: str,
        upstream_token_endpoint: str,
        upstream_client_id: str,
        upstream_client_secret: str | None = None,
        upstream_revocation_endpoint: str | None = None,
        token_verifier: TokenVerifier,
        base_url: str | AnyHttpUrl,
        **options: Unpack[CommonOptions],
    ) -> None:
        chosen = Options(**options)
        client = self._upstream_client(
            authorization_endpoint=upstream_authorization_endpoint,
            token_endpoint=upstream_token_endpoint,
            client_id=upstream_client_id,
            client_secret=upstream_client_secret,
            revocation_endpoint=upstream_revocation_endpoint,
            token_endpoint_auth_method=chosen.token_endpoint_auth_method,
            private_key=chosen.upstream_private_key,
            extra_authorize_params=chosen.extra_authorize_params,
            extra_token_params=chosen.extra_token_params,
            http=TrustedClient(chosen.http_client, clock=chosen.clock),
            clock=chosen.clock,
        )
        self._connection: Connection | None = self._connected(Connection(client=client, verifier=token_verifier), chosen)
        self._open(chosen, base_url=base_url, required_scopes=token_verifier.required_scopes)

    def _open(self, options: Options, *, base_url: str | AnyHttpUrl, required_scopes: Sequence[str]) -> None:
        """Set up everything that does not depend on the provider."""
        url = public_url(base_url, "base_url")
        resource_base = public_url(options.resource_base_url, "resource_base_url") if options.resource_base_url else None
        super().__init__(base_url=url, required_scopes=required_scopes, resource_base_url=resource_base)
        self.public_url = url
        self.issuer = str(options.issuer_url or base_url)
        check_issuer(self.issuer)
        self.redirect_path = "/" + (options.redirect_path or "/auth/callback").lstrip("/")
        if self.redirect_path in endpoints.PATHS:
            raise ConfigurationError(f"redirect_path {self.redirect_path!r} is the path of an endpoint.")
        self.is_loopback = is_loopback(url)
        if options.admin_token is not None:
            admin.check_admin_token(options.admin_token, url)
        self._admin_token = options.admin_token
        self.allowed_origins = options.allowed_origins
        self.allowed_hosts = options.allowed_hosts
        self.tool_scopes = options.tool_scopes or {}
        self.scope_hierarchy = options.scope_hierarchy or {}
        self._resource_urls: dict[str, None] = {}
        self._upstream = IdentityProvider(
            self._connect,
            redirect_uri=url + self.redirect_path,
            required_scopes=tuple(required_scopes),
            clock=options.clock,
            policy=options.sign_in_policy,
            forward_pkce=options.forward_pkce,
            forward_resource=options.forward_resource,
            fallback_life=options.fallback_access_token_expiry_seconds,
            rules=self._rules(options),
        )
        contact = Contact(lambda: self._connection.client if self._connection else None, self._connect, options.clock)
        self._has_health_routes = options.health_routes
        self._built = build(self, options, self._upstream, contact)

    def _provider_rules(self, options: Options) -> ProviderRules:
        """What is particular to the vendor. Provider classes override it."""
        return ProviderRules()

    def _rules(self, options: Options) -> ProviderRules:
        rules = self._provider_rules(options)
        return rules if options.token_check_seconds is None else replace(rules, check_seconds=options.token_check_seconds)

    def _connected(self, connection: Connection, options: Options) -> Connection:
        """The connection with what the vendor offers beyond OAuth. Provider classes override it."""
        return connection

    async def _connect(self) -> Connection:
        """The provider, ready to be talked to."""
        if self._connection is None:
            raise OAuthError("temporarily_unavailable", reasons.UPSTREAM_UNAVAILABLE, status=503)
        return self._connection

    @property
    def hall(self) -> Hall:
        """The authorization server behind the bridge: its sessions, and everything that its endpoints share."""
        return self._built.hall

    # --- what a host asks for -------------------------------------------------------------------------------------------------

    def resources(self) -> tuple[str, ...]:
        """The protected resource URLs, the default one first."""
        return tuple(self._resource_urls) or (self.resource_url("/mcp") or self.public_url,)

    def set_mcp_path(self, mcp_path: str | None) -> None:
        super().set_mcp_path(mcp_path)
        if self._resource_url:
            self._resource_urls.setdefault(self._resource_url)

    def get_routes(self, mcp_path: str | None = None) -> list[BaseRoute]:
        """The authorization server's endpoints and every place of its metadata."""
        if mcp_path is not None:
            self.set_mcp_path(mcp_path)
        readiness = self._built.readiness if self._has_health_routes else None
        return endpoints.routes(self._built.hall, readiness=readiness, admin_token=self._admin_token)

    def recognises(self, token: str) -> bool | None:
        """By our issuer: all access tokens of ours are JWTs."""
        return (peek_claims(token) or {}).get("iss") == self.issuer

    async def check_token(self, token: str) -> AccessToken:
        """Who presents this access token of ours.

        Raises:
            TokenRejected: with the exact reason.
            Unavailable: that cannot be told right now.
        """
        return await self._built.sessions.verify(token)

    def _audience(self, path: str) -> str | None:
        return self.resource_url(path)

    # --- steps that a provider class may override -----------------------------------------------------------------------------

    async def authorize(self, client: Client, params: AuthorizationParams) -> str:
        """Where the browser of a checked authorization request goes next: our consent page, or the provider.

        Args:
            client: who asks.
            params: what it asks for; ``params.login`` is set here and goes into the browser's cookie.
        """
        hall = self._built.hall
        login = Login.start(params, client=client, now=hall.clock.now())
        if hall.consent_mode in (False, "external"):
            params.login = login.approve(hall.clock.now())
            return await leave_for_upstream(hall, params.login)
        if "none" in params.forwarded.get("prompt", "").split():
            raise OAuthError("interaction_required", reasons.INTERACTION_REQUIRED, "prompt=none")
        params.login = login
        return consent.consent_url(hall, login)

    async def register_client(self, metadata: ClientMetadata, *, method_defaulted: bool = False) -> tuple[str, str | None]:
        """Register a client: its id, and its secret if it is confidential. Nothing is stored.

        Args:
            metadata: checked.
            method_defaulted: whether the client named no authentication method.
        """
        return self._built.dynamic.register(metadata, method_defaulted=method_defaulted)

    async def get_client(self, client_id: str) -> Client | None:
        """The client of that id, or None.

        Raises:
            OAuthError: it is named by a document that cannot be used.
            Unavailable: its document cannot be fetched right now.
        """
        try:
            return await self._built.directory.find(client_id)
        except OAuthError as error:
            if error.reason is reasons.CLIENT_UNKNOWN:
                return None
            raise

    async def revoke_token(self, token: str) -> None:
        """End the session that an access token of ours belongs to."""
        try:
            claims = self._built.hall.access_tokens.read(token)
        except TokenRejected:
            return
        await self.end_grant(claims.grant_id, claims.data_key)

    async def end_grant(self, grant_id: str, key: DataKey | None = None, reason: Reason = reasons.GRANT_ENDED) -> None:
        """End a session here and, with the last one of its user, at the provider.

        Args:
            key: its data key, if it has one. Without it the provider's tokens cannot be read, and live on there until they end.
            reason: why; by default its client or user wants it.
        """
        await self._built.revocation.end(grant_id, key, reason)
