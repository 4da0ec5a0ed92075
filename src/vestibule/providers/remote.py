"""What the providers have in common that register MCP clients themselves: this server only checks the tokens they come back with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.clock import Clock, SystemClock
from vestibule.errors import TokenRejected
from vestibule.events import Event, emit
from vestibule.net.trusted import TrustedClient
from vestibule.proxy.remote import RemoteAuthProvider
from vestibule.server.forwarded import ForwardedDocument
from vestibule.settings import ProviderSettings, ScopeList, Text
from vestibule.settings.fields import Code
from vestibule.unsafe import any_audience
from vestibule.verifiers.base import TokenVerifier
from vestibule.verifiers.jwt import JWTVerifier

if TYPE_CHECKING:
    import httpx2
    from pydantic import AnyHttpUrl

__all__ = ["RegisteringProvider", "RemoteOptions", "RemoteSettings", "ResourceJWTVerifier"]

_SERVER = "/.well-known/oauth-authorization-server"


class RemoteOptions(TypedDict, total=False):
    """Keyword arguments of every provider that registers clients itself.

    Attributes:
        scopes_supported: named in the metadata; default: the required ones.
        challenge_scopes: what a client without a token is told to ask for; default: the required ones.
        resource_base_url: base of the resource URL, if another than ``base_url``.
        resource_name, resource_documentation: for people, in the metadata.
        token_verifier: instead of the provider's own.
        http_client: asks the provider instead of the shared client; whoever made it closes it.
        clock: the time.
    """

    scopes_supported: Sequence[str] | None
    challenge_scopes: Sequence[str] | None
    resource_base_url: str | AnyHttpUrl | None
    resource_name: str | None
    resource_documentation: str | AnyHttpUrl | None
    token_verifier: TokenVerifier | None
    http_client: httpx2.AsyncClient | None
    clock: Clock | None


class RemoteSettings(ProviderSettings):
    """The settings of such a provider: beside its own, everything in :class:`RemoteOptions`."""

    base_url: Text | None = None
    required_scopes: ScopeList | None = None
    scopes_supported: ScopeList | None = None
    challenge_scopes: ScopeList | None = None
    resource_base_url: Text | None = None
    resource_name: Text | None = None
    resource_documentation: Text | None = None
    token_verifier: Code = None
    http_client: Code = None
    clock: Code = None

    def checking(self) -> dict[str, Any]:
        """The arguments that every verifier has."""
        return {"required_scopes": self.required_scopes, "http_client": self.http_client, "clock": self.clock}


class RegisteringProvider(RemoteAuthProvider):
    """Sends clients to the provider, and accepts the tokens that it issued for this resource.

    Args:
        given: the settings.
        issuer: the provider's issuer.
        verifier: checks its tokens, unless the settings bring another.
        metadata_url: of the provider's own document, which is shown here too for clients that look for it here (the MCP revision of
            2025-03-26 had them do so). Default: below the issuer (RFC 8414 §3.1).
    """

    def __init__(self, given: RemoteSettings, *, issuer: str, verifier: TokenVerifier, metadata_url: str | None = None) -> None:
        self._resources: dict[str, None] = {}
        super().__init__(
            token_verifier=given.token_verifier or verifier,
            authorization_servers=[issuer],
            base_url=given.value("base_url"),
            scopes_supported=given.scopes_supported,
            resource_base_url=given.resource_base_url,
            resource_name=given.resource_name,
            resource_documentation=given.resource_documentation,
            challenge_scopes=given.challenge_scopes,
        )
        clock = given.clock or SystemClock()
        self._document_of_provider = ForwardedDocument(
            metadata_url or metadata_location(issuer), TrustedClient(given.http_client, clock=clock), clock
        )

    def set_mcp_path(self, mcp_path: str | None) -> None:
        super().set_mcp_path(mcp_path)
        if self._resource_url:
            self._resources.setdefault(self._resource_url)

    def get_routes(self, mcp_path: str | None = None) -> list[BaseRoute]:
        """The resource's document, and the provider's own."""
        routes = super().get_routes(mcp_path)
        path = urlsplit(self._resource_url or "").path.rstrip("/")
        return [*routes, *self._document_of_provider.routes(_SERVER, _SERVER + path)]

    def own_resources(self) -> Sequence[str]:
        """The protected resource URLs, which a host tells after this was made."""
        return tuple(self._resources) or (self.resource_url("/mcp") or "",)

    def _audience(self, path: str) -> str | None:
        """Several resources of one provider do not take each other's tokens."""
        by_resource = isinstance(self.token_verifier, ResourceJWTVerifier) and self.token_verifier.by_resource
        return self.resource_url(path) if by_resource else None


class ResourceJWTVerifier(JWTVerifier):
    """JWTs for resources whose URLs are known only later.

    Args:
        resources: gives them.
        audience: accepted instead, where the operator named it.
        advice: what the operator has to do at the provider for tokens to have the right audience; takes that audience.
        arguments: the others of :class:`~vestibule.verifiers.jwt.JWTVerifier`.
    """

    def __init__(
        self,
        *,
        resources: Callable[[], Sequence[str]],
        audience: Sequence[str] | None,
        advice: Callable[[str], str],
        **arguments: Any,
    ) -> None:
        super().__init__(audience=audience or any_audience, **arguments)  # see accepted_audiences
        self.by_resource = not audience
        self._resources = resources
        self._advice = advice
        self._has_told = False

    def accepted_audiences(self) -> Collection[str]:
        return super().accepted_audiences() or self._resources()

    async def check_token(self, token: str) -> Any:
        try:
            return await super().check_token(token)
        except TokenRejected as rejected:
            if rejected.reason is reasons.TOKEN_AUDIENCE:
                self._tell_operator()
            raise

    def _tell_operator(self) -> None:
        """Once: the provider signed the token, so as a rule it is the provider that is not set up."""
        if not self._has_told:
            self._has_told = True
            detail = self._advice(next(iter(self.accepted_audiences())))
            emit(Event(name="operator", reason=reasons.TOKEN_AUDIENCE.code, detail=detail))


def metadata_location(issuer: str) -> str:
    """Where an issuer's metadata is (RFC 8414 §3.1)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}{_SERVER}{parts.path.rstrip('/')}"
