"""A sign-in at the identity provider and what keeps it alive: exchange, checks on who came back, renewal, revocation."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import Unavailable, UpstreamMisconfigured, UpstreamRefused, VestibuleError
from vestibule.grants.answer import (
    check_caller,
    check_identity,
    check_renewed_identity,
    claims_of,
    issuer_is_the_same,
    renewed_claims,
    subject_of,
)
from vestibule.grants.connection import Connection, ProviderRules
from vestibule.grants.model import Grant, UpstreamSession
from vestibule.grants.renewal import RenewalUnchecked
from vestibule.policy import SignInPolicy, check_sign_in
from vestibule.protocol.pkce import challenge_for
from vestibule.tokens import AccessToken
from vestibule.upstream.client import UpstreamTokens

__all__ = ["IdentityProvider", "SignedIn"]

_log = logging.getLogger("vestibule.upstream")

_OIDC_SCOPES: Final = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
"""Scopes about the sign-in itself; providers often leave them out of what they say was granted."""

_FOREVER: Final = 365 * 86_400
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a completed sign-in at the provider comes to.

    Attributes:
        subject: the user at the provider; empty where the provider does not say.
        claims: identity claims for tools to read.
        session: the provider's tokens.
        scopes: those of the login that the provider granted.
        identity: the claims that came in the ID token.
        issuer: who says who the subject is, where the provider has an issuer per tenant: a subject is unique within one only (OIDC Core
            §5.7). Empty where there is but one.
    """

    subject: str
    claims: dict[str, Any]
    session: UpstreamSession
    scopes: tuple[str, ...]
    identity: dict[str, Any]
    issuer: str = ""


