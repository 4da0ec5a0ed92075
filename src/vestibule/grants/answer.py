"""Judging what a provider answered: who signed in, and whether its access token is one for us."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from vestibule import reasons
from vestibule.errors import TokenRejected, Unavailable, UpstreamMisconfigured, UpstreamRefused
from vestibule.grants.connection import Connection, IDTokenRules
from vestibule.grants.model import Grant
from vestibule.keys.jwt import peek_claims, peek_header
from vestibule.policy import not_admitted
from vestibule.reasons import Reason
from vestibule.resource.protection import rejection
from vestibule.tokens import AccessToken
from vestibule.upstream.client import UpstreamTokens
from vestibule.upstream.identity import Identity, check_id_token
from vestibule.verifiers.base import TokenVerifier

__all__ = [
    "check_caller",
    "check_identity",
    "check_renewed_identity",
    "claims_of",
    "issuer_is_the_same",
    "renewed_claims",
    "subject_of",
]

_PROFILE: Final = frozenset(
    {
        *(
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
        ),
        *("email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified"),
        *("address", "updated_at"),
    }
)


async def check_identity(connection: Connection, tokens: UpstreamTokens, nonce: str | None, now: float) -> Identity | None:
    rules = connection.id_tokens
    if rules is None or tokens.id_token is None:
        return None
    kid = (peek_header(tokens.id_token) or {}).get("kid")
    issuer = await _expected_issuer(rules, peek_claims(tokens.id_token) or {})
    return check_id_token(
        tokens.id_token,
        keys=await rules.keys.keys_for(kid if isinstance(kid, str) else None),
        issuer=issuer,
        client_id=rules.client_id,
        nonce=nonce,
        now=now,
        algorithms=rules.algorithms,
        access_token=tokens.access_token,
    )


async def check_renewed_identity(connection: Connection, tokens: UpstreamTokens, now: float) -> Identity | None:
    """Who renewed tokens are about. A key that is not published yet is no refusal: providers' caches are not all of one age."""
    try:
        return await check_identity(connection, tokens, None, now)
    except UpstreamRefused as refusal:
        cause = refusal.__cause__
        if isinstance(cause, TokenRejected) and cause.reason is reasons.TOKEN_KEY_UNKNOWN:
            raise Unavailable(reasons.UPSTREAM_UNAVAILABLE, "the key of the renewed ID token is not published") from refusal
        raise


async def check_caller(connection: Connection, tokens: UpstreamTokens, subject: str | None) -> AccessToken | None:
    """What the verifier says of the access token; None for an opaque one that the ID token of `subject` vouches for."""
    text = tokens.id_token if connection.verifies_id_token else tokens.access_token
    if text is None:
        raise UpstreamMisconfigured(reasons.UPSTREAM_ANSWER, "verify_id_token is set, but the provider sent no ID token")
    caller, reason = await _verified(connection.verifier, text)
    if caller is not None:
        return caller
    if reason is reasons.TOKEN_OPAQUE and connection.accepts_opaque and subject is not None:
        return await _asked(connection.userinfo, tokens.access_token, subject)
    raise _refusal(reason, text)


async def _verified(verifier: TokenVerifier, token: str) -> tuple[AccessToken | None, Reason | None]:
    """What the verifier says, and why if that is no; one of somebody's own need not give a reason."""
    rejection.set(None)
    try:
        return await verifier.verify_token(token), rejection.get()
    except TokenRejected as error:
        return None, error.reason


def _refusal(reason: Reason | None, token: str) -> UpstreamRefused:
    """What becomes of a sign-in whose token was refused: whose matter it is."""
    if reason is reasons.SIGN_IN_REFUSED:
        return not_admitted(peek_claims(token) or {}, "the token verifier does not admit the account")
    if reason is reasons.SCOPE_MISSING:
        return UpstreamRefused(reasons.SCOPE_MISSING, "the provider did not grant every required scope")
    said = f"{reason.code}. {reason.remedy}" if reason else "the token verifier said no"
    return UpstreamMisconfigured(reasons.UPSTREAM_ANSWER, f"the provider's access token was refused: {said}")


async def _asked(userinfo: TokenVerifier | None, token: str, subject: str) -> AccessToken | None:
    """What userinfo says of an opaque token; it must be about the user of the ID token (OIDC Core §5.3.2)."""
    if userinfo is None:
        return None
    try:
        caller = await userinfo.check_token(token)
    except TokenRejected as error:
        raise UpstreamRefused(error.reason, error.detail) from error
    if caller.subject != subject:
        raise UpstreamRefused(reasons.UPSTREAM_ID_TOKEN, "userinfo is about another user than the ID token")
    return caller


async def _expected_issuer(rules: IDTokenRules, claims: Mapping[str, Any]) -> str | Collection[str]:
    if isinstance(rules.issuer, str):
        return rules.issuer
    try:
        return await rules.issuer(claims)
    except TokenRejected as error:
        if error.reason is reasons.SIGN_IN_REFUSED:
            raise not_admitted(claims, error.detail) from error
        raise UpstreamRefused(reasons.UPSTREAM_ID_TOKEN, error.detail) from error


def issuer_is_the_same(connection: Connection, issuer: str | None) -> None:
    """Mix-up (RFC 9207 §2.4): the answer must come from the provider that was asked."""
    if issuer is None and not connection.always_sends_issuer:
        return
    if connection.issuer is not None and issuer != connection.issuer:
        raise UpstreamRefused(reasons.UPSTREAM_ISSUER)


def claims_of(identity: Identity | None, caller: AccessToken | None) -> dict[str, Any]:
    """The ID token's claims, and over them those of the access token, which say what it is for."""
    of_identity = identity.claims if identity is not None else {}
    of_token = (caller.claims or {}) if caller is not None else {}
    return {**of_identity, **of_token}


def renewed_claims(
    grant: Grant, identity: Identity | None, caller: AccessToken | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """All claims, and those of the ID token, after a renewal: what is said anew replaces what was said before, silence included.

    Only what describes the person stays where a new ID token leaves it out (OIDC Core §5.1): providers shorten the ID tokens of
    renewals. A group or role that is gone must be gone.
    """
    of_identity = dict(grant.identity)
    if identity is not None:
        of_identity = {**{name: grant.identity[name] for name in _PROFILE if name in grant.identity}, **identity.claims}
    of_token = (caller.claims or {}) if caller is not None else _without(grant.claims, grant.identity)
    return {**of_identity, **of_token}, of_identity


def _without(claims: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in others or others[name] != value}


def subject_of(identity: Identity | None, caller: AccessToken | None) -> str:
    if identity is not None:
        return identity.subject
    if caller is None:
        return ""
    return str(getattr(caller, "subject", None) or (caller.claims or {}).get("sub") or "")
