"""Authenticated encryption: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce, which stands before the ciphertext."""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Cipher"]

_NONCE_BYTES: Final = 12


class Cipher:
    """Encrypts and decrypts with one key.

    Args:
        key: 256 bits.
    """

    def __init__(self, key: bytes) -> None:
        self._gcm = AESGCM(key)

    def encrypt(self, plaintext: bytes, *, bound_to: bytes) -> bytes:
        """What decrypts with the same `bound_to`, the associated data, only."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._gcm.encrypt(nonce, plaintext, bound_to)

    def decrypt(self, encrypted: bytes, *, bound_to: bytes) -> bytes | None:
        """The plaintext, or None for anything that does not decrypt. Raises nothing, whatever the input."""
        try:
            return self._gcm.decrypt(encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
            return None