class IdentityProvider:
    """The identity provider, as grants and endpoints see it.

    Args:
        connect: gives the connection, or raises ``Unavailable`` while the provider cannot be discovered.
        redirect_uri: ours, registered with the provider.
        required_scopes: what the resource demands of a sign-in.
        clock: the time.
        rules: what is particular to the vendor.
        policy: who may sign in.
        forward_pkce, forward_resource: whether to send our PKCE pair, and the client's ``resource``.
        fallback_life: seconds an upstream access token lives when the provider does not say; None: an hour with a refresh token, else a
            year.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        redirect_uri: str,
        required_scopes: tuple[str, ...],
        clock: Clock,
        rules: ProviderRules | None = None,
        policy: SignInPolicy | None = None,
        forward_pkce: bool = True,
        forward_resource: bool = True,
        fallback_life: float | None = None,
    ) -> None:
        self._rules = rules or ProviderRules()
        self.name = self._rules.name
        self._connect = connect
        self._redirect_uri = redirect_uri
        self._required_scopes = required_scopes
        self._clock = clock
        self._policy = policy
        self._forward_pkce = forward_pkce
        self._forward_resource = forward_resource
        self._fallback_life = fallback_life

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
        """Where to send the browser. The nonce is always sent: some providers refuse without.

        Args:
            offline: whether a refresh token is of use; otherwise ``offline_access`` is not asked for (OIDC Core §11).

        Raises:
            Unavailable: the provider is not known yet.
        """
        connection = await self._connect()
        asked = dict.fromkeys([*self._rules.to_upstream(scopes), *connection.added_scopes])
        if not offline:
            asked.pop("offline_access", None)
        return connection.client.authorization_url(
            redirect_uri=self._redirect_uri,
            state=state,
            scopes=tuple(asked),
            nonce=nonce,
            code_challenge=challenge_for(code_verifier) if self._forward_pkce else None,
            resource=resource if self._forward_resource else None,
            forwarded=forwarded,
        )

    async def complete(
        self, *, code: str, issuer: str | None, scopes: tuple[str, ...], nonce: str, code_verifier: str, resource: str | None
    ) -> SignedIn:
        """Exchange the code and check who came back.

        Raises:
            UpstreamRefused: this sign-in cannot be completed.
            UpstreamMisconfigured: no sign-in can, until the operator mends something.
            Unavailable: the provider does not answer.
        """
        connection = await self._connect()
        issuer_is_the_same(connection, issuer)
        if connection.id_tokens is not None:
            await connection.id_tokens.keys.keys_for(None)  # before the code is spent: whoever has to try again still can
        with self._explained():
            tokens = await connection.client.exchange(
                code=code,
                redirect_uri=self._redirect_uri,
                code_verifier=code_verifier if self._forward_pkce else None,
                resource=resource if self._forward_resource else None,
                scopes=self._rules.token_scopes(scopes),
            )
        if connection.id_tokens is not None and tokens.id_token is None:
            raise UpstreamMisconfigured(reasons.UPSTREAM_ANSWER, "the provider sent no ID token, though openid was asked for")
        identity = await check_identity(connection, tokens, nonce, self._clock.now())
        with self._explained():
            caller = await check_caller(connection, tokens, identity.subject if identity else None)
        claims = claims_of(identity, caller)
        check_sign_in(self._policy, claims)
        granted = self._granted(scopes, tokens, caller)
        return SignedIn(
            subject_of(identity, caller),
            claims,
            self._session(tokens),
            granted,
            identity.claims if identity else {},
            identity.issuer if identity and connection.has_issuers_per_tenant else "",
        )

    async def renew(self, grant: Grant) -> Grant:
        """The grant with new tokens, or tokens that the provider was asked about again, and the claims of now.

        Raises:
            as :meth:`complete`.
        """
        connection = await self._connect()
        if grant.upstream is not None and grant.upstream.needs_check(self._clock.now()):
            checked = await self._checked(connection, grant, grant.upstream)
            if checked is not None:
                return checked
        if grant.upstream is None or grant.upstream.refresh_token is None:
            raise UpstreamRefused(reasons.GRANT_EXPIRED, "nothing to renew with")
        resource = grant.forward_resource if self._forward_resource else None
        with self._explained():
            tokens = await connection.client.refresh(
                grant.upstream.refresh_token, resource=resource, scopes=self._rules.token_scopes(grant.scopes)
            )
        session = self._session(tokens)
        if session.scope is None and grant.upstream.scope is not None:
            session = replace(session, scope=grant.upstream.scope)
        try:
            renewed = await self._with_renewed_claims(connection, grant, tokens)
        except (Unavailable, UpstreamMisconfigured) as trouble:
            unchecked = replace(session, expires_at=self._clock.now())
            raise RenewalUnchecked(replace(grant, upstream=unchecked), trouble) from trouble
        return replace(renewed, upstream=session)

    async def _with_renewed_claims(self, connection: Connection, grant: Grant, tokens: UpstreamTokens) -> Grant:
        """The grant with claims and scopes of now, if the new tokens are the same user's and that user may still come in."""
        identity = await check_renewed_identity(connection, tokens, self._clock.now())
        if identity is not None and identity.subject != grant.subject:
            raise UpstreamRefused(reasons.UPSTREAM_ID_TOKEN, "the renewed ID token is another user's (OIDC Core §12.2)")
        if identity is not None and connection.has_issuers_per_tenant and not grant.may_be_of(identity.issuer):
            raise UpstreamRefused(reasons.UPSTREAM_ID_TOKEN, "the renewed ID token is another issuer's (OIDC Core §12.2)")
        # A renewal may come without an ID token (OIDC Core §12.2); then there is nothing new to verify in its place.
        unsaid = connection.verifies_id_token and tokens.id_token is None
        caller = None if unsaid else await check_caller(connection, tokens, grant.subject)
        claims, of_identity = renewed_claims(grant, identity, caller)
        check_sign_in(self._policy, claims)
        return replace(grant, claims=claims, identity=of_identity, scopes=self._granted(grant.scopes, tokens, caller))

    async def _checked(self, connection: Connection, grant: Grant, session: UpstreamSession) -> Grant | None:
        """The grant whose token the provider stands by still; None if it does not, or the token has ended anyway."""
        if session.has_ended(self._clock.now()):
            return None
        caller = await connection.verifier.verify_token(session.access_token)
        if caller is None:
            return None
        claims, _ = renewed_claims(grant, None, caller)
        check_sign_in(self._policy, claims)
        return replace(grant, upstream=replace(session, check_at=self._next_check()), claims=claims)

    def explain(self, detail: str) -> str:
        """What the provider said, and what the operator has to do about it where that is known."""
        return self._rules.explain(detail)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except VestibuleError as error:
            error.detail = self.explain(error.detail)
            raise

    def _next_check(self) -> float | None:
        every = self._rules.check_seconds
        return None if every is None else self._clock.now() + every

    async def revoke(self, session: UpstreamSession) -> None:
        """Tell the provider that the session is over. Ours has ended either way, so trouble is only logged."""
        try:
            connection = await self._connect()
            if session.refresh_token is not None:
                await connection.client.revoke(session.refresh_token, "refresh_token")
            await connection.client.revoke(session.access_token, "access_token")
        except VestibuleError as error:
            _log.warning("the provider did not revoke: %s", error)

    def _granted(self, asked: tuple[str, ...], tokens: UpstreamTokens, caller: AccessToken | None) -> tuple[str, ...]:
        """The scopes of the login without those that the provider says it did not grant (RFC 6749 §3.3)."""
        if tokens.scope is None:
            return asked
        granted = {*self._rules.from_upstream(tokens.scope), *(caller.scopes if caller is not None else ()), *_OIDC_SCOPES}
        lacking = [scope for scope in self._required_scopes if scope not in granted]
        if lacking:
            raise UpstreamRefused(reasons.SCOPE_MISSING, f"the provider did not grant {' '.join(lacking)}")
        return tuple(scope for scope in asked if scope in granted)

    def _session(self, tokens: UpstreamTokens) -> UpstreamSession:
        fallback = self._fallback_life
        if fallback is None:
            fallback = _HOUR if tokens.refresh_token else _FOREVER
        session = UpstreamSession.from_tokens(tokens, now=self._clock.now(), fallback_life=fallback)
        return replace(session, check_at=self._next_check())
