"""Values under a key that the key ring has no part in, so that whoever holds the ring cannot open them.

For what our own keys protect there is :mod:`vestibule.keys.sealing`.
"""

from __future__ import annotations

import os

from vestibule.keys import base64url
from vestibule.keys.cipher import Cipher

__all__ = ["KEY_BYTES", "decrypt", "encrypt", "new_key"]

KEY_BYTES = 32


def new_key() -> bytes:
    """256 random bits."""
    return os.urandom(KEY_BYTES)


def encrypt(key: bytes, plaintext: bytes, *, bound_to: bytes) -> str:
    """Base64url text that opens with the same `key` and `bound_to` only."""
    return base64url.encode(Cipher(key).encrypt(plaintext, bound_to=bound_to))


def decrypt(key: bytes, text: str, *, bound_to: bytes) -> bytes | None:
    """The plaintext, or None for anything that does not open. Raises nothing, whatever the text."""
    data = base64url.decode(text)
    return None if data is None else Cipher(key).decrypt(data, bound_to=bound_to)
