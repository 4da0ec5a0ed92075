"""One whole login, as a client and the user's browser do it: register, authorize, consent, sign in, callback, token."""

from __future__ import annotations

import base64
import hashlib
import secrets
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

from benchmarks.upstream import SCOPE

CALLBACK = "http://127.0.0.1:33418/callback"
REGISTRATION = {
    "client_name": "Benchmark",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "scope": SCOPE,
}


class Page(HTMLParser):
    """What a browser would act on: the form's hidden fields, and the link that continues."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self.link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.hidden[given.get("name") or ""] = given.get("value") or ""
        if tag == "a" and given.get("id") == "continue":
            self.link = given.get("href")


def read_page(response: httpx2.Response) -> Page:
    page = Page()
    page.feed(response.text)
    return page


async def login(http: httpx2.AsyncClient, base_url: str, scope: str = SCOPE) -> str:
    """Walk a login as :func:`sign_in` does; returns the access token."""
    token: str = (await sign_in(http, base_url, scope))["access_token"]
    return token


async def sign_in(http: httpx2.AsyncClient, base_url: str, scope: str = SCOPE) -> dict[str, str]:
    """Walk a login at ``base_url`` with a fresh client and a browser without cookies; returns the token answer, with ``client_id``.

    An empty ``scope`` is not sent.
    """
    http.cookies.clear()
    registration = _without_empty(REGISTRATION | {"scope": scope})
    client_id = (await _expect(http.post(f"{base_url}/register", json=registration), 201)).json()["client_id"]
    verifier = secrets.token_urlsafe(48)
    page_url = await _authorize(http, base_url, client_id, verifier, scope)
    upstream_url = await _consent(http, page_url)
    callback_url = _location(await http.get(upstream_url))
    answer = parse_qs(urlsplit(_location(await http.get(callback_url))).query)
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"][0],
        "redirect_uri": CALLBACK,
        "client_id": client_id,
        "code_verifier": verifier,
        "resource": f"{base_url}/mcp",
    }
    return (await _expect(http.post(f"{base_url}/token", data=form), 200)).json() | {"client_id": client_id}


async def _authorize(http: httpx2.AsyncClient, base_url: str, client_id: str, verifier: str, scope: str) -> str:
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "scope": scope,
        "state": secrets.token_urlsafe(16),
        "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("="),
        "code_challenge_method": "S256",
        "resource": f"{base_url}/mcp",
    }
    return _location(await http.get(f"{base_url}/authorize", params=_without_empty(query)))


def _without_empty(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


async def _consent(http: httpx2.AsyncClient, page_url: str) -> str:
    """Press Allow; both ways to go on are understood: a redirect, or a page with a link that continues."""
    page = read_page(await _expect(http.get(page_url), 200))
    approved = await http.post(page_url, data=page.hidden | {"action": "approve"})
    link = read_page(approved).link if approved.status_code == 200 else None
    return link or _location(approved)


def _location(response: httpx2.Response) -> str:
    if response.status_code not in (302, 303, 307):
        raise RuntimeError(f"{response.request.url.path} answered {response.status_code}: {response.text[:300]}")
    return urljoin(str(response.request.url), response.headers["location"])


async def _expect(answer: object, status: int) -> httpx2.Response:
    response: httpx2.Response = await answer  # type: ignore[misc]
    if response.status_code != status:
        raise RuntimeError(f"{response.request.url.path} answered {response.status_code}: {response.text[:300]}")
    return response
