"""Client authentication at the token, revocation and introspection endpoints (RFC 6749 §2.3, OAuth 2.1 §2.4)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_plus

from vestibule import reasons
from vestibule.clients.assertions import ASSERTION_TYPE, AssertionCheck, ClientKeys, Spend, named_client
from vestibule.clients.directory import ClientDirectory
from vestibule.clients.model import Client
from vestibule.clients.throttle import FailureThrottle
from vestibule.clock import Clock
from vestibule.errors import OAuthError
from vestibule.protocol.parameters import Parameters
from vestibule.reasons import Reason

__all__ = ["ClientAuthenticator"]

_BASIC_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="token endpoint", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class _Basic:
    """The content of an ``Authorization: Basic`` header.

    Attributes:
        secrets: the password decoded as a form field (RFC 6749 §2.3.1), and as it stands: many clients do not encode it.
    """

    client_id: str
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Presented:
    """What a request says about who sends it."""

    method: str
    client_id: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    assertion: str = field(default="", repr=False)


class ClientAuthenticator:
    """Tells which client a request comes from, and makes sure of it.

    Args:
        directory: where clients are found.
        issuer: this server's issuer identifier, the audience of assertions.
        token_endpoint: its URL, which older clients put there instead.
        spend: claims the ``jti`` of an assertion once, for all processes.
        keys: finds the keys of clients that sign.
        clock: the time.
    """

    def __init__(
        self, directory: ClientDirectory, *, issuer: str, token_endpoint: str, spend: Spend, keys: ClientKeys, clock: Clock
    ) -> None:
        self._directory = directory
        self._assertions = AssertionCheck(audiences=(issuer, token_endpoint), spend=spend, keys=keys, clock=clock)
        self._throttle = FailureThrottle(clock)

    async def authenticate(
        self, parameters: Parameters, authorization_headers: Sequence[bytes], *, leads_nowhere: bool = False
    ) -> Client:
        """The client that sent a request.

        Args:
            parameters: of the form body.
            authorization_headers: the values of all ``Authorization`` headers.
            leads_nowhere: whether the request can change and tell nothing, whoever sent it. Its assertion is checked and not spent:
                anybody can register keys and sign, and a store must not fill up with what anybody sends.

        Raises:
            OAuthError: ``invalid_request`` for more than one way of authentication; ``invalid_client`` with status 401 for
                anything that does not authenticate (with a Basic challenge if Basic was tried, RFC 6749 §5.2) and 429 for too many
                wrong secrets.
            Unavailable: a document, keys or the store cannot be reached.
        """
        basic = _read_basic(authorization_headers)
        try:
            presented = _read(parameters, basic)
            client = await self._directory.find(presented.client_id)
            await self._check(client, presented, leads_nowhere)
        except OAuthError as error:
            if basic is not None and error.status == 401:
                raise _basic_failed(error.detail, error.reason) from error
            raise
        return client

    async def _check(self, client: Client, presented: _Presented, leads_nowhere: bool) -> None:
        if not client.accepts(presented.method):
            raise _failed(f"{client.short_id} is registered for {client.auth_method}, not {presented.method}")
        if presented.method == "private_key_jwt":
            await self._assertions.check(client, presented.assertion, spend=not leads_nowhere)
        elif client.secret is not None:
            self._check_secret(client, presented.secrets)

    def _check_secret(self, client: Client, secrets: tuple[str, ...]) -> None:
        if not client.secret or not any(client.secret.fits(secret) for secret in secrets):
            self._throttle.count_failure(client.client_id)
            raise _failed(f"{client.short_id} sent a wrong secret")


def _read(parameters: Parameters, basic: _Basic | None) -> _Presented:
    secret = parameters.get("client_secret")
    assertion = _read_assertion(parameters)
    ways = {
        "client_secret_basic": bool(basic and basic.secrets),
        "client_secret_post": secret is not None,
        "private_key_jwt": assertion is not None,
    }
    used = [method for method, is_used in ways.items() if is_used]
    if len(used) > 1:
        raise OAuthError("invalid_request", reasons.CLIENT_AUTHENTICATION_TWICE, " and ".join(used))
    return _Presented(
        method=used[0] if used else "none",
        client_id=_one_client_id(parameters, basic, assertion),
        secrets=basic.secrets if basic and basic.secrets else (secret,) if secret else (),
        assertion=assertion or "",
    )


def _one_client_id(parameters: Parameters, basic: _Basic | None, assertion: str | None) -> str:
    """Who the request says it is from. It may say so in several places, but only one thing."""
    named = {
        parameters.get("client_id"),
        basic.client_id if basic else None,
        named_client(assertion) if assertion else None,
    } - {None}
    if len(named) != 1:
        raise _failed("two different client ids" if named else "no client id")
    return str(named.pop())


def _read_assertion(parameters: Parameters) -> str | None:
    assertion, kind = parameters.get("client_assertion"), parameters.get("client_assertion_type")
    if assertion is None and kind is None:
        return None
    if assertion is None or kind != ASSERTION_TYPE:
        raise _failed("client_assertion and client_assertion_type do not fit together")
    return assertion


def _read_basic(headers: Sequence[bytes]) -> _Basic | None:
    """Basic credentials, if there are any. Other schemes do not authenticate clients and count as none."""
    if len(headers) > 1:
        raise OAuthError("invalid_request", reasons.CLIENT_AUTHENTICATION_TWICE, "more than one Authorization header")
    scheme, _, credentials = headers[0].partition(b" ") if headers else (b"", b"", b"")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
        client_id, secret = unquote_plus(user, errors="strict"), unquote_plus(password, errors="strict")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _basic_failed("the Basic credentials cannot be read") from error
    if not client_id or not colon:
        raise _basic_failed("the Basic credentials are incomplete")
    return _Basic(client_id, tuple({secret, password} - {""}))


def _basic_failed(detail: str, reason: Reason = reasons.CLIENT_AUTHENTICATION) -> OAuthError:
    return OAuthError("invalid_client", reason, detail, status=401, headers=_BASIC_CHALLENGE)


def _failed(detail: str) -> OAuthError:
    return OAuthError("invalid_client", reasons.CLIENT_AUTHENTICATION, detail, status=401)
