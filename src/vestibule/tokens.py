"""The value a verified access token becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["AccessToken"]


@dataclass(slots=True, kw_only=True)
class AccessToken:
    """What is known about the caller of a request.

    Attributes:
        token: through a bridge the provider's access token, otherwise the presented one. A secret.
        client_id: the MCP client's id.
        scopes: what this token may do.
        expires_at: seconds since the epoch, or None.
        resource: the audience (RFC 8707).
        subject: the user, unique per issuer.
        claims: the upstream identity's claims (``iss``, ``aud``, ``scope``, …).
    """

    token: str = field(repr=False)
    client_id: str
    scopes: list[str]
    expires_at: int | None = None
    resource: str | None = None
    subject: str | None = None
    claims: dict[str, Any] = field(default_factory=dict, repr=False)
