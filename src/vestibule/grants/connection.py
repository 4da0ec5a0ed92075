"""A provider as data: how it is reached, how what it says is checked, and what is particular to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from vestibule.keys.jwt import JWTKeySet
from vestibule.upstream.client import UpstreamClient
from vestibule.verifiers.base import TokenVerifier

__all__ = ["Connection", "IDTokenRules", "ProviderRules"]


class _Keys(Protocol):
    async def keys_for(self, kid: str | None) -> JWTKeySet:
        """The provider's keys, fetched again if `kid` is not among them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IDTokenRules:
    """How the provider's ID tokens are checked (OIDC Core §3.1.3.7).

    Attributes:
        keys: the provider's key set.
        issuer: its ``iss``, or what tells the acceptable ones from the claims, for a provider with an issuer per tenant.
        client_id: ours at the provider, the ``aud``.
        algorithms: what it may sign with.
    """

    keys: _Keys
    issuer: str | Callable[[Mapping[str, Any]], Awaitable[Collection[str]]]
    client_id: str
    algorithms: tuple[str, ...]


def _same(scopes: tuple[str, ...]) -> tuple[str, ...]:
    return scopes


def _none(scopes: tuple[str, ...]) -> tuple[str, ...]:
    return ()


def _as_it_is(detail: str) -> str:
    return detail


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRules:
    """What is particular to one vendor, as data.

    Attributes:
        name: what people call it.
        to_upstream: our scopes as it names them in an authorization request.
        token_scopes: our scopes as it wants them with an exchange or a refresh; by default none are sent there.
        from_upstream: its scopes as we name them.
        check_seconds: how often to ask about an access token that cannot be checked here; None: never.
        explain: adds to what it says of an error what the operator has to do about it.
    """

    name: str | None = None
    to_upstream: Callable[[tuple[str, ...]], tuple[str, ...]] = _same
    token_scopes: Callable[[tuple[str, ...]], tuple[str, ...]] = _none
    from_upstream: Callable[[tuple[str, ...]], tuple[str, ...]] = _same
    check_seconds: float | None = None
    explain: Callable[[str], str] = _as_it_is


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A provider that is known well enough to be talked to.

    Attributes:
        client: talks to its endpoints.
        verifier: checks its access tokens.
        id_tokens: how its ID tokens are checked; None for a provider that is no OpenID provider.
        issuer: its issuer identifier, compared with ``iss`` in the callback (RFC 9207 §2.4).
        always_sends_issuer: it says that it sends ``iss``, so an answer without one is not its own.
        accepts_opaque: an access token that is no JWT may come from the exchange, vouched for by the ID token.
        userinfo: asked about such a token, where the provider has that endpoint (OIDC Core §5.3).
        verifies_id_token: check the ID token in the access token's place.
        added_scopes: asked for upstream besides those of the login.
    """

    client: UpstreamClient
    verifier: TokenVerifier
    id_tokens: IDTokenRules | None = None
    issuer: str | None = None
    always_sends_issuer: bool = False
    accepts_opaque: bool = False
    userinfo: TokenVerifier | None = None
    verifies_id_token: bool = False
    added_scopes: tuple[str, ...] = ()

    @property
    def has_issuers_per_tenant(self) -> bool:
        """Whether its users' ID tokens come from more than one issuer."""
        return self.id_tokens is not None and not isinstance(self.id_tokens.issuer, str)
