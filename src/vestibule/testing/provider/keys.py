"""The development provider's signing keys."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from vestibule.keys import base64url, jwt

__all__ = ["Algorithm", "SigningKeys"]

Algorithm = Literal["RS256", "ES256"]


@dataclass(frozen=True, slots=True)
class _SigningKey:
    pem: bytes = field(repr=False)
    jwk: dict[str, str]

    @classmethod
    def generate(cls, algorithm: Algorithm) -> _SigningKey:
        key = rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        members = {"use": "sig", "alg": algorithm, "kid": secrets.token_hex(8)}
        return cls(pem, {**_public_members(key), **members})


class SigningKeys:
    """Signs with the newest key, publishes those that are not withdrawn.

    Attributes:
        algorithm: of all of them.
    """

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm: Algorithm = algorithm
        self._current = _SigningKey.generate(algorithm)
        self._withdrawn: _SigningKey | None = None
        self._published = [self._current]

    def jwks(self) -> dict[str, Any]:
        """The public halves (RFC 7517 §5)."""
        return {"keys": [key.jwk for key in self._published]}

    def rotate(self, keep_old: bool) -> None:
        """Sign with a new key."""
        self._current = _SigningKey.generate(self.algorithm)
        self._published = [self._current, *self._published] if keep_old else [self._current]

    def sign(self, claims: Mapping[str, Any], kind: str, *, with_withdrawn: bool = False) -> str:
        """A JWT whose ``typ`` is `kind`, on order with a key that nobody can find."""
        if with_withdrawn and self._withdrawn is None:
            self._withdrawn = _SigningKey.generate(self.algorithm)
        key = self._withdrawn if with_withdrawn and self._withdrawn else self._current
        return jwt.sign(claims, key.pem, self.algorithm, {"typ": kind, "kid": key.jwk["kid"]})


def _public_members(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, str]:
    if isinstance(key, rsa.RSAPrivateKey):
        rsa_numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "n": _number(rsa_numbers.n, 256), "e": _number(rsa_numbers.e, 3)}
    ec_numbers = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": _number(ec_numbers.x, 32), "y": _number(ec_numbers.y, 32)}


def _number(value: int, length: int) -> str:
    return base64url.encode(value.to_bytes(length))
