"""Codes and refresh tokens: opaque to everyone else, but not to us.

Both name their grant and carry a tag of the key ring, so that garbage is refused without a look into the store, one kind is never
taken for the other, and a refresh token of a generation long gone is still recognised as ours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from vestibule.keys.keyring import KeyRing

__all__ = ["CodeToken", "RefreshToken", "new_grant_id"]

_ID, _SECRET, _TAG, _GENERATION = 16, 32, 16, 4  # bytes


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str, length: int) -> bytes | None:
    """Exactly `length` bytes in their one spelling, or None: a token must not have two texts (base64 leaves spare bits)."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == length and _encode(data) == text else None


def new_grant_id(state: str) -> str:
    """The id of the grant that a login ends in.

    It follows from the login's `state`, so that one login makes one grant: the second answer to the same state finds the record taken.
    """
    return _encode(hashlib.sha256(b"grant of login " + state.encode()).digest()[:_ID])


@dataclass(frozen=True, slots=True)
class CodeToken:
    """An authorization code (RFC 6749 §4.1.2); `ring_key` is the id of the key that made its tag."""

    grant_id: str
    secret: bytes = field(repr=False)
    text: str = field(repr=False)
    digest: str
    ring_key: str

    @classmethod
    def new(cls, keyring: KeyRing, grant_id: str) -> CodeToken:
        """A fresh code of 256 random bits."""
        secret, key = secrets.token_bytes(_SECRET), keyring.current
        body = base64.urlsafe_b64decode(grant_id + "==") + secret
        return cls(grant_id, secret, "vsc_" + _encode(body + key.mac("code", body)[:_TAG]), _digest(body), key.id)

    @classmethod
    def read(cls, keyring: KeyRing, text: str) -> CodeToken | None:
        """Parse a presented code; None if it was never ours."""
        data = _decode(text[4:], _ID + _SECRET + _TAG) if text.startswith("vsc_") else None
        key = keyring.maker_of("code", data[:-_TAG], data[-_TAG:]) if data else None
        if data is None or key is None:
            return None
        return cls(_encode(data[:_ID]), data[_ID:-_TAG], text, _digest(data[:-_TAG]), key.id)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token (RFC 6749 §1.5) of 256 bits, with the number of its generation; `ring_key` as for a code."""

    grant_id: str
    generation: int
    secret: bytes = field(repr=False)
    text: str = field(repr=False)
    digest: str
    ring_key: str

    @classmethod
    def first(cls, keyring: KeyRing, grant_id: str) -> RefreshToken:
        """The random token that a chain starts with."""
        return cls._make(keyring, grant_id, 1, secrets.token_bytes(_SECRET))

    def successor(self, keyring: KeyRing, salt: str, ring_key: str = "") -> RefreshToken:
        """The next token: the same one each time it is asked for with the same salt.

        Args:
            ring_key: id of the key that makes its tag, while that is in the ring; otherwise the current one does.
        """
        secret = hmac.digest(self.secret, b"successor" + salt.encode(), "sha256")
        return self._make(keyring, self.grant_id, self.generation + 1, secret, ring_key)

    @classmethod
    def read(cls, keyring: KeyRing, text: str) -> RefreshToken | None:
        """Parse a presented refresh token; None if it was never ours."""
        data = _decode(text[4:], _ID + _GENERATION + _SECRET + _TAG) if text.startswith("vsr_") else None
        key = keyring.maker_of("refresh", data[:-_TAG], data[-_TAG:]) if data else None
        if data is None or key is None:
            return None
        body = data[:-_TAG]
        generation = int.from_bytes(body[_ID : _ID + _GENERATION])
        return cls(_encode(body[:_ID]), generation, body[_ID + _GENERATION :], text, _digest(body), key.id)

    @classmethod
    def _make(cls, keyring: KeyRing, grant_id: str, generation: int, secret: bytes, ring_key: str = "") -> RefreshToken:
        body = base64.urlsafe_b64decode(grant_id + "==") + generation.to_bytes(_GENERATION) + secret
        key = next((key for key in keyring.serving("refresh") if key.id == ring_key), keyring.current)
        text = "vsr_" + _encode(body + key.mac("refresh", body)[:_TAG])
        return cls(grant_id, generation, secret, text, _digest(body), key.id)


def _digest(body: bytes) -> str:
    return _encode(hashlib.sha256(body).digest())
