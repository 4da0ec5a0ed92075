"""How the development provider authenticates its clients (RFC 6749 §2.3, RFC 7523 §3)."""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import unquote_plus

from starlette.requests import Request

from vestibule import reasons
from vestibule.errors import OAuthError, TokenRejected
from vestibule.keys import jwt
from vestibule.protocol.parameters import Parameters
from vestibule.testing.provider.model import ProviderClient
from vestibule.testing.provider.world import World

__all__ = ["authenticate"]


def authenticate(world: World, request: Request, parameters: Parameters) -> ProviderClient:
    """The client that a request comes from.

    Raises:
        OAuthError: ``invalid_client``.
    """
    client_id, secret = _read_basic(request) or (parameters.get("client_id"), parameters.get("client_secret"))
    client = world.clients.get(client_id or "")
    if client is None:
        raise _refused("unknown client_id")
    if client.public_key is not None:
        _check_assertion(world, client, client.public_key, parameters.get("client_assertion") or "")
    elif client.client_secret is not None:
        _check_secret(client.client_secret, secret or "")
    elif secret:
        raise _refused("a public client has no secret")
    return client


def _read_basic(request: Request) -> tuple[str, str] | None:
    """Id and secret, form-encoded each before they were joined (RFC 6749 §2.3.1)."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(credentials, validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        raise _refused("the Authorization header cannot be read") from None
    return unquote_plus(client_id), unquote_plus(secret)


def _check_secret(expected: str, given: str) -> None:
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise _refused("the client secret is wrong")


def _check_assertion(world: World, client: ProviderClient, public_key: bytes, assertion: str) -> None:
    keys = jwt.JWTKeySet.from_pem(public_key)
    try:
        _, claims = jwt.decode(assertion, keys, algorithms=jwt.ASYMMETRIC_ALGORITHMS)
        jwt.check_issuer(claims, client.client_id)
        jwt.check_audience(claims, [world.url("/token"), world.base_url])
        jwt.check_times(claims, world.clock.now(), leeway=5)
    except TokenRejected as rejection:
        raise _refused(f"the assertion is not good: {rejection.reason.code}") from rejection
    if claims.get("sub") != client.client_id:
        raise _refused("the assertion is about another client")
    identifier = claims.get("jti")
    if not isinstance(identifier, str) or identifier in world.memory.assertions:
        raise _refused("the assertion has no jti, or was used before")
    world.memory.assertions.add(identifier)


def _refused(detail: str) -> OAuthError:
    headers = {"www-authenticate": "Basic"}
    return OAuthError("invalid_client", reasons.CLIENT_AUTHENTICATION, detail, status=401, headers=headers)
