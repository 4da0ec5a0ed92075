"""An RSA key pair to try out and to test with."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from vestibule.keys.jwt import sign

__all__ = ["RSAKeyPair"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RSAKeyPair:
    """Stands in for an identity provider's signing key.

    Attributes:
        private_key: PEM.
        public_key: PEM, for :class:`~vestibule.verifiers.jwt.JWTVerifier`.
    """

    private_key: str = field(repr=False)
    public_key: str

    @classmethod
    def generate(cls) -> RSAKeyPair:
        """A new pair of 2048 bits."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return cls(private_key=private_pem.decode("ascii"), public_key=public_pem.decode("ascii"))

    def create_token(
        self,
        subject: str = "user",
        issuer: str = "https://issuer.example",
        audience: str | Sequence[str] | None = None,
        scopes: Sequence[str] | None = None,
        expires_in_seconds: int = 3600,
        additional_claims: Mapping[str, Any] | None = None,
        kid: str | None = None,
    ) -> str:
        """A JWT signed with RS256.

        Args:
            subject: ``sub``.
            issuer: ``iss``.
            audience: ``aud``, one or several; None leaves it out.
            scopes: ``scope``; None or empty leaves it out.
            expires_in_seconds: life from now on; negative for a token that is over.
            additional_claims: further claims, which replace the ones above.
            kid: key id header.
        """
        now = int(time.time())
        claims: dict[str, Any] = {"sub": subject, "iss": issuer, "iat": now, "exp": now + expires_in_seconds}
        if audience:
            claims["aud"] = audience if isinstance(audience, str) else list(audience)
        if scopes:
            claims["scope"] = " ".join(scopes)
        return sign(claims | dict(additional_claims or {}), self.private_key, "RS256", {"kid": kid} if kid else None)
