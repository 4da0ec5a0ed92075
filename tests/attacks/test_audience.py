"""A token is good at one resource of one deployment.

CVE-2025-69196 / GHSA-5h2m-4q8j-pqpj, CVE-2026-116684 / GHSA-w4fh-qvv9-3v23, CVE-2026-101062 (Obot), CVE-2026-67332 (better-auth: the
audience came from the token request), GHSA-vgf8-3685-66j9 (ContextForge: a token of one environment worked in another),
CVE-2025-66416 and its kin (no Host check on loopback).
"""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.races.house import Answer, House, whoami

pytestmark = pytest.mark.anyio

ONE, TWO = "http://127.0.0.1:8000/one", "http://127.0.0.1:8000/two"


@pytest.fixture
def house() -> House:
    """One server with two resources."""
    made = House(path="/one")
    two = made.proxy.protect(whoami, "/two")
    one = made.app

    async def both(scope, receive, send):
        await (two if "two" in scope["path"] else one)(scope, receive, send)

    made.app = both
    return made


async def tokens_for(house: House, resource: str) -> dict[str, str]:
    client = await house.client()
    code, attempt = await house.code(client, resource=resource)
    return {**(await house.redeem(client, code, attempt)).json(), "client_id": client.registration["client_id"]}


async def call(house: House, path: str, token: str) -> int:
    return (await house.request("POST", path, headers=[(b"authorization", f"Bearer {token}".encode())], body=b"{}")).status


@pytest.mark.spec("RS-09", "RS-10", "AT-03")
async def test_a_token_of_one_resource_is_refused_at_the_other(house):
    """CVE-2025-69196: the audience was the base URL, good at every server under it."""
    one, two = await tokens_for(house, ONE), await tokens_for(house, TWO)
    assert [await call(house, path, one["access_token"]) for path in ("/one", "/two")] == [200, 401]
    assert [await call(house, path, two["access_token"]) for path in ("/one", "/two")] == [401, 200]


@pytest.mark.spec("AZ-18", "AZ-19")
@pytest.mark.parametrize(
    "resource",
    ["http://127.0.0.1:8000/", "http://127.0.0.1:8000/three", "https://evil.example/one", ONE + "#x", "/one", ONE + "/../two"],
)
async def test_an_unknown_resource_is_an_invalid_target(house, resource):
    client = await house.client()
    answer = await client.user.browser.get(client.start(resource=resource).url)
    assert answer.status_code == 303
    assert "error=invalid_target" in answer.headers["location"]


@pytest.mark.spec("AZ-19")
@pytest.mark.parametrize("order", [[ONE, "https://evil.example/mcp"], ["https://evil.example/mcp", ONE]])
async def test_of_several_resources_none_is_overlooked(house, order):
    client = await house.client()
    url = client.start(resource="").url + "".join(f"&resource={resource}" for resource in order)
    assert "error=invalid_target" in (await client.user.browser.get(url)).headers["location"]


@pytest.mark.spec("TK-24", "RF-09")
async def test_a_token_request_never_swaps_the_resource(house):
    """CVE-2026-67332; and Cloudflare 0.8.3: a refused resource must leave the code usable."""
    client = await house.client()
    code, attempt = await house.code(client, resource=ONE)
    for resource in (TWO, "https://evil.example/", "nonsense"):
        answer = await house.redeem(client, code, attempt, resource=resource)
        assert (answer.status, answer.error) == (400, "invalid_target")
    tokens = (await house.redeem(client, code, attempt, resource=ONE)).json()
    for resource in (TWO, "https://evil.example/", "nonsense"):
        answer = await house.refresh(client, tokens["refresh_token"], resource=resource)
        assert (answer.status, answer.error) == (400, "invalid_target")
    refreshed = (await house.refresh(client, tokens["refresh_token"], resource=ONE)).json()
    assert [await call(house, path, refreshed["access_token"]) for path in ("/one", "/two")] == [200, 401]


@pytest.mark.spec("RS-11")
@pytest.mark.parametrize("other", ["issuer", "key"])
async def test_a_token_of_another_deployment_is_refused(other):
    """GHSA-vgf8-3685-66j9: staging and production with one key, or with one name."""
    here = House()
    there = House(
        base_url="http://127.0.0.1:8100" if other == "issuer" else here.base_url,
        options={"jwt_signing_key": "of the other deployment, forty bytes long"} if other == "key" else {},
        store=here.store,
        clock=here.clock,
    )
    client = await there.signed_in()
    token, refresh = client.tokens["access_token"], client.tokens["refresh_token"]
    assert (await there.call(token)).status == 200
    assert (await here.call(token)).status == 401
    own = await here.client()
    assert (await here.refresh(own, refresh)).error == "invalid_grant"


