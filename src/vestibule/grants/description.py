"""What is told about a session, to operators and to its user: no token, and nothing that one could be made from."""

from __future__ import annotations

from typing import Any, Final

from vestibule.grants.model import Grant
from vestibule.protocol.client_documents import looks_like_document_url

__all__ = ["client_kind", "describe", "user_name"]

_NAMES: Final = ("name", "preferred_username", "login", "nickname")
"""Claims that people are called by, the fullest first; ``login`` is GitHub's."""


def describe(grant: Grant) -> dict[str, Any]:
    """The session as a JSON object; times in seconds since the epoch.

    Of an ended session it is known who had it and by which client, not what the provider said of the user.
    """
    last_used = grant.last_used
    return {
        "id": grant.id,
        "user": {"subject": grant.subject, "email": _text(grant, "email"), "name": user_name(grant)},
        "client": {"id": grant.client_id, "name": grant.client_name, "kind": client_kind(grant.client_id)},
        "scopes": list(grant.scopes),
        "resource": grant.resource,
        "created_at": int(grant.created_at),
        "last_used": last_used and {"at": int(last_used.at), "address": last_used.address, "agent": last_used.agent},
        "expires_at": int(grant.expires_at),
        "ended": {"at": int(grant.ended_at or 0), "reason": grant.ended} if grant.ended else None,
    }


def client_kind(client_id: str) -> str:
    """How the client is known: by its ``document``, by registering itself (``dynamic``), or as ``configured`` by the operator."""
    if looks_like_document_url(client_id, allow_loopback_http=True):
        return "document"
    return "dynamic" if client_id.startswith("vc_") else "configured"


def user_name(grant: Grant) -> str:
    """What the provider calls the user; empty where it does not say."""
    return next((text for text in (_text(grant, name) for name in _NAMES) if text), "")


def _text(grant: Grant, name: str) -> str:
    value = grant.claims.get(name)
    return value if isinstance(value, str) else ""
