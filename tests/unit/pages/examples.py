"""One example of each page, with any value replaceable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from vestibule.server.pages import ConnectedApp, ConsentClient, LastUsed, Pages

CLIENT: dict[str, Any] = {"redirect_uri": "https://claude.ai/api/mcp/auth_callback", "client_name": "Claude"}
CONSENT: dict[str, Any] = {
    "redirect_kind": "web",
    "scopes": ["notes:read", "notes:write"],
    "resource": "https://notes.example/mcp",
    "hidden": {"csrf_token": "proof-1"},
    "upstream_name": "Example ID",
}
ERROR: dict[str, Any] = {
    "status": 400,
    "title": "The sign-in took too long",
    "what_happened": "The page was open for more than ten minutes.",
    "what_to_do": "Start again from your app.",
    "request_id": "req-7f3a",
    "reason_code": "login_expired",
}
CONTINUE: dict[str, Any] = {
    "url": "https://id.example/authorize?client_id=a&state=b",
    "title": "On to sign-in",
    "explanation": "You sign in with Example ID next.",
    "kind": "provider",
}
NOW = 1_800_000_000.0  # 15 January 2027, 08:00 UTC
USED: dict[str, Any] = {"at": NOW - 7300, "address": "198.51.100.7", "agent": "Claude-User"}
APP: dict[str, Any] = {
    "connection": "grant-1",
    "proof": "proof-2",
    "name": "Claude",
    "client_id_host": "",
    "redirect_uri": "https://claude.ai/api/mcp/auth_callback",
    "redirect_kind": "web",
    "scopes": ("notes:read", "notes:write"),
    "resource": "https://notes.example/mcp",
    "connected_at": NOW - 5 * 86_400,
    "last_used": LastUsed(**USED),
}
CONNECTIONS: dict[str, Any] = {
    "account": "alice@example.com",
    "proofs": {"disconnect_all": "proof-3", "sign_out": "proof-4"},
    "now": NOW,
}


def a_consent(pages: Pages | None = None, *, client: dict[str, Any] | None = None, **values: Any) -> Response:
    return (pages or Pages(server_name="Notes")).consent(client=ConsentClient(**CLIENT | (client or {})), **CONSENT | values)


def an_error(pages: Pages | None = None, **values: Any) -> Response:
    return (pages or Pages(server_name="Notes")).error(**ERROR | values)


def a_continue(pages: Pages | None = None, **values: Any) -> Response:
    arguments = CONTINUE | values
    return (pages or Pages(server_name="Notes")).continue_to(arguments.pop("url"), **arguments)


def a_sign_in(pages: Pages | None = None, **values: Any) -> Response:
    return (pages or Pages(server_name="Notes")).sign_in(**{"proof": "proof-1", "upstream_name": "Example ID"} | values)


def connections(pages: Pages | None = None, *, apps: Sequence[dict[str, Any]] = ({},), **values: Any) -> Response:
    """Each of `apps` is what differs from the example."""
    shown = [ConnectedApp(**APP | app) for app in apps]
    return (pages or Pages(server_name="Notes")).connections(apps=shown, **CONNECTIONS | values)


EXAMPLES = {
    "consent": a_consent,
    "error": an_error,
    "continue": a_continue,
    "sign in": a_sign_in,
    "connections": connections,
    "no connections": lambda pages=None, **values: connections(pages, apps=(), **values),
}