@pytest.mark.spec("RS-26", "RS-27")
@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_a_page_that_resolves_to_this_machine_gets_nothing(path):
    """DNS rebinding: CVE-2025-66416, CVE-2025-66414, CVE-2026-34742, CVE-2026-35568, with no configuration."""
    house = House()
    token = (await house.signed_in()).tokens["access_token"]
    bearer = (b"authorization", f"Bearer {token}".encode())

    async def status(*headers: tuple[bytes, bytes]) -> int:
        return (await house.request("POST", path, headers=[bearer, *headers], body=b"{}")).status

    assert await status() == 200
    for host in (
        b"evil.example",
        b"evil.example:8000",
        b"127.0.0.1.evil.example",
        b"localhost.evil.example",
        b"",
        b"127.0.0.1@evil",
    ):
        assert await status((b"host", host)) == 421, host
    for origin in (b"http://evil.example", b"http://evil.example:8000", b"null", b"http://127.0.0.1.evil.example", b"file://"):
        assert await status((b"origin", origin)) == 403, origin
    assert await status((b"host", b"localhost:8000")) == 200
    assert await status((b"origin", b"http://localhost:6274")) == 200


@pytest.mark.spec("RS-27")
async def test_behind_a_public_url_its_host_passes_and_a_foreign_one_does_not():
    house = House(base_url="https://mcp.example.com")
    token = (await house.signed_in(redirect_uri="https://app.example/cb")).tokens["access_token"]
    bearer = (b"authorization", f"Bearer {token}".encode())
    for host, origin, status in (
        (b"mcp.example.com", b"https://mcp.example.com", 200),
        (b"mcp.example.com:443", b"https://mcp.example.com", 200),
        (b"evil.example", b"https://mcp.example.com", 421),
        (b"mcp.example.com", b"https://evil.example", 403),
        (b"mcp.example.com", b"http://localhost:3000", 403),
    ):
        answer = await house.request("POST", "/mcp", headers=[bearer, (b"host", host), (b"origin", origin)], body=b"{}")
        assert answer.status == status, (host, origin)


@pytest.mark.spec("RS-01")
@pytest.mark.parametrize(
    "path",
    [
        "/mcp",
        "/mcp/",
        "//mcp",
        "/MCP",
        "/mcp/x",
        "/mcp/../mcp",
        "/x/../mcp",
        "/./mcp",
        "/%6dcp",
        "/mcp%2f",
        "/mcp\\x",
        "/mcp//y",
        "/mcp;a",
    ],
)
async def test_no_spelling_of_the_path_leads_past_the_guard(path):
    """CVE-2026-101084 (Obot), CVE-2025-54576 (oauth2-proxy): what some server further in would read as the protected path."""
    house = House()
    for method in ("GET", "POST", "DELETE", "PUT", "HEAD", "PATCH"):
        answer = await house.request(method, path, query=b"skip=/health", headers=[(b"user-agent", b"kube-probe/1.29")])
        assert (answer.status == 401) == (path != "/mcp;a"), (method, path)


@pytest.mark.spec("RS-01")
async def test_a_server_that_is_mounted_below_a_prefix_is_guarded_too():
    house = House()
    mounted = Starlette(routes=[Mount("/team", app=house.app)])
    house.app = mounted
    assert (await house.request("POST", "/team/mcp", body=b"{}")).status == 401
    assert (await house.request("POST", "/team/mcp/", body=b"{}")).status == 401


async def test_codes_and_refresh_tokens_of_one_server_mean_nothing_to_another_with_its_store_and_keys():
    """It would send what it holds for the one's provider to its own."""
    one = House()
    other = House(store=one.store, clock=one.clock, base_url="http://127.0.0.1:8001")
    client = await one.client()
    code, attempt = await one.code(client)
    assert (await other.redeem(client, code, attempt)).error == "invalid_grant"
    tokens = (await one.redeem(client, code, attempt)).json()
    one.clock.advance(3601)
    assert (await other.refresh(client, tokens["refresh_token"])).error == "invalid_grant"
    assert (await other.revoke(client, tokens["refresh_token"])).status == 200
    assert other.idp.requests == []
    assert (await one.refresh(client, tokens["refresh_token"])).status == 200


ADMIN = "Wd8sKq3Vn6Tz1Rb9Lx4Jm7Ph2Gf5Yc0E"


async def administer(house: House, method: str, path: str = "", query: bytes = b"") -> Answer:
    headers = [(b"authorization", f"Bearer {ADMIN}".encode())]
    return await house.request(method, f"/admin/sessions{path}", query=query, headers=headers)


async def test_an_operator_of_one_server_has_no_sessions_of_another_in_hand():
    """... with its store and keys: what its provider gave would be taken back at the wrong one."""
    one = House(options={"admin_token": ADMIN})
    other = House(store=one.store, clock=one.clock, base_url="http://127.0.0.1:8001", options={"admin_token": ADMIN})
    client = await one.signed_in()
    [session] = (await administer(one, "GET")).json()["sessions"]
    assert (await administer(other, "GET")).json()["sessions"] == []
    assert (await administer(other, "GET", f"/{session['id']}")).status == 404
    assert (await administer(other, "DELETE", f"/{session['id']}")).status == 404
    assert (await administer(other, "DELETE", query=b"user=alice")).json() == {"ended": 0}
    assert other.idp.requests == []
    assert (await one.call(client.tokens["access_token"])).status == 200
