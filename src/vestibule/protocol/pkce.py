"""Proof Key for Code Exchange, S256 only (RFC 7636; RFC 9700 §2.1.1)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final

__all__ = ["challenge_for", "is_challenge", "is_verifier", "new_verifier", "verifier_fits"]

_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 §4.1
# RFC 7636 §4.2 allows 43 to 128 characters because of "plain". A SHA-256 digest has exactly 43, so that anything else is a
# challenge that no verifier can ever meet: better refused before the user signs in than after.
_S256_CHALLENGE: Final = re.compile(r"[A-Za-z0-9\-_]{43}")


def new_verifier() -> str:
    """A fresh verifier: 43 characters, 256 bits (RFC 7636 §4.1)."""
    return secrets.token_urlsafe(32)


def challenge_for(verifier: str) -> str:
    """The S256 challenge of `verifier` (RFC 7636 §4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def is_verifier(text: str) -> bool:
    """Whether `text` has the syntax of a verifier (RFC 7636 §4.1)."""
    return _VERIFIER.fullmatch(text) is not None


def is_challenge(text: str) -> bool:
    """Whether `text` can be an S256 challenge (RFC 7636 §4.2)."""
    return _S256_CHALLENGE.fullmatch(text) is not None


def verifier_fits(verifier: str, challenge: str) -> bool:
    """Whether `verifier` is the one behind `challenge`, compared in constant time (RFC 7636 §4.6).

    Anything malformed on either side does not fit; nothing is raised.
    """
    if not (is_verifier(verifier) and is_challenge(challenge)):
        return False
    return hmac.compare_digest(challenge_for(verifier), challenge)
