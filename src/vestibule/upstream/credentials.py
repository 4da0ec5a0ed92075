"""How this server proves to the identity provider who it is (RFC 6749 §2.3, RFC 7523 §2.2)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self, cast, get_args

from vestibule.clock import Clock
from vestibule.errors import ConfigurationError
from vestibule.keys import jwt

__all__ = ["AuthMethod", "ClientCredentials", "PrivateKey"]

AuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
PrivateKey = str | bytes | Mapping[str, object]

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 60
_USUAL_ALGORITHMS: Final = ("RS256", "ES256", "ES384", "ES512", "EdDSA")


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """This server's client id at the provider, and what proves it.

    Attributes:
        client_id: given by the provider.
        method: one of the registered names of RFC 7591 §2.
        secret: for the two secret methods.
        private_key: PEM or JWK, for ``private_key_jwt``.
        algorithm: what the private key signs with.
        audience: whom assertions are for, the token endpoint (RFC 7523 §3).
    """

    client_id: str
    method: AuthMethod
    secret: str = field(default="", repr=False)
    private_key: PrivateKey = field(default="", repr=False)
    algorithm: str = ""
    audience: str = ""

    @classmethod
    def choose(
        cls, *, client_id: str, secret: str | None, private_key: PrivateKey | None, method: str | None, audience: str
    ) -> Self:
        """The credentials for what the operator gave; without a method the one that fits what is there.

        Raises:
            ConfigurationError: the method is unknown, or what it needs is missing or unusable.
        """
        chosen = _check_method(method) if method else _usual_method(secret, private_key)
        _check_material(chosen, secret, private_key)
        with_key = chosen == "private_key_jwt" and private_key is not None
        return cls(
            client_id=client_id,
            method=chosen,
            secret=secret or "",
            private_key=private_key or "",
            algorithm=_algorithm_of(private_key) if with_key and private_key else "",
            audience=audience,
        )

    def basic(self) -> tuple[str, str] | None:
        """Id and secret for HTTP Basic, or None."""
        return (self.client_id, self.secret) if self.method == "client_secret_basic" else None

    def parameters(self, clock: Clock) -> dict[str, str]:
        """Form parameters to send."""
        match self.method:
            case "client_secret_basic":
                return {}
            case "client_secret_post":
                return {"client_id": self.client_id, "client_secret": self.secret}
            case "private_key_jwt":
                assertion = self._assertion(clock.now())
                return {"client_id": self.client_id, "client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}
            case "none":
                return {"client_id": self.client_id}

    def _assertion(self, now: float) -> str:
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": int(now),
            "exp": int(now) + _ASSERTION_SECONDS,
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.sign(claims, self.private_key, self.algorithm, _key_id(self.private_key))


def _check_method(method: str) -> AuthMethod:
    if method not in get_args(AuthMethod):
        raise ConfigurationError(
            f"token_endpoint_auth_method must be one of {', '.join(get_args(AuthMethod))}; not {method!r}."
        )
    return cast("AuthMethod", method)


def _usual_method(secret: str | None, private_key: PrivateKey | None) -> AuthMethod:
    if secret:
        return "client_secret_basic"
    return "private_key_jwt" if private_key else "none"


def _check_material(method: AuthMethod, secret: str | None, private_key: PrivateKey | None) -> None:
    if method.startswith("client_secret") and not secret:
        raise ConfigurationError(f"token_endpoint_auth_method {method} needs a client secret.")
    if method == "private_key_jwt" and not private_key:
        raise ConfigurationError("token_endpoint_auth_method private_key_jwt needs a private key.")


def _algorithm_of(private_key: PrivateKey) -> str:
    """The algorithm that a JWK names, else the usual one of its kind of key. Signing once shows at start that the key is good."""
    named = private_key.get("alg") if isinstance(private_key, Mapping) else None
    for algorithm in (str(named),) if named else _USUAL_ALGORITHMS:
        try:
            jwt.sign({}, private_key, algorithm)
        except ConfigurationError:
            continue
        return algorithm
    raise ConfigurationError("The private key for private_key_jwt is neither a PEM nor a JWK that can be used.")


def _key_id(private_key: PrivateKey) -> dict[str, str]:
    kid = private_key.get("kid") if isinstance(private_key, Mapping) else None
    return {"kid": kid} if isinstance(kid, str) else {}
