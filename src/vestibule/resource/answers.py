"""What the guard answers itself: refusals with their challenge (RFC 6750 §3), and the browser's questions (Fetch, CORS)."""

from __future__ import annotations

import json
import secrets
from typing import Final

from starlette.types import Message, Scope, Send

from vestibule import reasons
from vestibule.events import Event, emit
from vestibule.protocol.bearer import challenge
from vestibule.resource.protection import Protection, Refused
from vestibule.resource.requests import Headers

__all__ = ["answer_preflight", "is_preflight", "refuse", "with_cors"]

_EXPOSED: Final = b"WWW-Authenticate, Retry-After, X-Request-Id, Mcp-Session-Id, Mcp-Protocol-Version"


async def refuse(send: Send, protection: Protection, refusal: Refused) -> None:
    """The answer to a request that did not pass: a challenge, and the same in a small JSON body."""
    request_id = secrets.token_hex(6)
    reason = refusal.reason
    emit(
        Event(name="rejected", request_id=request_id, reason=reason.code, detail=f"{refusal.status} {refusal.detail}".rstrip())
    )
    description = f"{reason.text} {reason.remedy}" if refusal.error else None
    content = {
        "error": refusal.error,
        "error_description": description or reason.text,
        "reason": reason.code,
        "request_id": request_id,
    }
    body = json.dumps({key: value for key, value in content.items() if value}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request_id.encode()),
    ]
    if refusal.status in (400, 401, 403) and reason is not reasons.ORIGIN_NOT_ALLOWED:
        value = challenge(
            error=refusal.error, description=description, scopes=refusal.scopes, resource_metadata=protection.metadata_url
        )
        headers.append((b"www-authenticate", value.encode("ascii")))
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "OPTIONS" and headers.get(b"access-control-request-method") is not None


async def answer_preflight(send: Send, origin: bytes, headers: Headers) -> None:
    """A browser asks without the token (Fetch §4.8); the request itself will need it."""
    answer = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
        (b"access-control-allow-headers", headers.get(b"access-control-request-headers") or b"authorization"),
        (b"access-control-max-age", b"600"),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})


def with_cors(send: Send, origin: bytes) -> Send:
    """Let the page read the answer, a refusal too."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", ()) if not pair[0].lower().startswith(b"access-control-")]
            added = [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", _EXPOSED),
                (b"vary", b"Origin"),
            ]
            message = {**message, "headers": [*kept, *added]}
        await send(message)

    return sent
