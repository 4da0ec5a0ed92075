"""What an answer says, without its secrets: the same words for who asked and for the server that answered."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_TAG = 16  # bytes at the end of codes and refresh tokens; they follow the key, which may change while the token stays the same
_REASON = re.compile(r"\[(\w+), request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer in the log.

    Attributes:
        status: of HTTP; 0 where nobody knows.
        reason: the reason code of a refusal.
        refresh, access: digests of the tokens that it gave.
        life: seconds that the access token lives.
    """

    status: int = 0
    reason: str = ""
    refresh: str = ""
    access: str = ""
    life: float = 0.0

    @classmethod
    def read(cls, status: int, body: bytes) -> Answer:
        content = content_of(body)
        said = _REASON.search(str(content.get("error_description", "")))
        reason = content.get("reason") or (said[1] if said else content.get("error", ""))
        tokens = {kind: digest(str(content.get(f"{kind}_token", ""))) for kind in ("refresh", "access")}
        return cls(status=status, reason=str(reason), life=float(content.get("expires_in", 0)), **tokens)


def content_of(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; empty for anything else."""
    with suppress(ValueError):
        content = json.loads(body)
        return content if isinstance(content, dict) else {}
    return {}


def digest(token: str) -> str:
    """A name for a token, from which it cannot be told; the same whichever key of the ring made its tag."""
    if token.startswith(("vsc_", "vsr_")):
        token = base64.urlsafe_b64decode(token[4:] + "=" * (-len(token[4:]) % 4))[:-_TAG].hex()
    return hashlib.sha256(token.encode()).hexdigest()[:20] if token else ""
