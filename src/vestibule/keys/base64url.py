"""Base64url without padding (RFC 7515 §2), one text for one value."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from binascii import Error

__all__ = ["decode", "encode"]


def encode(data: bytes) -> str:
    """Bytes as base64url text without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """The bytes of a base64url text, or None if it is not exactly what :func:`encode` gives.

    Padding, foreign characters and stray bits in the last character are refused, so that two different texts never mean the
    same value.
    """
    try:
        data = b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
    except (Error, ValueError):
        return None
    return data if encode(data) == text else None
