"""``GET /authorize``: what is refused, how, and where the answer goes (RFC 6749 §4.1.1, OAuth 2.1 §4.1.1)."""

from urllib.parse import quote, urlencode

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, LOOPBACK_URI, WEB_URI, Stage, query_of

from vestibule.clients.configured import ConfiguredClient
from vestibule.protocol.pkce import challenge_for, new_verifier
from vestibule.testing import ScriptedClient
from vestibule.testing.user import Page

pytestmark = pytest.mark.anyio


async def ask(client: ScriptedClient, **changes: str) -> httpx2.Response:
    """The answer to an authorization request; an empty value leaves a parameter out."""
    return await client.user.browser.get(client.start(**changes).url)


def assert_page(answer: httpx2.Response, status: int = 400) -> Page:
    """It is a page of ours that sends nobody anywhere."""
    assert answer.status_code == status
    assert "location" not in answer.headers
    assert 'http-equiv="refresh"' not in answer.text
    return Page.read(answer)


def error_of(answer: httpx2.Response, uri: str = LOOPBACK_URI) -> dict[str, str]:
    """The error that the client gets."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(uri)
    return query_of(answer.headers["location"])


@pytest.fixture
async def client(stage: Stage) -> ScriptedClient:
    return await stage.registered()


# --- the client and where its answers go ----------------------------------------------------------------------------------------


@pytest.mark.spec("AZ-01", "AZ-27")
@pytest.mark.parametrize("client_id", ["unknown", "vc_", "vc_AAAA", "https://127.0.0.2/", ""])
async def test_an_unknown_client_gets_a_page(client: ScriptedClient, client_id: str):
    assert_page(await ask(client, client_id=client_id))


@pytest.mark.spec("AZ-02")
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/callback",
        "https://app.example/callback/more",
        "https://app.example/callback?added=1",
        "https://app.example/callback/",
        "https://app.example/Callback",
        "https://APP.example/callback",
        "https://app.example:443/callback",
        "https://app.example/x/../callback",
        "https://app.example/%63allback",
    ],
)
async def test_redirect_uris_are_compared_as_strings(stage: Stage, uri: str):
    client = await stage.registered(redirect_uri=WEB_URI)
    assert_page(await ask(client, redirect_uri=uri))


@pytest.mark.spec("AZ-03")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
async def test_the_port_of_a_loopback_address_is_free(stage: Stage, host: str):
    client = await stage.registered(redirect_uri=f"http://{host}/callback")
    assert (await ask(client, redirect_uri=f"http://{host}:51234/callback")).status_code == 303
    assert_page(await ask(client, redirect_uri=f"http://{host}:51234/other"))
    assert_page(await ask(client, redirect_uri=f"http://{host}:51234/callback?x=1"))
    assert_page(await ask(client, redirect_uri=f"https://{host}:51234/callback"))


@pytest.mark.spec("AZ-04")
async def test_localhost_is_another_host_than_its_address(client: ScriptedClient):
    assert_page(await ask(client, redirect_uri="http://localhost:33418/callback"))
    assert_page(await ask(client, redirect_uri="http://[::1]:33418/callback"))


@pytest.mark.spec("AZ-05")
async def test_the_only_redirect_uri_need_not_be_named(stage: Stage):
    one = await stage.registered()
    assert (await ask(one, redirect_uri="")).status_code == 303
    two = await stage.registered(register={"redirect_uris": [LOOPBACK_URI, WEB_URI]})
    assert_page(await ask(two, redirect_uri=""))


@pytest.mark.spec("AZ-06")
async def test_the_query_of_a_redirect_uri_stays(stage: Stage):
    client = await stage.registered(redirect_uri=f"{LOOPBACK_URI}?x=1&y=a%2Fb")
    attempt = client.start()
    returned = await client.user.visit(attempt.url, client.redirect_uri)
    assert returned.startswith(f"{LOOPBACK_URI}?x=1&y=a%2Fb&")
    assert {"code", "state", "iss", "x", "y"} == query_of(returned).keys()


# --- the request ----------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("AZ-07", "AZ-08", "AZ-09", "AZ-10", "AZ-11", "AZ-12", "AZ-17", "AZ-18", "AZ-28")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "x" * 129}, "invalid_request"),
        ({"code_challenge": "+" * 43}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge_method": "S512"}, "invalid_request"),
        ({"scope": "unheard of"}, "invalid_scope"),
        ({"scope": 'op"enid'}, "invalid_scope"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"resource": "/mcp"}, "invalid_target"),
        ({"resource": f"{BASE}/mcp#top"}, "invalid_target"),
        ({"resource": BASE}, "invalid_target"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "urn:x"}, "request_uri_not_supported"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"login_hint": "x" * 300}, "invalid_request"),
    ],
)
async def test_a_bad_request_is_answered_to_the_client(client: ScriptedClient, changes: dict[str, str], error: str):
    answer = error_of(await ask(client, state="the-state", **changes))
    assert answer["error"] == error
    assert answer["state"] == "the-state"
    assert answer["iss"] == BASE
    assert "code" not in answer


@pytest.mark.spec("AZ-13")
async def test_a_parameter_that_is_repeated(client: ScriptedClient):
    url = client.start(scope="openid").url
    get = client.user.browser.get
    for name, value in (("client_id", client.registration["client_id"]), ("redirect_uri", LOOPBACK_URI)):
        assert_page(await get(f"{url}&{urlencode({name: value})}"))
    for extra in ("scope=openid", "code_challenge=x", "response_type=code", "unknown=1&unknown=1"):
        assert error_of(await get(f"{url}&{extra}"))["error"] == "invalid_request"
    answer = error_of(await get(f"{url}&state=another"))
    assert answer["error"] == "invalid_request"
    assert "state" not in answer


@pytest.mark.spec("AZ-14", "AZ-15")
async def test_an_empty_or_unknown_parameter_does_not_matter(client: ScriptedClient):
    answer = await client.user.browser.get(f"{client.start().url}&scope=&login_hint=&foo=bar&nonce=x")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{BASE}/consent")


@pytest.mark.spec("AZ-16")
@pytest.mark.parametrize("state", ["", "a b+c%20/?&=#ü€", "x" * 900, '"><script>'])
async def test_the_state_comes_back_as_it_was(client: ScriptedClient, state: str):
    attempt = client.start(state=state)
    returned = query_of(await client.user.visit(attempt.url, client.redirect_uri))
    assert returned.get("state", "") == state
    assert ("state" in returned) == bool(state)
    refused = error_of(await ask(client, state=state, response_type="token"))
    assert refused.get("state", "") == state


@pytest.mark.spec("AZ-19")
async def test_every_resource_of_a_request_counts(client: ScriptedClient):
    ours, foreign = quote(f"{BASE}/mcp", safe=""), quote("https://other.example/mcp", safe="")
    url = client.start(resource="").url
    for pair in ((ours, foreign), (foreign, ours)):
        answer = await client.user.browser.get(f"{url}&resource={pair[0]}&resource={pair[1]}")
        assert error_of(answer)["error"] == "invalid_target"
    assert "/consent" in (await client.user.browser.get(f"{url}&resource={ours}&resource={ours}")).headers["location"]


@pytest.mark.spec("AZ-17")
async def test_scopes_beside_a_known_one_are_left_out_and_the_answer_says_so(stage: Stage):
    client = await stage.signed_in(scope="openid future:scope")
    assert client.tokens["scope"] == "openid"


@pytest.mark.spec("AZ-18", "AZ-21", "RS-09")
async def test_without_a_resource_the_token_is_for_the_one_there_is(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client, resource="")
    await client.exchange(code, attempt)
    assert (await client.call_tool("whoami"))["resource"] == stage.resource


# --- the answer -----------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("AZ-20")
async def test_success_names_the_issuer(client: ScriptedClient):
    attempt = client.start()
    returned = query_of(await client.user.visit(attempt.url, client.redirect_uri))
    assert returned["iss"] == client.server["issuer"]
    assert returned.keys() == {"code", "state", "iss"}


@pytest.mark.spec("AZ-22", "AZ-23", "AZ-24", "AZ-25")
async def test_how_browsers_are_answered(client: ScriptedClient):
    opened = await client.user.browser.get(client.start().url, headers={"origin": "https://evil.example"})
    page = await client.user.browser.get(opened.headers["location"], headers={"origin": "https://evil.example"})
    refused = await ask(client, response_type="token")
    unknown = await ask(client, client_id="unknown")
    assert [answer.status_code for answer in (opened, page, refused, unknown)] == [303, 200, 303, 400]
    for answer in (opened, page, refused, unknown):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert not any(name.startswith("access-control-") for name in answer.headers)
        assert answer.headers["x-request-id"]
    for answer in (page, unknown):
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.spec("AZ-27")
async def test_an_error_does_not_send_people_to_a_stranger(stage: Stage):
    client = await stage.registered(redirect_uri=WEB_URI)
    page = assert_page(await ask(client, response_type="token", state="s"))
    link = next(part for part in page.html.split('"') if part.startswith(WEB_URI)).replace("&amp;", "&")
    answer = query_of(link)
    assert (answer["error"], answer["state"], answer["iss"]) == ("unsupported_response_type", "s", BASE)
    assert page.headers["x-request-id"] in page.html


@pytest.mark.spec("AZ-27")
async def test_a_client_that_the_operator_knows_is_no_stranger(staged: SetStage):
    known = ConfiguredClient(client_id="notes", redirect_uris=[WEB_URI])
    stage = await staged(clients=[known])
    client = await stage.registered(redirect_uri=WEB_URI)
    client.registration = {"client_id": "notes"}
    assert error_of(await ask(client, response_type="token"), WEB_URI)["error"] == "unsupported_response_type"


@pytest.mark.spec("AZ-24", "AZ-25", "AZ-27")
async def test_an_error_for_an_app_goes_through_a_page(stage: Stage):
    client = await stage.registered(redirect_uri="cursor://anysphere.cursor-mcp/oauth/callback")
    page = assert_page(await ask(client, scope="nothing-known"))
    assert "cursor://anysphere.cursor-mcp/oauth/callback?error=invalid_scope" in page.html


@pytest.mark.spec("AZ-21")
async def test_a_code_ends_within_ten_minutes(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    stage.clock.advance(301)
    answer = await client.post_form(
        client.server["token_endpoint"],
        {"grant_type": "authorization_code", "code": code, "code_verifier": attempt.verifier},
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.spec("TK-15")
async def test_a_client_that_may_not_have_codes(staged: SetStage):
    stage = await staged(
        clients=[ConfiguredClient(client_id="old", redirect_uris=[LOOPBACK_URI], grant_types=["refresh_token"])]
    )
    client = await stage.registered()
    assert error_of(await ask(client, client_id="old"))["error"] == "unauthorized_client"


async def test_what_a_client_may_say_to_the_provider_reaches_it(staged: SetStage):
    stage = await staged(require_authorization_consent=False)
    client = await stage.registered()
    said = {"prompt": "login", "login_hint": "alice@example.com", "max_age": "60", "acr_values": "mfa", "ui_locales": "de en"}
    answer = await ask(client, **said)
    sent = query_of(answer.headers["location"])
    assert said.items() <= sent.items()
    assert sent["resource"] == stage.resource


async def test_nothing_is_stored_before_a_sign_in(stage: Stage, client: ScriptedClient):
    for _ in range(3):
        await client.user.visit(client.start().url, stage.callback)
    assert stage.store.calls == []


@pytest.mark.spec("TK-27")
@pytest.mark.parametrize(
    "query", ["%", "a=%00", "a=%FF", "%zz=1", "client_id=%E2%80%AE", "&".join(f"p{n}=1" for n in range(300)), "=&&;;"]
)
async def test_junk_is_a_bad_request(stage: Stage, query: str):
    answer = await stage.http.get(f"{BASE}/authorize?{query}")
    assert_page(answer)


@pytest.mark.spec("AZ-12")
async def test_a_challenge_that_no_s256_can_be(client: ScriptedClient):
    challenge = challenge_for(new_verifier())
    for bad in (challenge[:-1], challenge + "A", challenge[:-1] + "="):
        assert error_of(await ask(client, code_challenge=bad))["error"] == "invalid_request"
