"""What this server says about itself, and to whom each of its routes answers.

CVE-2025-6514, CVE-2026-51994, CVE-2025-58747, modelcontextprotocol#544 (clients believe metadata, so nothing in it may come from a
request), CVE-2026-34457, CVE-2026-40575, CVE-2026-76835 (oauth2-proxy: forged forwarded headers), CVE-2026-101084 (Obot: one route
without its check), CVE-2026-53709 and CVE-2026-78573 (ContextForge: default secrets), danieljustus/OpenPass#21.
"""

from __future__ import annotations

import json
import logging
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.routing import Route
from tests.flows.stage import query_of
from tests.races.house import House

from vestibule.errors import ConfigurationError

pytestmark = pytest.mark.anyio

PUBLIC = "https://mcp.example.com/team"
SPOOFED = [
    (b"host", b"evil.example"),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-forwarded-proto", b"http"),
    (b"x-forwarded-port", b"8443"),
    (b"x-forwarded-prefix", b"/evil"),
    (b"x-forwarded-for", b"evil.example"),
    (b"x-original-url", b"/evil"),
    (b"x-rewrite-url", b"/evil"),
    (b"forwarded", b"host=evil.example;proto=http"),
]


def documents(house: House) -> list[str]:
    routes = house.proxy.get_routes("/mcp")
    return sorted({route.path for route in routes if isinstance(route, Route) and route.path.startswith("/.well-known/")})


def urls_in(value: Any) -> Iterator[str]:
    """Every URL of a document, however deep."""
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from urls_in(member)
    elif isinstance(value, str) and "://" in value:
        yield value


@pytest.mark.spec("ASM-01", "ASM-14", "PRM-03", "RS-28", "AZ-20")
@pytest.mark.parametrize("issuer", [PUBLIC, PUBLIC + "/"])
async def test_every_url_has_the_public_origin_whatever_a_request_says(issuer):
    house = House(base_url=PUBLIC, options={"issuer_url": issuer})
    issuers = set()
    for path in documents(house):
        plain = await house.request("GET", path)
        spoofed = await house.request("GET", path, headers=SPOOFED)
        assert plain.status == 200
        assert plain.body == spoofed.body, path
        content = plain.json()
        issuers |= {content["issuer"]} if "issuer" in content else set(content.get("authorization_servers", []))
        for url in urls_in(content):
            assert url.startswith(("https://mcp.example.com/team", issuer)), url
            assert re.fullmatch(r"[A-Za-z0-9:/._~-]+", url), "nothing that a shell or a browser would take for more than a URL"
    assert issuers == {issuer}


@pytest.mark.spec("RS-28", "RS-03")
async def test_the_challenge_and_its_metadata_ignore_spoofed_headers():
    house = House(base_url=PUBLIC)
    answer = await house.request("POST", "/mcp", headers=[*SPOOFED[1:], (b"host", b"mcp.example.com")], body=b"{}")
    assert answer.status == 401
    assert "evil" not in str(answer.headers)
    url = answer.header("www-authenticate").partition('resource_metadata="')[2].partition('"')[0]
    assert url.startswith("https://mcp.example.com/.well-known/oauth-protected-resource/team/mcp")


@pytest.mark.spec("ASM-14", "AZ-20")
async def test_no_redirect_and_no_page_takes_a_host_from_the_request():
    house = House()
    client = await house.client()
    attempt = client.start()
    headers = {name.decode(): value.decode() for name, value in SPOOFED}
    sent = await client.user.browser.get(attempt.url, headers=headers)
    assert urlsplit(sent.headers["location"]).netloc == "127.0.0.1:8000"
    assert "evil" not in str(sent.headers)
    returned_to = await client.user.visit(attempt.url, client.redirect_uri)
    assert query_of(returned_to)["iss"] == house.base_url
    tokens = await client.exchange(client.finish(attempt, returned_to), attempt)
    payload = tokens["access_token"].split(".")[1]
    assert json.loads(_decoded(payload))["iss"] == house.base_url


