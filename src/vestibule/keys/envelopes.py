"""Values under a key that the key ring has no part in, so that whoever holds the ring cannot open them.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. For what our own keys protect there is :mod:`vestibule.keys.sealing`.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vestibule.keys import base64url

__all__ = ["KEY_BYTES", "decrypt", "encrypt", "new_key"]

KEY_BYTES = 32
_NONCE_BYTES = 12


def new_key() -> bytes:
    """256 random bits."""
    return os.urandom(KEY_BYTES)


def encrypt(key: bytes, plaintext: bytes, *, bound_to: bytes) -> str:
    """Base64url text that opens with the same `key` and `bound_to` only."""
    nonce = os.urandom(_NONCE_BYTES)
    return base64url.encode(nonce + AESGCM(key).encrypt(nonce, plaintext, bound_to))


def decrypt(key: bytes, text: str, *, bound_to: bytes) -> bytes | None:
    """The plaintext, or None for anything that does not open. Raises nothing, whatever the text."""
    data = base64url.decode(text)
    if data is None or len(data) <= _NONCE_BYTES:
        return None
    try:
        return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound_to)
    except InvalidTag:
        return None
