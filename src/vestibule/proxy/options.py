"""The options that every bridge has, declared once.

:class:`CommonOptions` is what editors and type checkers show for every provider (by ``Unpack``); :class:`Options` is the same with its
defaults, checked. A test holds the two together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from vestibule.clients.configured import ConfiguredClient
from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError
from vestibule.policy import SignInPolicy
from vestibule.server.hall import ConsentMode
from vestibule.storage.locate import ClientStorage

if TYPE_CHECKING:
    import httpx2
    from pydantic import AnyHttpUrl

__all__ = ["CommonOptions", "Options"]

UpstreamTokenProtection = Literal["server", "client"]

_CONSENT_MODES: tuple[object, ...] = (True, False, "remember", "external")


class CommonOptions(TypedDict, total=False):
    """Keyword arguments of every bridge.

    Attributes:
        resource_base_url: base of the resource URL and of ``aud``; default ``base_url``.
        redirect_path: where the provider sends the browser back to; default ``/auth/callback``.
        issuer_url: the issuer, byte for byte; default ``base_url``.
        service_documentation_url: shown in the metadata.
        allowed_client_redirect_uris: None: what the client registered; ``[]``: none; a list of patterns or presets: a further limit.
        valid_scopes: everything a client may ask for, besides the required scopes.
        scope_hierarchy: which scopes include others, e.g. ``{"admin": ["write"], "write": ["read"]}``.
        forward_pkce, forward_resource: whether to send our PKCE pair and the client's ``resource`` to the provider.
        token_endpoint_auth_method: how we authenticate to the provider.
        upstream_private_key: PEM or JWK for ``private_key_jwt``.
        extra_authorize_params, extra_token_params: sent to the provider as they are.
        client_storage: where state lives; None: an SQLite file; a URL, a path or a store.
        jwt_signing_key: secret or secrets (the first signs), or the path of a key file; None: a file beside the store, made once.
        upstream_token_protection: ``"server"``: the provider's tokens are sealed with our keys; ``"client"``: with a key that only the
            client's own tokens give.
        require_authorization_consent: True, ``"remember"``, ``"external"`` or False.
        consent_csp_policy: None: built in; ``""``: none; text: as given.
        connections_page: whether users see and end the connections of their apps at ``/connections``.
        page_templates, page_colours: your own look, see ``docs/how-to/pages.md``.
        fallback_access_token_expiry_seconds: life of a provider's access token when it does not say.
        fallback_refresh_token_expiry_seconds: how long a session lives without being used.
        access_token_expiry_seconds, fastmcp_access_token_expiry_seconds: life of our access tokens.
        token_expiry_threshold_seconds: renew the provider's tokens this early.
        token_check_seconds: how often to ask the provider about a token that cannot be checked here; None: as its class says.
        enable_cimd: accept clients that are named by the URL of their metadata document.
        clients: clients configured beforehand.
        sign_in_policy: who may sign in.
        operator_contact: whom to ask, shown to somebody who may not sign in: an e-mail address, a URL, or words.
        tool_scopes: scopes per tool, resource or prompt.
        allowed_origins: web origins that may call the resource.
        allowed_hosts: further host names that requests to the resource may carry.
        revocation_delay_seconds: within how long, at the latest, a session that was ended by another process is noticed.
        store_outage_seconds: how much longer sessions that were verified before go on while the store does not answer.
        health_routes: answer ``/healthz`` and ``/readyz``.
        admin_token: secret that opens ``/admin/sessions`` to the operator; None: there is no such address.
        client_document_hosts: internal hosts whose documents may be fetched in spite of their addresses.
        egress_proxy: URL of the proxy through which documents named by clients are fetched.
        http_client: used for everything that goes to the provider.
        clock: where the time comes from.
    """

    resource_base_url: str | AnyHttpUrl | None
    redirect_path: str | None
    issuer_url: str | AnyHttpUrl | None
    service_documentation_url: str | AnyHttpUrl | None
    allowed_client_redirect_uris: Sequence[str] | None
    valid_scopes: Sequence[str] | None
    scope_hierarchy: Mapping[str, Collection[str]] | None
    forward_pkce: bool
    forward_resource: bool
    token_endpoint_auth_method: str | None
    upstream_private_key: str | bytes | Mapping[str, Any] | None
    extra_authorize_params: Mapping[str, str] | None
    extra_token_params: Mapping[str, str] | None
    client_storage: ClientStorage
    jwt_signing_key: str | bytes | Path | Sequence[str | bytes] | None
    upstream_token_protection: UpstreamTokenProtection
    require_authorization_consent: ConsentMode
    consent_csp_policy: str | None
    connections_page: bool
    page_templates: Path | None
    page_colours: Mapping[str, str] | None
    fallback_access_token_expiry_seconds: float | None
    fallback_refresh_token_expiry_seconds: float | None
    access_token_expiry_seconds: float | None
    fastmcp_access_token_expiry_seconds: float | None
    token_expiry_threshold_seconds: float
    token_check_seconds: float | None
    enable_cimd: bool
    clients: Sequence[ConfiguredClient]
    sign_in_policy: SignInPolicy | None
    operator_contact: str | None
    tool_scopes: Mapping[str, Collection[str]] | None
    allowed_origins: Sequence[str]
    allowed_hosts: Sequence[str]
    revocation_delay_seconds: float
    store_outage_seconds: float
    health_routes: bool
    admin_token: str | None
    client_document_hosts: Sequence[str]
    egress_proxy: str | None
    http_client: httpx2.AsyncClient | None
    clock: Clock


@dataclass(frozen=True, kw_only=True)
class Options:
    """:class:`CommonOptions` with defaults. See there for what each means."""

    resource_base_url: str | AnyHttpUrl | None = None
    redirect_path: str | None = None
    issuer_url: str | AnyHttpUrl | None = None
    service_documentation_url: str | AnyHttpUrl | None = None
    allowed_client_redirect_uris: Sequence[str] | None = None
    valid_scopes: Sequence[str] | None = None
    scope_hierarchy: Mapping[str, Collection[str]] | None = None
    forward_pkce: bool = True
    forward_resource: bool = True
    token_endpoint_auth_method: str | None = None
    upstream_private_key: str | bytes | Mapping[str, Any] | None = field(default=None, repr=False)
    extra_authorize_params: Mapping[str, str] | None = None
    extra_token_params: Mapping[str, str] | None = None
    client_storage: ClientStorage = None
    jwt_signing_key: str | bytes | Path | Sequence[str | bytes] | None = field(default=None, repr=False)
    upstream_token_protection: UpstreamTokenProtection = "server"  # noqa: S105 a mode
    require_authorization_consent: ConsentMode = True
    consent_csp_policy: str | None = None
    connections_page: bool = True
    page_templates: Path | None = None
    page_colours: Mapping[str, str] | None = None
    fallback_access_token_expiry_seconds: float | None = None
    fallback_refresh_token_expiry_seconds: float | None = None
    access_token_expiry_seconds: float | None = None
    fastmcp_access_token_expiry_seconds: float | None = None
    token_expiry_threshold_seconds: float = 0
    token_check_seconds: float | None = None
    enable_cimd: bool = True
    clients: Sequence[ConfiguredClient] = ()
    sign_in_policy: SignInPolicy | None = None
    operator_contact: str | None = None
    tool_scopes: Mapping[str, Collection[str]] | None = None
    allowed_origins: Sequence[str] = ()
    allowed_hosts: Sequence[str] = ()
    revocation_delay_seconds: float = 5
    store_outage_seconds: float = 0
    health_routes: bool = True
    admin_token: str | None = field(default=None, repr=False)
    client_document_hosts: Sequence[str] = ()
    egress_proxy: str | None = None
    http_client: httpx2.AsyncClient | None = None
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        if not any(
            self.require_authorization_consent is mode or self.require_authorization_consent == mode for mode in _CONSENT_MODES
        ):
            raise ConfigurationError("require_authorization_consent must be True, 'remember', 'external' or False.")
        if self.upstream_token_protection not in get_args(UpstreamTokenProtection):
            raise ConfigurationError("upstream_token_protection must be 'server' or 'client'.")
        for name in ("valid_scopes", "allowed_origins", "allowed_hosts", "client_document_hosts"):
            _check_list(name, getattr(self, name))
        for name in ("tool_scopes", "scope_hierarchy"):
            for key, value in (getattr(self, name) or {}).items():
                _check_list(f"{name}[{key!r}]", value)
        for name in ("revocation_delay_seconds", "store_outage_seconds"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} must not be negative.")
        for name in (
            "access_token_expiry_seconds",
            "fastmcp_access_token_expiry_seconds",
            "fallback_refresh_token_expiry_seconds",
            "token_check_seconds",
        ):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(f"{name} must be more than 0 seconds.")

    @property
    def access_token_life(self) -> float:
        """Seconds."""
        return self.access_token_expiry_seconds or self.fastmcp_access_token_expiry_seconds or 3600

    @property
    def session_life(self) -> float:
        """Seconds a session lives without being refreshed."""
        return self.fallback_refresh_token_expiry_seconds or 30 * 86_400


def _check_list(name: str, value: object) -> None:
    """A text is a sequence of letters, and each would be taken for a scope or a host."""
    if isinstance(value, str):
        raise ConfigurationError(f"{name} is a list, not a text.")
