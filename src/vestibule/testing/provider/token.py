"""The development provider's endpoints for tokens: token, userinfo, introspection and revocation."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.bearer import challenge, read_bearer
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.pkce import verifier_fits
from vestibule.protocol.scopes import format_scope, parse_scope
from vestibule.testing.provider.clients import authenticate
from vestibule.testing.provider.model import Authorization, ProviderClient
from vestibule.testing.provider.world import World, fault_error

__all__ = ["introspect", "revoke", "token", "userinfo"]

_ID_TOKEN_SECONDS = 600
_NO_STORE = {"cache-control": "no-store"}


async def token(world: World, request: Request, parameters: Parameters) -> Response:
    """Code and refresh token grants (RFC 6749 §4.1.3, §6)."""
    error = fault_error(world, "token")
    if error is not None:
        raise error
    client = authenticate(world, request, parameters)
    match parameters.require("grant_type"):
        case "authorization_code":
            answer = _exchange(world, client, parameters)
        case "refresh_token":
            answer = _refresh(world, client, parameters)
        case _:
            raise OAuthError("unsupported_grant_type", reasons.GRANT_TYPE_UNSUPPORTED)
    return JSONResponse(answer, headers=_NO_STORE)


async def userinfo(world: World, request: Request, parameters: Parameters) -> Response:
    """Who the access token is about (OIDC Core §5.3)."""
    headers = [value for name, value in request.headers.raw if name == b"authorization"]
    presented = read_bearer(headers)
    found = world.memory.find_access_token(presented or "", world.clock.now())
    if found is None or world.faults.is_disabled(found[0].user):
        refusal = {"www-authenticate": challenge(error="invalid_token" if presented else None)}
        raise OAuthError("invalid_token", reasons.TOKEN_NOT_ACCEPTED, status=401, headers=refusal)
    return JSONResponse(world.claims_of(found[0].user), headers=_NO_STORE)


async def introspect(world: World, request: Request, parameters: Parameters) -> Response:
    """Whether an access token still holds (RFC 7662 §2)."""
    error = fault_error(world, "introspect")
    if error is not None:
        raise error
    authenticate(world, request, parameters)
    found = world.memory.find_access_token(parameters.require("token"), world.clock.now())
    if found is None or world.faults.is_disabled(found[0].user):
        return JSONResponse({"active": False}, headers=_NO_STORE)
    authorization, expires_at = found
    answer = {
        "active": True,
        "iss": world.base_url,
        "sub": world.claims_of(authorization.user)["sub"],
        "username": authorization.user,
        "aud": authorization.audience,
        "client_id": authorization.client_id,
        "scope": format_scope(authorization.scopes),
        "token_type": "Bearer",
        "exp": int(expires_at),
    }
    return JSONResponse(answer, headers=_NO_STORE)


async def revoke(world: World, request: Request, parameters: Parameters) -> Response:
    """End a token; one that is not known is as good as ended (RFC 7009 §2.2)."""
    error = fault_error(world, "revoke")
    if error is not None:
        raise error
    client = authenticate(world, request, parameters)
    world.memory.revoke(parameters.require("token"), client.client_id)
    return Response(status_code=200, headers=_NO_STORE)


def _exchange(world: World, client: ProviderClient, parameters: Parameters) -> dict[str, Any]:
    authorization = world.memory.spend_code(parameters.require("code"), world.clock.now())
    if authorization is None or authorization.client_id != client.client_id:
        raise _invalid_grant("the code is unknown, spent or expired")
    if parameters.get("redirect_uri") != authorization.redirect_uri:
        raise _invalid_grant("redirect_uri is another one")
    _check_verifier(authorization.challenge, parameters.get("code_verifier"))
    _check_target(authorization, parameters)
    return _answer(world, authorization, authorization.scopes, replaces=None)


def _check_verifier(expected: str | None, verifier: str | None) -> None:
    """RFC 7636 §4.6; a verifier without a challenge is a sign of a downgrade (RFC 9700 §4.8.2)."""
    if expected is None and verifier is None:
        return
    if expected is None or verifier is None or not verifier_fits(verifier, expected):
        raise _invalid_grant("code_verifier does not fit")


def _check_target(authorization: Authorization, parameters: Parameters) -> None:
    if (parameters.get("resource") or authorization.audience) != authorization.audience:
        raise OAuthError("invalid_target", reasons.RESOURCE_INVALID, "resource is not the one of the authorization request")


def _refresh(world: World, client: ProviderClient, parameters: Parameters) -> dict[str, Any]:
    presented = parameters.require("refresh_token")
    authorization = world.memory.find_refresh_token(presented)
    if authorization is None or authorization.client_id != client.client_id:
        raise _invalid_grant("the refresh token is unknown, spent or revoked")
    if world.faults.is_disabled(authorization.user):
        raise _invalid_grant("the account is disabled")
    scopes = parse_scope(parameters.get("scope")) or authorization.scopes
    if not set(scopes) <= set(authorization.scopes):
        raise OAuthError("invalid_scope", reasons.SCOPE_WIDENED, "more than was granted")
    _check_target(authorization, parameters)
    return _answer(world, authorization, scopes, replaces=presented)


def _answer(world: World, authorization: Authorization, scopes: tuple[str, ...], replaces: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "access_token": _access_token(world, authorization, scopes),
        "token_type": "Bearer",
        "expires_in": world.access_token_seconds,
        "scope": format_scope(scopes),
    }
    if world.refresh_tokens and not world.faults.take("no_refresh_token", "token"):
        answer["refresh_token"] = world.memory.new_refresh_token(authorization)
        if replaces is not None:
            world.memory.spend_refresh_token(replaces)
    if "openid" in scopes and not world.faults.take("no_id_token", "token"):
        answer["id_token"] = _id_token(world, authorization, is_refresh=replaces is not None)
    return answer


def _access_token(world: World, authorization: Authorization, scopes: tuple[str, ...]) -> str:
    now = world.clock.now()
    expires_at = now + world.access_token_seconds
    claims = {
        "iss": world.base_url,
        "sub": world.claims_of(authorization.user)["sub"],
        "aud": authorization.audience,
        "client_id": authorization.client_id,
        "scope": format_scope(scopes),
        "iat": int(now),
        "exp": int(expires_at),
        "jti": secrets.token_hex(8),
    }
    issued = world.keys.sign(claims, "at+jwt") if world.gives_jwts else secrets.token_urlsafe(32)
    world.memory.add_access_token(issued, authorization, scopes, expires_at)
    return issued


def _id_token(world: World, authorization: Authorization, *, is_refresh: bool) -> str:
    now = int(world.clock.now())
    claims = {
        **world.claims_of(authorization.user),
        "iss": world.base_url,
        "aud": authorization.client_id,
        "iat": now,
        "exp": now + _ID_TOKEN_SECONDS,
        "auth_time": int(authorization.signed_in_at),
        "nonce": None if is_refresh else authorization.nonce,  # OIDC Core §12.2
        **(world.faults.take("id_token_claims", "token") or {}),
    }
    present = {name: value for name, value in claims.items() if value is not None}
    return world.keys.sign(present, "JWT", with_withdrawn=bool(world.faults.take("expired_key", "token")))


def _invalid_grant(detail: str) -> OAuthError:
    return OAuthError("invalid_grant", reasons.CODE_INVALID, detail)
