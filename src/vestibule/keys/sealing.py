"""Sealed artefacts: encrypted and authenticated with the key ring, bound to their purpose and place.

The purpose goes into the key, what the artefact belongs to into the associated data, so that neither can be exchanged for another.
In front stands the id of the key, by which a ring of several finds the right one.
"""

from __future__ import annotations

from vestibule.keys import base64url
from vestibule.keys.keyring import KeyRing
from vestibule.keys.ring_key import KEY_ID_BYTES, RingKey

__all__ = ["Sealer", "open_with", "sealed_by"]


class Sealer:
    """Seals with the current key of a ring and opens with any."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring

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
        key = self._keyring.current
        return key.key_id + key.cipher(purpose).encrypt(plaintext, bound_to=bound_to)

    def open_bytes(self, purpose: str, sealed: bytes, *, bound_to: bytes = b"") -> bytes | None:
        """Like :meth:`open`, for bytes."""
        plaintext = self._open(purpose, sealed, bound_to)
        return self._open(purpose, sealed, bound_to) if plaintext is None and self._keyring.has_news() else plaintext

    def _open(self, purpose: str, sealed: bytes, bound_to: bytes) -> bytes | None:
        for key in self._keyring.keys:
            if key.serves(purpose):
                plaintext = open_with(key, purpose, sealed, bound_to=bound_to)
                if plaintext is not None:
                    return plaintext
        return None


def sealed_by(sealed: bytes) -> str:
    """The id of the key that sealed an artefact, as its first bytes tell; nothing is opened."""
    return sealed[:KEY_ID_BYTES].hex()


def open_with(key: RingKey, purpose: str, sealed: bytes, *, bound_to: bytes = b"") -> bytes | None:
    """What this very key sealed, or None."""
    if sealed[:KEY_ID_BYTES] != key.key_id:
        return None
    return key.cipher(purpose).decrypt(sealed[KEY_ID_BYTES:], bound_to=bound_to)
