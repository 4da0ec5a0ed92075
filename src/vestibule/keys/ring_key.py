"""One key of the ring: a secret, and everything that is derived from it.

HKDF with SHA-256 (RFC 5869) turns the secret into as many independent keys as there are purposes, so that what was made for one
purpose never passes for another.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vestibule.keys import base64url
from vestibule.keys.cipher import Cipher

__all__ = ["KEY_ID_BYTES", "REGISTRATION_PURPOSES", "RingKey", "SigningKey"]

KEY_ID_BYTES: Final = 4

REGISTRATION_PURPOSES: Final = frozenset({"client-id", "client-secret"})
"""What a retired key still serves: clients keep their ids for ever, and nobody shall have to register again."""

_SALT: Final = b"vestibule key ring 1"


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class SigningKey:
    """A P-256 key for ES256 (RFC 7518 §3.4).

    Attributes:
        kid: its RFC 7638 thumbprint.
        private_key: the key itself.
    """

    kid: str
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    def public_jwk(self) -> dict[str, str]:
        """The public half as a JWK (RFC 7517)."""
        return {**_public_members(self.private_key), "kid": self.kid, "use": "sig", "alg": "ES256"}


class RingKey:
    """A secret with its place in time. It never changes; what is derived from it is kept with it and goes with it.

    Args:
        secret: the bytes that everything follows from.
        created_at: seconds since the epoch; None where nobody wrote it down.
        active_from: from when it signs and seals; it verifies and opens before that.
        only_registrations: whether it is retired, see :data:`REGISTRATION_PURPOSES`.
    """

    def __init__(
        self, secret: bytes, *, created_at: float | None = None, active_from: float = 0, only_registrations: bool = False
    ) -> None:
        self.secret = secret
        self.created_at = created_at
        self.active_from = active_from
        self.only_registrations = only_registrations
        self._derived: dict[str, bytes] = {}
        self._ciphers: dict[str, Cipher] = {}

    def __repr__(self) -> str:
        return f"<RingKey {self.id}>"

    @cached_property
    def key_id(self) -> bytes:
        """Public name of the key, in front of everything that it seals."""
        return self.derive("sealing key id")[:KEY_ID_BYTES]

    @property
    def id(self) -> str:
        """The same for people: 8 hexadecimal digits."""
        return self.key_id.hex()

    @cached_property
    def signing_key(self) -> SigningKey:
        """The key that signs access tokens."""
        # 16 bytes more than the order has, then reduced: the bias is below 2^-128 (FIPS 186-5 A.2.1).
        curve = ec.SECP256R1()
        number = int.from_bytes(self._hkdf("signing", 48), "big") % (curve.group_order - 1) + 1
        private_key = ec.derive_private_key(number, curve)
        return SigningKey(_thumbprint(_public_members(private_key)), private_key)

    def serves(self, purpose: str) -> bool:
        """Whether what it made for the purpose still counts."""
        return not self.only_registrations or purpose in REGISTRATION_PURPOSES

    def derive(self, purpose: str) -> bytes:
        """The 32-byte key of a purpose."""
        key = self._derived.get(purpose)
        if key is None:
            key = self._derived[purpose] = self._hkdf(purpose, 32)
        return key

    def mac(self, purpose: str, data: bytes) -> bytes:
        """HMAC-SHA256 of `data`, 32 bytes, with the key of the purpose."""
        return hmac.digest(self.derive(purpose), data, "sha256")

    def cipher(self, purpose: str) -> Cipher:
        """What seals and opens for a purpose."""
        cipher = self._ciphers.get(purpose)
        if cipher is None:
            cipher = self._ciphers[purpose] = Cipher(self.derive(f"sealing {purpose}"))
        return cipher

    def _hkdf(self, purpose: str, length: int) -> bytes:
        return HKDF(hashes.SHA256(), length, _SALT, purpose.encode()).derive(self.secret)


def _public_members(private_key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    point = private_key.public_key().public_numbers()
    x, y = (base64url.encode(coordinate.to_bytes(32, "big")) for coordinate in (point.x, point.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def _thumbprint(members: dict[str, str]) -> str:
    """RFC 7638 §3: the required members in lexical order, without whitespace."""
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return base64url.encode(hashlib.sha256(canonical.encode()).digest())
