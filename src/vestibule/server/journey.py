"""A browser's journey to the provider and back: what it carries, the way there, and what counts as having come back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from vestibule import reasons
from vestibule.errors import OAuthError, UpstreamMisconfigured
from vestibule.grants.sign_in import SignedIn
from vestibule.protocol.json_documents import known_members
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.pkce import new_verifier
from vestibule.server.hall import Hall

__all__ = ["AuthorizationResponse", "Journey", "check_came_back", "complete", "leave_for_upstream", "read_response"]

_RELAYED = frozenset(
    {"access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required"}
)
"""Upstream errors that are about the user and mean the same to the client; any other is our or the provider's matter."""


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """What one browser keeps, sealed, while its user signs in at the provider. A new one has secrets of its own.

    Attributes:
        scopes: asked for.
        forward_resource: the ``resource`` to send upstream, or None to send none.
        forwarded: further parameters for the provider.
        offline: whether tokens that outlive the sign-in are wanted.
        state: the upstream ``state``; revealed only when the user has approved.
        nonce, code_verifier: of the upstream request (OIDC Core §3.1.2.1, RFC 7636).
        started_at, approved_at: seconds since the epoch.
    """

    scopes: tuple[str, ...]
    forward_resource: str | None
    forwarded: Mapping[str, str] = field(default_factory=dict)
    offline: bool = True
    state: str = field(default_factory=_secret, repr=False)
    nonce: str = field(default_factory=_secret, repr=False)
    code_verifier: str = field(default_factory=new_verifier, repr=False)
    started_at: float
    approved_at: float | None = None

    @classmethod
    def from_members(cls, document: Mapping[str, Any]) -> Self:
        """The journey of a cookie."""
        members = known_members(cls, document)
        return cls(**{**members, "scopes": tuple(members["scopes"])})

    def approve(self, now: float) -> Self:
        """The same journey, allowed by the user. Approving again changes nothing but the time."""
        return replace(self, approved_at=now)

    def has_expired(self, now: float, life: float) -> bool:
        """Whether it is `life` seconds since the last step."""
        return now - (self.approved_at or self.started_at) > life


async def leave_for_upstream(hall: Hall, journey: Journey) -> str:
    """The provider's login page for an approved journey.

    Raises:
        Unavailable: the provider is not known yet.
    """
    return await hall.upstream.authorization_url(
        state=journey.state,
        scopes=journey.scopes,
        nonce=journey.nonce,
        code_verifier=journey.code_verifier,
        resource=journey.forward_resource,
        forwarded=journey.forwarded,
        offline=journey.offline,
    )


def check_came_back(hall: Hall, journey: Journey) -> None:
    """Only what the user allowed, and not too long ago, can be completed (RFC 9700 §4.7).

    Raises:
        OAuthError: it was not approved, or took too long.
    """
    if journey.approved_at is None:
        raise OAuthError("access_denied", reasons.LOGIN_STATE, "not approved", status=403)
    if journey.has_expired(hall.clock.now(), hall.lifetimes.login):
        raise OAuthError("access_denied", reasons.LOGIN_EXPIRED)


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """What the provider answered at the callback (RFC 6749 §4.1.2).

    Attributes:
        code: to be exchanged.
        issuer: who it says it is (RFC 9207 §2); None if it does not say.
    """

    code: str = field(repr=False)
    issuer: str | None


def read_response(hall: Hall, parameters: Parameters) -> AuthorizationResponse:
    """The provider's answer, from the parameters of the callback.

    Raises:
        OAuthError: the provider said no to the user, or the answer cannot be read.
        UpstreamMisconfigured: the provider said no to us.
    """
    parameters.check_no_repeats()
    _provider_did_not_refuse(hall, parameters)
    return AuthorizationResponse(parameters.require("code"), parameters.get("iss"))


async def complete(hall: Hall, journey: Journey, answer: AuthorizationResponse) -> SignedIn:
    """Who came back.

    Raises:
        UpstreamRefused, UpstreamMisconfigured, Unavailable: as the exchange and the checks after it say.
    """
    return await hall.upstream.complete(
        code=answer.code,
        issuer=answer.issuer,
        scopes=journey.scopes,
        nonce=journey.nonce,
        code_verifier=journey.code_verifier,
        resource=journey.forward_resource,
    )


def _provider_did_not_refuse(hall: Hall, parameters: Parameters) -> None:
    error = parameters.get("error")
    if error is None:
        return
    detail = hall.upstream.explain(f"{error[:80]}: {(parameters.get('error_description') or '')[:300]}")
    if error in _RELAYED:
        raise OAuthError(error, reasons.UPSTREAM_CANCELLED, detail)
    if error in ("temporarily_unavailable", "server_error"):
        raise OAuthError(error, reasons.UPSTREAM_ERROR, detail)
    raise UpstreamMisconfigured(reasons.UPSTREAM_ERROR, detail, error=error[:80])
