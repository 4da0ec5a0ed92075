"""Which application a token was issued to, in the ways that providers tell it.

A provider's tokens are alike for all of its applications: what tells ours from others is a claim of the token, or an answer about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vestibule import reasons
from vestibule.errors import TokenRejected, Unavailable
from vestibule.net.trusted import TrustedClient
from vestibule.verifiers.answers import credentials_refused, read_answer
from vestibule.verifiers.jwt import JWTVerifier
from vestibule.verifiers.userinfo import CheckApplication

__all__ = ["ApplicationJWTVerifier", "by_introspection", "check_application", "check_kind"]


class ApplicationJWTVerifier(JWTVerifier):
    """Accepts JWTs that were issued to one application, whomever they are for.

    Args:
        client_id: the application.
        client_claim: the claim that names it.
        kind: a claim that tells access tokens from other tokens, and its value; None where the type header tells.
        arguments: those of :class:`~vestibule.verifiers.jwt.JWTVerifier`.

    Raises:
        ConfigurationError: as :class:`~vestibule.verifiers.jwt.JWTVerifier`.
    """

    def __init__(self, *, client_id: str, client_claim: str, kind: tuple[str, str] | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._client_id = client_id
        self._client_claim = client_claim
        self._kind = kind

    def check_claims(self, claims: Mapping[str, Any]) -> None:
        if self._kind is not None:
            check_kind(claims, self._kind)
        check_application(claims.get(self._client_claim), self._client_id)


def check_kind(claims: Mapping[str, Any], kind: tuple[str, str]) -> None:
    """Check the claim that tells access tokens from other tokens of the same keys.

    Raises:
        TokenRejected: it is another kind of token.
    """
    name, value = kind
    if claims.get(name) != value:
        raise TokenRejected(reasons.TOKEN_TYPE, f"{name} is not {value}")


def check_application(named: object, client_id: str) -> None:
    """Check that it is our application that a token names.

    Raises:
        TokenRejected: it is another one, or none.
    """
    if named != client_id:
        raise TokenRejected(reasons.TOKEN_AUDIENCE, "issued to another application of the same provider")


def by_introspection(url: str, client_id: str, client_secret: str | None, *, in_body: bool = False) -> CheckApplication:
    """Ask the introspection endpoint (RFC 7662), for providers that answer any of their clients about any token.

    Args:
        url: the endpoint.
        client_id, client_secret: ours, which the token must have been issued to. No secret: a public client.
        in_body: send both as form parameters, for providers that read no ``Authorization`` header here.
    """

    async def ask(http: TrustedClient, token: str) -> dict[str, Any]:
        form = {"token": token, "token_type_hint": "access_token"}
        if client_secret is None or in_body:
            secret = {} if client_secret is None else {"client_secret": client_secret}
            result = await http.post_form(url, form | {"client_id": client_id} | secret)
        else:
            result = await http.post_form(url, form, auth=(client_id, client_secret))
        if result.status in (401, 403):
            raise credentials_refused(f"introspection: status {result.status}")
        return _checked(read_answer(result), client_id)

    return ask


def _checked(answer: Mapping[str, Any], client_id: str) -> dict[str, Any]:
    if answer.get("active") is False:
        raise TokenRejected(reasons.TOKEN_INACTIVE)
    if answer.get("active") is not True:  # required, and a boolean (RFC 7662 §2.2)
        raise Unavailable(reasons.UPSTREAM_ANSWER, "introspection: active is neither true nor false")
    check_application(answer.get("client_id") or answer.get("aud"), client_id)
    return {name: answer[name] for name in ("client_id", "scope", "exp", "iss", "aud") if name in answer}
