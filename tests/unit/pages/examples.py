"""One example of each page, with any value replaceable."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from vestibule.server.pages import ConsentClient, Pages

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


def a_consent(pages: Pages | None = None, *, client: dict[str, Any] | None = None, **values: Any) -> Response:
    return (pages or Pages(server_name="Notes")).consent(client=ConsentClient(**CLIENT | (client or {})), **CONSENT | values)


def an_error(pages: Pages | None = None, **values: Any) -> Response:
    return (pages or Pages(server_name="Notes")).error(**ERROR | values)


def a_continue(pages: Pages | None = None, **values: Any) -> Response:
    arguments = CONTINUE | values
    return (pages or Pages(server_name="Notes")).continue_to(arguments.pop("url"), **arguments)


EXAMPLES = {"consent": a_consent, "error": an_error, "continue": a_continue}
