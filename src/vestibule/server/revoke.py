"""``POST /revoke`` (RFC 7009) and ``POST /introspect`` (RFC 7662)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.clients.model import Client
from vestibule.errors import OAuthError, TokenRejected
from vestibule.grants.access import AccessClaims
from vestibule.grants.data_key import DataKey
from vestibule.grants.model import Grant
from vestibule.grants.refresh import presented_key
from vestibule.grants.tokens import RefreshToken
from vestibule.protocol.scopes import format_scope
from vestibule.server.hall import Hall
from vestibule.server.http import NO_STORE, authorization_headers, cors, json_endpoint, json_response, read_form
from vestibule.server.route import EndpointRoute

__all__ = ["routes"]


def routes(hall: Hall) -> list[BaseRoute]:
    """The revocation and the introspection endpoint."""

    async def revoke(request: Request) -> Response:
        """Ends the whole session, whichever of its tokens is sent; an unknown one is no error (RFC 7009 §2.2)."""
        client, token = await _authenticated(hall, request)
        found = await _find(hall, client, token)
        if found is not None:
            await hall.end_grant(found.grant.id, found.key)
        return Response(status_code=200, headers=NO_STORE)

    async def introspect(request: Request) -> Response:
        """Only the client that a token was issued to learns anything about it (RFC 7662 §4)."""
        client, token = await _authenticated(hall, request)
        _can_prove_itself(client)
        found = await _find(hall, client, token)
        return json_response(_description(hall, found), headers=NO_STORE)

    return [
        EndpointRoute("/revoke", cors(json_endpoint(revoke), "POST"), methods=["POST", "OPTIONS"]),
        EndpointRoute("/introspect", cors(json_endpoint(introspect), "POST"), methods=["POST", "OPTIONS"]),
    ]


async def _authenticated(hall: Hall, request: Request) -> tuple[Client, str]:
    form = await read_form(request)
    form.check_no_repeats()
    token = form.get("token")
    foreign = token is None or (_access_claims(hall, token) is None and RefreshToken.read(hall.keyring, token) is None)
    client = await hall.authenticator.authenticate(form, authorization_headers(request), leads_nowhere=foreign)
    return client, form.require("token")


def _can_prove_itself(client: Client) -> None:
    """RFC 7662 §2.1: a client id alone is no authentication."""
    if client.metadata.token_endpoint_auth_method == "none":  # noqa: S105 the name of a method
        raise OAuthError("invalid_client", reasons.CLIENT_AUTHENTICATION, "a public client cannot introspect", status=401)


@dataclass(frozen=True, slots=True)
class _Found:
    """A token of a living grant: an access token with claims, or a refresh token."""

    grant: Grant
    claims: AccessClaims | None = None
    refresh: RefreshToken | None = None

    @property
    def is_active(self) -> bool:
        """Whether it could still be used; a refresh token that was rotated away can only be revoked."""
        rotation = self.grant.rotation
        return self.claims is not None or (
            self.refresh is not None and rotation is not None and self.refresh.digest == rotation.digest
        )

    @property
    def key(self) -> DataKey | None:
        """The grant's data key, if it has one and the token opens it."""
        if self.claims is not None:
            return self.claims.data_key
        return presented_key(self.grant, self.refresh) if self.refresh is not None else None


async def _find(hall: Hall, client: Client, token: str) -> _Found | None:
    """The living grant of a token of this client."""
    claims = _access_claims(hall, token)
    refresh = None if claims else RefreshToken.read(hall.keyring, token)
    grant_id = claims.grant_id if claims else refresh.grant_id if refresh else None
    grant = await hall.grants.load(grant_id) if grant_id else None
    if grant is None or not grant.is_alive(hall.clock.now()) or grant.client_id != client.client_id:
        return None
    return _Found(grant, claims, refresh)


def _access_claims(hall: Hall, token: str) -> AccessClaims | None:
    try:
        return hall.access_tokens.read(token)
    except TokenRejected:
        return None


def _description(hall: Hall, found: _Found | None) -> dict[str, Any]:
    """RFC 7662 §2.2; nothing but ``active`` about a token that is not."""
    if found is None or not found.is_active:
        return {"active": False}
    grant, claims = found.grant, found.claims
    shared = {"active": True, "iss": hall.issuer, "sub": grant.subject, "client_id": grant.client_id, "aud": grant.resource}
    if claims is None:
        return shared | {"scope": format_scope(grant.scopes), "exp": int(grant.expires_at), "token_type": "refresh_token"}
    return shared | {"scope": format_scope(claims.scopes), "exp": claims.expires_at, "jti": claims.jti, "token_type": "Bearer"}
