"""Where codes go and what protects them on the way.

CVE-2025-4143 (the redirect URI was not checked in the last step), CVE-2025-4144 / GHSA-qgp8-v765-qxx9 (PKCE left out), Cloudflare
workers-oauth-provider 0.9.0 #253, #275, #277 (unknown methods counted as plain), GHSA-rfq3-w54c-f9q5 (fosite: loopback rule),
CVE-2026-54072 (Authorizer), punkpeye/fastmcp 4.0.0, CVE-2026-67336 (plain PKCE), scanner rules on open redirects.
"""

from __future__ import annotations

import pytest
from tests.flows.stage import query_of
from tests.races.house import House

from vestibule.protocol.pkce import challenge_for, new_verifier

pytestmark = pytest.mark.anyio

REGISTERED = "http://127.0.0.1:33418/callback?tenant=1"


async def authorize(house: House, client, **changes: str):
    return await client.user.browser.get(client.start(**changes).url)


@pytest.mark.spec("AZ-02", "AZ-03", "AZ-04")
@pytest.mark.parametrize(
    "presented",
    [
        "http://127.0.0.1:33418/callback",
        "http://127.0.0.1:33418/callback?tenant=2",
        "http://127.0.0.1:33418/callback?tenant=1&x=y",
        "http://127.0.0.1:33418/callback/?tenant=1",
        "http://127.0.0.1:33418/CALLBACK?tenant=1",
        "http://127.0.0.1:33418/x/../callback?tenant=1",
        "http://127.0.0.1:33418/callback?tenant=1#x",
        "http://localhost:33418/callback?tenant=1",
        "http://[::1]:33418/callback?tenant=1",
        "http://127.0.0.2:33418/callback?tenant=1",
        "http://127.0.0.1.evil.example:33418/callback?tenant=1",
        "http://127.0.0.1@evil.example/callback?tenant=1",
        "http://127.0.0.1:33418@evil.example/callback?tenant=1",
        "http://127.1:33418/callback?tenant=1",
        "https://127.0.0.1:33418/callback?tenant=1",
        "javascript:alert(1)",
        "https://app.example:8443/cb",
        "https://evil.example/cb",
        "//evil.example/cb",
    ],
)
async def test_a_redirect_uri_that_was_not_registered_gets_a_page(presented):
    """GHSA-rfq3-w54c-f9q5: only the port may vary, and only where the registered host is that loopback literal."""
    house = House()
    client = await house.client()
    await client.register(redirect_uris=[REGISTERED, "https://app.example/cb"])
    answer = await authorize(house, client, redirect_uri=presented)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.spec("AZ-03", "AZ-06")
async def test_another_loopback_port_is_fine_and_the_query_survives():
    house = House()
    client = await house.client()
    client.redirect_uri = REGISTERED
    await client.register(redirect_uris=[REGISTERED])
    moved = REGISTERED.replace("33418", "51999")
    returned_to = await client.user.visit(client.start(redirect_uri=moved).url, moved)
    assert returned_to.startswith(moved + "&")
    assert "code" in query_of(returned_to)


@pytest.mark.spec("AZ-02", "TK-09")
async def test_the_redirect_uri_is_checked_at_every_step():
    """CVE-2025-4143: at the request, at the end of the login, and at the token endpoint."""
    house = House()
    client = await house.client(redirect_uri="https://app.example/cb")
    await client.register(redirect_uris=["https://app.example/cb", "https://app.example/two"])
    code, attempt = await house.code(client)
    answer = await house.redeem(client, code, attempt, redirect_uri="https://app.example/two")
    assert (answer.status, answer.error) == (400, "invalid_grant")
    answer = await house.redeem(client, code, attempt, redirect_uri="https://app.example/cb")
    assert answer.status == 200


@pytest.mark.spec("AZ-09", "AZ-10", "AZ-11", "AZ-12")
@pytest.mark.parametrize("method", ["plain", "S512", "s256", "", "S256 "])
async def test_only_s256_counts(method):
    """Cloudflare #275, #277; CVE-2026-67336."""
    house = House()
    client = await house.client()
    answer = await authorize(house, client, code_challenge_method=method)
    assert query_of(answer.headers["location"])["error"] == "invalid_request"


@pytest.mark.spec("AZ-09", "AZ-12")
@pytest.mark.parametrize("challenge", ["", "short", "x" * 42, "x" * 44, "x" * 129, "=" * 43, "é" * 43])
async def test_a_request_without_a_challenge_is_refused(challenge):
    """CVE-2025-4144: drop the challenge, and any verifier passed."""
    house = House()
    for auth_method in ("none", "client_secret_post"):
        client = await house.client(auth_method=auth_method)
        answer = await authorize(house, client, code_challenge=challenge)
        assert query_of(answer.headers["location"])["error"] == "invalid_request"


@pytest.mark.spec("TK-07", "TK-08")
async def test_a_code_needs_the_verifier_of_its_challenge():
    """CVE-2025-4144, the other half: no verifier, the challenge itself, and another one's."""
    house = House()
    client = await house.client()
    code, attempt = await house.code(client)
    for verifier in ("", challenge_for(attempt.verifier), new_verifier(), attempt.verifier[:-1], attempt.verifier + "x"):
        answer = await house.redeem(client, code, attempt, code_verifier=verifier)
        assert answer.status == 400
        assert answer.error in ("invalid_grant", "invalid_request")
    assert (await house.redeem(client, code, attempt)).status == 200


@pytest.mark.spec("AZ-27", "AZ-01")
async def test_nobody_is_redirected_to_a_stranger_without_having_clicked():
    """Anyone can register any https address: errors stay here for it, so that this server is nobody's redirector."""
    house = House()
    client = await house.client(redirect_uri="https://evil.example/cb")
    for changes in ({"response_type": "token"}, {"scope": "nonsense"}, {"resource": "https://x.example"}, {"prompt": "none"}):
        answer = await authorize(house, client, **changes)
        assert answer.status_code in (400, 403)
        assert "location" not in answer.headers
        assert "refresh" not in answer.headers


@pytest.mark.spec("AZ-08", "AZ-28", "AZ-13", "AZ-20")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
        ({"prompt": "none"}, "interaction_required"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"login_hint": "x" * 300}, "invalid_request"),
    ],
)
async def test_what_is_not_supported_is_refused_and_not_ignored(changes, error):
    house = House()
    client = await house.client()
    answer = query_of((await authorize(house, client, **changes)).headers["location"])
    assert answer["error"] == error
    assert answer["iss"] == house.base_url
    assert "code" not in answer
