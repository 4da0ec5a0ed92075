"""How one resource is protected: what the guard's checks go by, and how one of them says no."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from vestibule.protocol.scopes import ScopeHierarchy
from vestibule.reasons import Reason
from vestibule.resource.addresses import AllowedHosts, AllowedOrigins
from vestibule.resource.step_up import ToolScopes
from vestibule.tokens import AccessToken

__all__ = ["Protection", "Refused", "TokenCheck", "rejection", "rejection_detail"]

rejection: ContextVar[Reason | None] = ContextVar("vestibule_rejection", default=None)
"""Why ``verify_token`` last said None in this context."""

rejection_detail: ContextVar[str] = ContextVar("vestibule_rejection_detail", default="")
"""What the log says beside it. Never part of an answer."""


class TokenCheck(Protocol):
    """What the guard asks of a provider."""

    def __call__(self, token: str) -> Awaitable[AccessToken | None]:
        """The token's meaning, or None; the reason goes into :data:`rejection`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """How one resource is protected.

    Attributes:
        path: of the resource within the application, without a trailing slash (empty: the root).
        verify: the token check.
        audience: the ``resource`` that a token must carry; None where the check sees to the audience.
        required_scopes: what every request needs.
        challenge_scopes: those scopes as clients must ask for them.
        metadata_url: of the RFC 9728 document, None where there is none.
        to_challenge: scopes as clients must ask for them.
        provider: whose protection it is, for whoever has to find it from within a call.
    """

    path: str
    verify: TokenCheck
    hosts: AllowedHosts
    origins: AllowedOrigins
    audience: str | None = None
    required_scopes: tuple[str, ...] = ()
    challenge_scopes: tuple[str, ...] = ()
    metadata_url: str | None = None
    hierarchy: ScopeHierarchy = field(default_factory=ScopeHierarchy)
    tool_scopes: ToolScopes = field(default_factory=ToolScopes)
    to_challenge: Callable[[list[str]], list[str]] = field(default=lambda scopes: scopes)
    provider: object | None = None


class Refused(Exception):
    """One refusal at the resource."""

    def __init__(
        self,
        status: int,
        reason: Reason,
        error: str | None,
        *,
        scopes: Iterable[str] = (),
        retry_after: int | None = None,
        detail: str = "",
    ) -> None:
        self.status = status
        self.reason = reason
        self.error = error
        self.scopes = tuple(scopes)
        self.retry_after = retry_after
        self.detail = detail
