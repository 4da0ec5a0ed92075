"""Everything that the endpoints share, put together once by the proxy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from vestibule.clients.authentication import ClientAuthenticator
from vestibule.clients.model import Client
from vestibule.clock import Clock
from vestibule.grants.access import AccessTokens
from vestibule.grants.data_key import DataKey
from vestibule.grants.listing import Listing
from vestibule.grants.model import Grant, UpstreamSession
from vestibule.grants.refresh import RefreshRules
from vestibule.grants.renewal import Renewal
from vestibule.grants.sign_in import SignedIn
from vestibule.grants.store import Grants
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.redirect_uris import AllowedRedirectURIs
from vestibule.protocol.scopes import ScopeHierarchy
from vestibule.reasons import Reason
from vestibule.server.pages import Pages
from vestibule.storage.spent import SpentRecords

if TYPE_CHECKING:
    from vestibule.server.login import AuthorizationParams

__all__ = ["ConsentMode", "Hall", "Lifetimes", "Upstream"]

ConsentMode = Literal[True, "remember", "external", False]


class Register(Protocol):
    """Registers a client; gives its id, and its secret if it is confidential."""

    def __call__(self, metadata: ClientMetadata, *, method_defaulted: bool) -> Awaitable[tuple[str, str | None]]: ...


class EndGrant(Protocol):
    """Ends a session here and, where its tokens can be read, at the provider."""

    def __call__(self, grant_id: str, key: DataKey | None = None, reason: Reason = ...) -> Awaitable[None]: ...


class Upstream(Protocol):
    """The identity provider, as the server sees it."""

    name: str | None

    async def authorization_url(
        self,
        *,
        state: str,
        scopes: tuple[str, ...],
        nonce: str,
        code_verifier: str,
        resource: str | None,
        forwarded: Mapping[str, str],
        offline: bool = True,
    ) -> str:
        """Where to send the browser; with `offline`, for tokens that outlive the sign-in."""
        ...

    async def complete(
        self, *, code: str, issuer: str | None, scopes: tuple[str, ...], nonce: str, code_verifier: str, resource: str | None
    ) -> SignedIn:
        """Exchange the code and check who came back."""
        ...

    async def renew(self, grant: Grant) -> Grant:
        """Ask for new tokens with the grant's refresh token."""
        ...

    async def revoke(self, session: UpstreamSession) -> None:
        """Tell the provider that the session is over; best effort."""
        ...

    def explain(self, detail: str) -> str:
        """What the provider said, and what the operator has to do about it where that is known."""
        ...


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds."""

    code: float = 300
    login: float = 600


@dataclass(kw_only=True)
class Hall:
    """One authorization server.

    Attributes:
        issuer: byte for byte what every token, document and redirect carries.
        base_url: where the endpoints hang, without a trailing slash.
        resources: the protected resource URLs, the default one first.
        required_scopes: what the resource demands.
        valid_scopes: everything a client may ask for, in the order of the metadata.
        locks_upstream_tokens: whether the provider's tokens of a new grant are stored under a key that only the client holds.
        spent: what counts once.
        authorize, register, find_client, end_grant: the steps that a provider class may override.
    """

    issuer: str
    base_url: str
    redirect_path: str
    resources: Callable[[], tuple[str, ...]]
    required_scopes: tuple[str, ...]
    valid_scopes: tuple[str, ...]
    hierarchy: ScopeHierarchy
    keyring: KeyRing
    sealer: Sealer
    clock: Clock
    authenticator: ClientAuthenticator
    grants: Grants
    listing: Listing
    spent: SpentRecords
    renewal: Renewal
    access_tokens: AccessTokens
    refresh_rules: RefreshRules
    lifetimes: Lifetimes
    upstream: Upstream
    pages: Pages
    consent_mode: ConsentMode
    locks_upstream_tokens: bool
    allowed_redirect_uris: AllowedRedirectURIs | None
    documents_enabled: bool
    connections_page: bool
    service_documentation: str | None = None
    authorize: Callable[[Client, AuthorizationParams], Awaitable[str]]
    register: Register
    find_client: Callable[[str], Awaitable[Client]]
    end_grant: EndGrant

    @property
    def is_secure(self) -> bool:
        """Whether the public URL is https; otherwise it is a loopback one."""
        return self.base_url.startswith("https://")

    @property
    def server_name(self) -> str:
        """What a page calls this server."""
        return self.resources()[0]
