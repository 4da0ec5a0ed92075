"""Clients' keys, and assertions signed with them (RFC 7523 §3)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey

from vestibule.keys import jwt

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Signer:
    """A client that signs.

    Args:
        key: its private key.
        importer: the key class of the JOSE library.
        algorithm: what it signs with.
        kid: the name of its key.
    """

    def __init__(self, key: Any, importer: Any, algorithm: str, kid: str = "k1") -> None:
        self.pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.algorithm, self.kid = algorithm, kid
        self.jwk = {**importer.import_key(key.public_key()).as_dict(private=False), "kid": kid, "use": "sig"}

    @property
    def jwks(self) -> dict[str, Any]:
        """What it publishes."""
        return {"keys": [self.jwk]}

    def sign(self, claims: dict[str, Any], **headers: object) -> str:
        """A JWT of these claims."""
        return jwt.sign(claims, self.pem, self.algorithm, {"kid": self.kid, **headers})

    def assertion(self, client_id: str, audience: str, now: float, *, typ: str = "JWT", **changes: object) -> dict[str, str]:
        """The form fields that authenticate `client_id` once; `changes` replace claims, None leaves one out."""
        moment = int(now)
        claims = {"iss": client_id, "sub": client_id, "aud": audience, "iat": moment, "exp": moment + 60, "jti": uuid4().hex}
        present = {name: value for name, value in (claims | changes).items() if value is not None}
        return {"client_assertion_type": JWT_BEARER, "client_assertion": self.sign(present, typ=typ)}


def ec_signer(kid: str = "k1") -> Signer:
    """One with a P-256 key of its own."""
    return Signer(ec.generate_private_key(ec.SECP256R1()), ECKey, "ES256", kid)


def rsa_signer(kid: str = "k1") -> Signer:
    """One with an RSA key of its own."""
    return Signer(rsa.generate_private_key(public_exponent=65537, key_size=2048), RSAKey, "RS256", kid)
