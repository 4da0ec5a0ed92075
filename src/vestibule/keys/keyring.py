"""The key ring: every key of this server, derived from the operator's secrets, one per purpose.

HKDF with SHA-256 (RFC 5869) turns each secret into as many independent keys as there are purposes, so that what was made for
one purpose never passes for another. The first secret signs and seals; all of them verify and open. Rotation is: put a new
secret first, drop the old one when nothing made with it matters any more.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from stat import S_IMODE
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vestibule.errors import ConfigurationError
from vestibule.keys import base64url
from vestibule.keys.private_files import create_private_file
from vestibule.protocol.uris import parse_uri

__all__ = ["KeyRing", "SigningKey", "check_secret_strength", "load_or_create_key"]

_log = logging.getLogger("vestibule.keys")

_SALT = b"vestibule key ring 1"
_MINIMUM_TAG = 16
_STRONG_BYTES = 32
_PLACEHOLDERS = ("changeme", "changethis", "replaceme", "replacethis", "placeholder", "yoursecret", "yoursigningkey", "yourjwt")


@dataclass(frozen=True, slots=True)
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


class KeyRing:
    """Keys for every purpose, from one or more secrets."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets or not all(secrets):
            raise ConfigurationError("jwt_signing_key must hold at least one secret, and none of them may be empty.")
        self._secrets = tuple(dict.fromkeys(secrets))
        self._derived: dict[tuple[str, int], bytes] = {}

    @classmethod
    def from_secrets(cls, secrets: str | bytes | Sequence[str | bytes]) -> KeyRing:
        """A ring of one secret or several, the current one first.

        Raises:
            ConfigurationError: there is none, or one is empty.
        """
        listed = [secrets] if isinstance(secrets, str | bytes) else list(secrets)
        return cls([secret.encode() if isinstance(secret, str) else secret for secret in listed])

    def __len__(self) -> int:
        return len(self._secrets)

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self)}>"

    def derive(self, purpose: str, index: int = 0) -> bytes:
        """The 32-byte key of a purpose, from the secret at `index` (0: the current one).

        Raises:
            IndexError: there is no such secret.
        """
        key = self._derived.get((purpose, index))
        if key is None:
            key = self._derived[purpose, index] = _hkdf(self._secrets[index], purpose, 32)
        return key

    def keys_for(self, purpose: str) -> tuple[bytes, ...]:
        """The keys of a purpose, the current one first."""
        return tuple(self.derive(purpose, index) for index in range(len(self)))

    def mac(self, purpose: str, data: bytes, index: int = 0) -> bytes:
        """HMAC-SHA256 of `data`, 32 bytes, with the key of the purpose."""
        return hmac.digest(self.derive(purpose, index), data, "sha256")

    def mac_fits(self, purpose: str, data: bytes, tag: bytes) -> bool:
        """Whether any key of the ring made this tag. A tag may be cut to its first 16 bytes or more (RFC 2104 §5)."""
        if not _MINIMUM_TAG <= len(tag) <= hashlib.sha256().digest_size:
            return False
        expected = (self.mac(purpose, data, index)[: len(tag)] for index in range(len(self)))
        return any(hmac.compare_digest(tag, candidate) for candidate in expected)

    @property
    def signing_key(self) -> SigningKey:
        """The key that signs access tokens."""
        return self.verification_keys[0]

    @cached_property
    def verification_keys(self) -> tuple[SigningKey, ...]:
        """Every key whose signatures still count, the current one first."""
        return tuple(_signing_key(secret) for secret in self._secrets)

    def jwks(self) -> dict[str, Any]:
        """The public key set (RFC 7517 §5): no private member, each key with ``use``, ``alg`` and ``kid``."""
        return {"keys": [key.public_jwk() for key in self.verification_keys]}


def load_or_create_key(path: Path) -> bytes:
    """The secret kept in a file; 32 random bytes are put there if the file does not exist.

    The file has mode 0600, its folder 0700. Of several processes that start at once one creates it and all read the same.

    Raises:
        ConfigurationError: the file cannot be created or read, or is too short to be a key. It is never overwritten.
    """
    try:
        if not path.exists() and create_private_file(path, os.urandom(_STRONG_BYTES)):
            _log.info("a new signing key was generated in %s", path)
        _tighten(path)
        secret = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The signing key file {path} cannot be used ({error.strerror}); set jwt_signing_key."
        ) from error
    if len(secret) < _STRONG_BYTES:
        raise ConfigurationError(f"The signing key file {path} is damaged: restore it, or remove it to end all sessions.")
    return secret


def check_secret_strength(secret: str | bytes, public_url: str, name: str = "jwt_signing_key") -> None:
    """Refuse or warn of a secret that can be guessed.

    On a loopback URL a weak secret is only warned of, so that a first try is easy.

    Args:
        name: of the option that it is.

    Raises:
        ConfigurationError: it is empty; or, on a public URL, under 32 bytes or a well-known placeholder.
    """
    data = secret.encode() if isinstance(secret, str) else secret
    if not data:
        raise ConfigurationError(f"{name} is empty; leave it out, or set 32 random bytes.")
    weakness = _weakness(data)
    if not weakness:
        return
    uri = parse_uri(public_url)
    if uri is None or not uri.is_loopback:
        raise ConfigurationError(f"{name} {weakness}; use 32 random bytes, e.g. from: openssl rand -base64 32")
    _log.warning("%s %s; that is accepted on a loopback URL only", name, weakness)


def _weakness(secret: bytes) -> str:
    letters = bytes(byte for byte in secret.lower() if chr(byte).isalnum()).decode("latin-1")
    if len(secret) < _STRONG_BYTES:
        return f"has only {len(secret)} bytes where {_STRONG_BYTES} are needed"
    if len(set(secret)) < 8 or any(placeholder in letters for placeholder in _PLACEHOLDERS):
        return "is a placeholder that anyone can guess"
    return ""


def _tighten(path: Path) -> None:
    if os.name == "posix" and S_IMODE(path.stat().st_mode) & 0o077:
        _log.warning("%s could be read by other users of this machine; its mode is now 0600", path)
        path.chmod(0o600)


def _hkdf(secret: bytes, purpose: str, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, _SALT, purpose.encode()).derive(secret)


def _signing_key(secret: bytes) -> SigningKey:
    # 16 bytes more than the order has, then reduced: the bias is below 2^-128 (FIPS 186-5 A.2.1).
    curve = ec.SECP256R1()
    number = int.from_bytes(_hkdf(secret, "signing", 48), "big") % (curve.group_order - 1) + 1
    private_key = ec.derive_private_key(number, curve)
    return SigningKey(_thumbprint(_public_members(private_key)), private_key)


def _public_members(private_key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    point = private_key.public_key().public_numbers()
    x, y = (base64url.encode(coordinate.to_bytes(32, "big")) for coordinate in (point.x, point.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def _thumbprint(members: dict[str, str]) -> str:
    """RFC 7638 §3: the required members in lexical order, without whitespace."""
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return base64url.encode(hashlib.sha256(canonical.encode()).digest())
