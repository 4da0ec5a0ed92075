"""What a host's endpoint answers to those who may not come in, and that nothing else of the request decides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.hosts.conftest import Host, People

from vestibule.testing import ScriptedClient

pytestmark = pytest.mark.anyio

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=30) as client:
        yield client


def bearer(client: ScriptedClient) -> dict[str, str]:
    return {**ACCEPT, "authorization": f"Bearer {client.tokens['access_token']}"}


def metadata_url(challenge: str) -> str:
    return challenge.partition('resource_metadata="')[2].partition('"')[0]


@pytest.mark.spec("RS-01", "RS-02", "RS-04", "RS-22", "RS-23")
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "headers", [{}, {"mcp-session-id": "a" * 32}, {"authorization": "Basic dTpw"}], ids=["bare", "id", "basic"]
)
async def test_nobody_is_asked_in_without_a_token(
    host: Host, http: httpx2.AsyncClient, method: str, headers: dict[str, str]
) -> None:
    answer = await http.request(method, host.resource, headers={**ACCEPT, **headers}, json=HELLO if method == "POST" else None)
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert "error=" not in challenge
    assert 'scope="read"' in challenge


@pytest.mark.spec("RS-03")
async def test_the_challenge_leads_to_the_document_of_this_very_resource(host: Host, http: httpx2.AsyncClient) -> None:
    answer = await http.post(host.resource, json=HELLO, headers=ACCEPT)
    document = await http.get(metadata_url(answer.headers["www-authenticate"]))
    assert document.status_code == 200
    assert document.json()["resource"] == host.resource
    issuer = document.json()["authorization_servers"][0]
    path = issuer.removeprefix(host.origin)
    metadata = await http.get(f"{host.origin}/.well-known/oauth-authorization-server{path}")
    assert metadata.json()["issuer"] == issuer


@pytest.mark.spec("RS-05", "RS-08", "RS-29")
async def test_what_is_no_access_token_of_ours_is_refused(host: Host, http: httpx2.AsyncClient, people: People) -> None:
    alice = await people.sign_in("alice")
    for token in ("garbage", "a.b.c", alice.tokens["refresh_token"], alice.tokens["access_token"][:-4] + "AAAA"):
        answer = await http.post(host.resource, json=HELLO, headers={**ACCEPT, "authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    bare = await http.post(host.resource, json=HELLO, headers={**ACCEPT, "authorization": "Bearer"})
    assert bare.status_code in (400, 401)


@pytest.mark.spec("RS-16")
async def test_the_token_of_the_provider_behind_us_is_refused(host: Host, http: httpx2.AsyncClient, people: People) -> None:
    alice = await people.sign_in("alice")
    seen = json.loads((await alice.call_tool("who"))["content"][0]["text"])
    upstream = seen["ours"]["token"]
    answer = await http.post(host.resource, json=HELLO, headers={**ACCEPT, "authorization": f"Bearer {upstream}"})
    assert answer.status_code == 401


@pytest.mark.spec("RS-06")
async def test_a_token_in_the_query_is_not_seen(host: Host, http: httpx2.AsyncClient, people: People) -> None:
    alice = await people.sign_in("alice")
    query = {"access_token": alice.tokens["access_token"]}
    assert (await http.post(host.resource, params=query, json=HELLO, headers=ACCEPT)).status_code == 401


@pytest.mark.spec("RS-07")
async def test_the_scheme_may_be_written_in_any_case(host: Host, http: httpx2.AsyncClient, people: People) -> None:
    alice = await people.sign_in("alice")
    headers = {**ACCEPT, "authorization": f"bEaReR {alice.tokens['access_token']}"}
    assert (await http.post(host.resource, json=HELLO, headers=headers)).status_code == 200


async def test_a_slash_at_the_end_is_the_same_resource_and_no_redirect(
    host: Host, http: httpx2.AsyncClient, people: People
) -> None:
    assert (await http.post(host.resource + "/", json=HELLO, headers=ACCEPT)).status_code == 401
    alice = await people.sign_in("alice")
    assert (await http.post(host.resource + "/", json=HELLO, headers=bearer(alice))).status_code == 200


@pytest.mark.spec("RS-30")
async def test_a_session_ends_with_its_grant(host: Host, people: People) -> None:
    alice = await people.sign_in("alice")
    await alice.call_tool("who")
    await alice.revoke()
    with pytest.raises(AssertionError, match="HTTP 401"):
        await alice.call_tool("who")


@pytest.mark.spec("RS-26")
async def test_a_foreign_page_is_kept_out_even_with_a_token(host: Host, http: httpx2.AsyncClient, people: People) -> None:
    alice = await people.sign_in("alice")
    for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example"):
        answer = await http.post(host.resource, json=HELLO, headers={**bearer(alice), "origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.spec("RS-27", "RS-28")
async def test_a_host_name_that_is_not_ours_is_refused_and_never_repeated(
    host: Host, http: httpx2.AsyncClient, people: People
) -> None:
    alice = await people.sign_in("alice")
    for headers in (ACCEPT, bearer(alice)):
        answer = await http.post(host.resource, json=HELLO, headers={**headers, "host": "evil.example"})
        assert 400 <= answer.status_code < 500
        assert "evil.example" not in answer.text + str(answer.headers)
    port = host.origin.rpartition(":")[2]
    localhost = await http.post(host.resource, json=HELLO, headers={**bearer(alice), "host": f"localhost:{port}"})
    assert localhost.status_code == 200


@pytest.mark.spec("RS-28")
async def test_forwarded_headers_do_not_change_what_we_say_of_ourselves(host: Host, http: httpx2.AsyncClient) -> None:
    forwarded = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https", "forwarded": "host=evil.example"}
    answer = await http.post(host.resource, json=HELLO, headers={**ACCEPT, **forwarded})
    assert metadata_url(answer.headers["www-authenticate"]).startswith(host.origin + "/")


@pytest.mark.spec("RS-32")
async def test_a_browser_client_may_ask_first_and_read_the_challenge(host: Host, http: httpx2.AsyncClient) -> None:
    origin = "http://localhost:6274"
    asked: dict[str, Any] = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,mcp-session-id",
    }
    preflight = await http.options(host.resource, headers={"origin": origin, **asked})
    assert preflight.is_success
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    answer = await http.post(host.resource, json=HELLO, headers={**ACCEPT, "origin": origin})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == origin
    assert "www-authenticate" in answer.headers["access-control-expose-headers"].lower()
