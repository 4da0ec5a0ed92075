"""Sealed artefacts: encrypted and authenticated with the key ring, bound to their purpose and place.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. The purpose goes into the key, what the artefact belongs to into the
associated data, so that neither can be exchanged for another. In front stands the id of the key, by which a ring of several
finds the right one.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vestibule.keys import base64url
from vestibule.keys.keyring import KeyRing

__all__ = ["Sealer"]

_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


class Sealer:
    """Seals and opens with the keys of a ring."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring
        self._key_ids = tuple(key[:_KEY_ID_BYTES] for key in keyring.keys_for("sealing key id"))
        self._ciphers: dict[tuple[str, int], AESGCM] = {}

    def seal(self, purpose: str, plaintext: bytes, *, bound_to: bytes = b"") -> str:
        """Seal as base64url text.

        Args:
            purpose: what it is for; it opens for no other.
            plaintext: what to hide.
            bound_to: what it belongs to, e.g. the key of its record; it opens with the same bytes only.
        """
        return base64url.encode(self.seal_bytes(purpose, plaintext, bound_to=bound_to))

    def open(self, purpose: str, sealed: str, *, bound_to: bytes = b"") -> bytes | None:
        """The plaintext, or None for anything that does not open. Raises nothing, whatever the input."""
        data = base64url.decode(sealed)
        return None if data is None else self.open_bytes(purpose, data, bound_to=bound_to)

    def seal_bytes(self, purpose: str, plaintext: bytes, *, bound_to: bytes = b"") -> bytes:
        """Like :meth:`seal`, as bytes."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._key_ids[0] + nonce + self._cipher(purpose, 0).encrypt(nonce, plaintext, bound_to)

    def open_bytes(self, purpose: str, sealed: bytes, *, bound_to: bytes = b"") -> bytes | None:
        """Like :meth:`open`, for bytes."""
        opened = self.open_with_index(purpose, sealed, bound_to=bound_to)
        return None if opened is None else opened[0]

    def open_with_index(self, purpose: str, sealed: bytes, *, bound_to: bytes = b"") -> tuple[bytes, int] | None:
        """The plaintext and the place in the ring of the key that sealed it, or None."""
        key_id, nonce, ciphertext = sealed[:_KEY_ID_BYTES], sealed[_KEY_ID_BYTES:][:_NONCE_BYTES], sealed[16:]
        for index, candidate in enumerate(self._key_ids):
            if candidate == key_id:
                plaintext = _decrypt(self._cipher(purpose, index), nonce, ciphertext, bound_to)
                if plaintext is not None:
                    return plaintext, index
        return None

    def _cipher(self, purpose: str, index: int) -> AESGCM:
        cipher = self._ciphers.get((purpose, index))
        if cipher is None:
            cipher = self._ciphers[purpose, index] = AESGCM(self._keyring.derive(f"sealing {purpose}", index))
        return cipher


def _decrypt(cipher: AESGCM, nonce: bytes, ciphertext: bytes, bound_to: bytes) -> bytes | None:
    try:
        return cipher.decrypt(nonce, ciphertext, bound_to)
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        return None