def _decoded(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


OPEN = "anyone"
BROWSER = "whoever has the login's cookie"
PAGE = "whoever has the page session's cookie"
HEALTH = "anybody, and it tells of no one"
CLIENT = "an authenticated client"
BEARER = "whoever has a token"
MATRIX = {
    "/register": OPEN,
    "/authorize": OPEN,
    "/consent": BROWSER,
    "/auth/callback": BROWSER,
    "/token": CLIENT,
    "/revoke": CLIENT,
    "/introspect": CLIENT,
    "/admin/sessions": BEARER,
    "/admin/sessions/{id}": BEARER,
    "/connections": PAGE,
    "/healthz": HEALTH,
    "/readyz": HEALTH,
    "/mcp": BEARER,
}


@pytest.mark.spec("RS-01", "RV-06", "IN-01", "TK-17", "PX-06")
async def test_every_route_asks_who_is_there():
    """CVE-2026-101084; made from the route table: a new route has to be put into the table above, on purpose."""
    house = House(options={"admin_token": "xJ7qLw2Rz9Kd4Vt8Hs1Mb6Pf3Ny5Gc0A"})
    routes = [route for route in house.proxy.get_routes("/mcp") if isinstance(route, Route)]
    found = {route.path for route in routes if not route.path.startswith("/.well-known/")} | {"/mcp"}
    assert found == set(MATRIX)
    for path, audience in MATRIX.items():
        methods = {m for route in routes if route.path == path for m in route.methods or ()} or {"GET", "POST", "DELETE"}
        for method in sorted(methods - {"OPTIONS", "HEAD"}):
            await _check_route(house, method, path, audience)


async def _check_route(house: House, method: str, path: str, audience: str) -> None:
    form = b"login=x&state=x&code=x&token=x&grant_type=refresh_token&refresh_token=x&client_id=vc_unknown&action=approve"
    query, body = (form, b"") if method == "GET" else (b"login=x", form) if path == "/consent" else (b"", form)
    content_type = [(b"content-type", b"application/x-www-form-urlencoded")]
    answer = await house.request(method, path, query=query, headers=content_type, body=body)
    if (audience, method) == (PAGE, "GET"):  # whoever comes sees a button, and gets the cookie that the button needs
        assert answer.status == 200
        assert b'value="sign_in"' in answer.body
        return
    expected = {OPEN: {400, 415}, HEALTH: {200}, PAGE: {400}, BROWSER: {403}, CLIENT: {401}, BEARER: {401}}[audience]
    assert answer.status in expected, (method, path, answer.status)
    assert not answer.header("set-cookie")
    assert "location" not in dict(answer.headers)
    assert b"reached" not in answer.body


@pytest.mark.spec("TK-16", "RV-07", "RS-06")
async def test_no_secret_is_taken_from_a_query():
    house = House()
    client = await house.signed_in()
    token = client.tokens["access_token"].encode()
    assert (await house.request("POST", "/mcp", query=b"access_token=" + token, body=b"{}")).status == 401
    content_type = [(b"content-type", b"application/x-www-form-urlencoded")]
    for path in ("/token", "/revoke", "/introspect"):
        answer = await house.request(
            "POST", path, query=b"client_id=x&token=x", headers=content_type, body=b"client_id=x&token=x"
        )
        assert (answer.status, answer.error) == (400, "invalid_request")
        assert (await house.request("GET", path, query=b"token=x")).status == 405


@pytest.mark.parametrize(
    "secret", ["", "short", "changeme" * 5, "x" * 64, "your-secret-key-that-everybody-has-read", ["ok " + "k3y" * 20, "short"]]
)
async def test_a_public_server_does_not_start_with_a_secret_that_can_be_guessed(secret):
    """CVE-2026-53709, CVE-2026-78573."""
    with pytest.raises(ConfigurationError, match="jwt_signing_key"):
        House(base_url="https://mcp.example.com", options={"jwt_signing_key": secret})


async def test_on_loopback_a_weak_secret_is_warned_of_and_none_is_ever_the_default(caplog):
    with caplog.at_level(logging.WARNING, "vestibule"):
        House(options={"jwt_signing_key": "short"})
    assert "jwt_signing_key" in caplog.text
    assert "short" not in caplog.text.replace("shorter", "")


@pytest.mark.parametrize(
    "url", ["http://mcp.example.com", "http://10.0.0.1:8000", "http://0.0.0.0:8000", "ftp://x", "mcp.example.com", ""]
)
async def test_a_public_url_without_tls_is_refused_at_start(url):
    with pytest.raises(ConfigurationError):
        House(base_url=url)
