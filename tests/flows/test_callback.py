"""The way back from the provider: which browser, which provider, which user (RFC 6749 §4.1.2, OIDC Core §3.1.3.7)."""

import base64
import json
import zlib

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, KEY, LOOPBACK_URI, WEB_URI, Stage, lacks, open_consent, query_of

from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.testing import ScriptedClient
from vestibule.testing.client import Attempt, StepFailed
from vestibule.testing.user import Page

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(stage: Stage) -> ScriptedClient:
    return await stage.registered()


async def back_from_provider(stage: Stage, client: ScriptedClient) -> tuple[Attempt, str]:
    """A login up to the provider's redirect, which the browser has not followed yet."""
    attempt = client.start()
    return attempt, await client.user.visit(attempt.url, stage.callback)


async def follow(client: ScriptedClient, url: str) -> httpx2.Response:
    return await client.user.browser.get(url)


def assert_page(answer: httpx2.Response, status: int, reason: str) -> None:
    assert answer.status_code == status
    assert "location" not in answer.headers
    assert reason in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert answer.headers["cache-control"] == "no-store"


def returned(answer: httpx2.Response) -> dict[str, str]:
    """What the client gets."""
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(LOOPBACK_URI)
    return query_of(answer.headers["location"])


def told(stage: Stage, answer: httpx2.Response) -> tuple[str, str]:
    """What the operator learns about a login that ended so: why, and whose."""
    [event] = [event for event in stage.events if event.name == "refused"]
    assert event.request_id == answer.headers["x-request-id"]
    return event.reason, event.client_id


async def login_error(client: ScriptedClient) -> str:
    with pytest.raises(StepFailed) as failure:
        await client.login()
    return failure.value.error


# --- whose login it is ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("PX-05")
async def test_another_browser_cannot_finish_a_login(stage: Stage, client: ScriptedClient):
    _, url = await back_from_provider(stage, client)
    exchanges = len(stage.provider.requests_to("token"))
    victim = await stage.registered("bob")
    await back_from_provider(stage, victim)
    assert_page(await follow(victim, url), 403, "login_cookie_missing")
    assert len(stage.provider.requests_to("token")) == exchanges
    assert "put_new" not in stage.store.calls


@pytest.mark.spec("PX-05")
async def test_a_login_is_finished_once(stage: Stage, client: ScriptedClient):
    attempt, url = await back_from_provider(stage, client)
    cookies = {cookie.name: cookie.value or "" for cookie in client.user.browser.cookies.jar}
    first = returned(await follow(client, url))
    assert_page(await follow(client, url), 403, "login_cookie_missing")
    kept = "; ".join(f"{name}={value}" for name, value in cookies.items())
    again = returned(await stage.http.get(url, headers={"cookie": kept}))
    assert "code" not in again
    assert (await client.exchange(first["code"], attempt))["access_token"]


@pytest.mark.spec("PX-05")
async def test_one_login_makes_one_session_whatever_the_provider_says(stage: Stage, client: ScriptedClient):
    """A second answer of the provider to the same state, with a code of its own."""
    attempt = client.start()
    urls = [await client.user.visit(attempt.url, stage.callback)]
    link = next(page.continue_link for page in reversed(client.user.pages) if page.continue_link)
    urls.append(await client.user.visit(link, stage.callback))
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.user.browser.cookies.jar)
    answers = [returned(await stage.http.get(url, headers={"cookie": cookies})) for url in urls]
    assert query_of(urls[0])["code"] != query_of(urls[1])["code"]
    assert "code" in answers[0]
    assert answers[1]["error"] == "access_denied"


@pytest.mark.spec("PX-05")
async def test_a_login_ends_within_ten_minutes(stage: Stage, client: ScriptedClient):
    _, url = await back_from_provider(stage, client)
    stage.clock.advance(601)
    assert_page(await follow(client, url), 400, "login_expired")


@pytest.mark.spec("PX-05")
async def test_the_state_is_random_and_not_to_be_seen_before_the_approval(stage: Stage, client: ScriptedClient):
    states = set()
    for _ in range(3):
        attempt, url = await back_from_provider(stage, client)
        state = query_of(url)["state"]
        assert len(state) >= 43
        assert state != attempt.state
        asked = [page for page in client.user.pages if page.form_with_button("action", "approve")]
        assert lacks("".join(f"{page.headers}{page.html}{page.url}" for page in asked), [state])
        states.add(state)
    assert len(states) == 3


@pytest.mark.spec("PX-05", "PX-01")
async def test_a_login_that_nobody_approved_cannot_be_finished(stage: Stage, client: ScriptedClient):
    """The state is sealed in the cookie; whoever got at it otherwise still lacks the approval."""
    page = await open_consent(client.user, client.start().url)
    handle = query_of(page.url)["login"]
    [cookie] = client.user.browser.cookies.jar
    sealer = Sealer(KeyRing.from_secrets(KEY))
    content = sealer.open("login", cookie.value or "", bound_to=handle.encode())
    assert content is not None
    state = json.loads(zlib.decompress(content))["state"]
    assert_page(await follow(client, f"{stage.callback}?code=x&state={state}"), 403, "login_state")
    assert stage.provider.requests == []


@pytest.mark.spec("PX-06")
async def test_an_answer_to_nothing_gets_a_page(stage: Stage, client: ScriptedClient):
    assert_page(await follow(client, f"{stage.callback}?code=x"), 400, "login_state")
    assert_page(await follow(client, f"{stage.callback}?code=x&state=unknown"), 403, "login_cookie_missing")
    assert_page(await follow(client, f"{stage.callback}?error=access_denied&state=unknown"), 403, "login_cookie_missing")
    assert_page(await follow(client, f"{stage.callback}?code=x&state=a&state=b"), 400, "parameter_repeated")
    assert_page(await follow(client, f"{stage.callback}?state=%FF"), 400, "request_malformed")


@pytest.mark.parametrize("repeated", ["code=another", "iss=another", "x=1&x=2"])
async def test_an_answer_that_says_something_twice_is_refused(stage: Stage, client: ScriptedClient, repeated: str):
    _, url = await back_from_provider(stage, client)
    answer = returned(await follow(client, f"{url}&{repeated}"))
    assert answer["error"] == "invalid_request"
    assert stage.provider.requests_to("token") == []


# --- which provider -------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("PX-08")
async def test_the_provider_gets_a_pair_of_our_own(stage: Stage, client: ScriptedClient):
    attempt, url = await back_from_provider(stage, client)
    await follow(client, url)
    asked = stage.provider.requests_to("authorize")[0].parameters
    exchanged = stage.provider.requests_to("token")[0].parameters
    assert asked["code_challenge_method"] == "S256"
    assert asked["nonce"]
    assert asked["redirect_uri"] == exchanged["redirect_uri"] == stage.callback
    assert exchanged["code_verifier"] != attempt.verifier
    assert asked["resource"] == exchanged["resource"] == stage.resource


@pytest.mark.spec("PX-09")
@pytest.mark.parametrize("issuer", ["https://other.example", None])
async def test_an_answer_of_another_provider_is_refused(stage: Stage, client: ScriptedClient, issuer: str | None):
    _, url = await back_from_provider(stage, client)
    ours = "iss=http%3A%2F%2F127.0.0.1%3A9400"
    assert ours in url
    swapped = url.replace(f"&{ours}", f"&iss={issuer}" if issuer else "")
    assert returned(await follow(client, swapped))["error"] == "access_denied"
    assert stage.provider.requests_to("token") == []
    assert "upstream_issuer" in stage.reasons()


@pytest.mark.spec("PX-07")
@pytest.mark.parametrize(
    "error", ["access_denied", "login_required", "interaction_required", "temporarily_unavailable", "server_error"]
)
async def test_what_the_provider_says_of_the_user_reaches_the_client(stage: Stage, client: ScriptedClient, error: str):
    stage.provider.faults.error("authorize", error)
    attempt = client.start()
    answer = query_of(await client.user.visit(attempt.url, client.redirect_uri))
    assert (answer["error"], answer["state"], answer["iss"]) == (error, attempt.state, BASE)


async def test_a_user_who_cancels_there(stage: Stage):
    client = await stage.registered("nobody-of-that-name")
    page = Page.read(await client.user.browser.get(await client.user.visit(client.start().url)))
    assert page.form_with_button("action", "deny") is not None
    back = await client.user.browser.post(page.url, data={"action": "deny"})
    assert returned(await follow(client, back.headers["location"]))["error"] == "access_denied"


@pytest.mark.parametrize("error", ["invalid_scope", "unauthorized_client", "invalid_request", "something_of_its_own"])
async def test_what_only_the_operator_can_mend_is_a_page(stage: Stage, client: ScriptedClient, error: str):
    stage.provider.faults.error("authorize", error, "the reason")
    _, url = await back_from_provider(stage, client)
    answer = await follow(client, url)
    assert_page(answer, 502, "upstream_error")
    assert "the reason" not in answer.text
    [event] = [event for event in stage.events if event.name == "operator"]
    assert "the reason" in event.detail


# --- which user -----------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("PX-10")
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another-app"},
        {"aud": None},
        {"aud": ["vestibule", "another-app"]},
        {"aud": ["vestibule", "another-app"], "azp": "another-app"},
        {"azp": "another-app"},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"iat": None},
        {"iat": 1_900_000_000},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
)
async def test_an_id_token_that_is_not_for_this_login_is_refused(stage: Stage, client: ScriptedClient, claims: dict):
    stage.provider.faults.id_token_claims(**claims)
    assert await login_error(client) == "access_denied"
    assert "upstream_id_token" in stage.reasons()
    assert "put_new" not in stage.store.calls
    assert (await client.login())["access_token"]


@pytest.mark.spec("PX-10")
async def test_a_wrong_nonce_and_a_withdrawn_key(stage: Stage, client: ScriptedClient):
    stage.provider.faults.wrong_nonce()
    assert await login_error(client) == "access_denied"
    stage.provider.faults.expired_key()
    assert await login_error(client) == "access_denied"
    stage.provider.faults.rotate_key(keep_old=False)
    stage.clock.advance(60)
    assert (await client.login())["access_token"]


@pytest.mark.spec("PX-10")
async def test_an_algorithm_that_the_provider_does_not_announce(staged: SetStage):
    stage = await staged(document={"id_token_signing_alg_values_supported": ["RS256"]})
    client = await stage.registered()
    assert await login_error(client) == "access_denied"
    assert any("token_algorithm" in event.detail for event in stage.events)


@pytest.mark.spec("PX-10")
async def test_without_an_id_token_an_opaque_access_token_says_nothing(staged: SetStage):
    stage = await staged(provider={"access_token_format": "opaque"})
    client = await stage.registered()
    assert (await client.login())["access_token"]
    assert (await client.call_tool("whoami"))["claims"]["email"] == "alice@example.com"
    stage.provider.faults.no_id_token()
    _, url = await back_from_provider(stage, client)
    answer = await follow(client, url)
    assert_page(answer, 502, "upstream_answer")
    assert told(stage, answer) == ("upstream_answer", client.registration["client_id"][:24])


async def test_an_opaque_token_where_an_audience_is_to_be_checked(staged: SetStage):
    stage = await staged(provider={"access_token_format": "opaque"}, audience="https://api.example")
    client = await stage.registered()
    _, url = await back_from_provider(stage, client)
    assert stage.provider.requests_to("authorize")[0].parameters["audience"] == "https://api.example"
    answer = await follow(client, url)
    assert_page(answer, 502, "upstream_answer")
    assert told(stage, answer) == ("upstream_answer", client.registration["client_id"][:24])
    assert "operator" in stage.names()


@pytest.mark.parametrize(("audience", "works"), [("https://api.example", True), ("https://other.example", False)])
async def test_the_audience_of_the_providers_tokens(staged: SetStage, audience: str, works: bool):
    stage = await staged(audience="https://api.example", forward_resource=False, extra_authorize_params={"audience": audience})
    client = await stage.registered()
    _, url = await back_from_provider(stage, client)
    assert (await follow(client, url)).status_code == (303 if works else 502)


async def test_who_signed_in_is_who_calls(stage: Stage):
    alice, bob = await stage.signed_in("alice"), await stage.signed_in("bob")
    for client, name in ((alice, "alice"), (bob, "bob")):
        who = await client.call_tool("whoami")
        assert who["subject"] == name
        assert who["claims"]["email"] == f"{name}@example.com"
        assert who["claims"]["iss"] == stage.provider.issuer
        assert who["client_id"] == client.registration["client_id"]


@pytest.mark.spec("PX-11", "RS-17", "RS-16")
async def test_tokens_stay_on_their_side(stage: Stage, client: ScriptedClient):
    attempt, url = await back_from_provider(stage, client)
    answer = await follow(client, url)
    code = returned(answer)["code"]
    await client.exchange(code, attempt)
    upstream = (await client.call_tool("whoami"))["token"]
    await client.refresh()
    await client.revoke()
    ours = [code, client.tokens["access_token"], client.tokens["refresh_token"], attempt.verifier]
    sent = "".join(str(request.headers) + str(request.pairs) for request in stage.provider.requests)
    assert lacks(sent, ours)
    assert upstream in sent
    assert lacks(str(client.tokens) + answer.text + str(answer.headers), [upstream])
    stolen = await stage.http.post(stage.resource, json={"id": 1}, headers={"authorization": f"Bearer {upstream}"})
    assert stolen.status_code == 401
    assert 'error="invalid_token"' in stolen.headers["www-authenticate"]


# --- trouble --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_provider_that_is_down_is_no_lost_login(stage: Stage, client: ScriptedClient, status: int):
    stage.provider.faults.fail("token", status, retry_after=12)
    attempt, url = await back_from_provider(stage, client)
    answer = await follow(client, url)
    assert_page(answer, 503, "upstream_unavailable")
    assert answer.headers["retry-after"] == "12"
    assert told(stage, answer) == ("upstream_unavailable", client.registration["client_id"][:24])
    code = returned(await follow(client, url))["code"]
    assert (await client.exchange(code, attempt))["access_token"]


async def test_a_web_page_instead_of_tokens(stage: Stage, client: ScriptedClient):
    stage.provider.faults.garbage("token")
    _, url = await back_from_provider(stage, client)
    answer = await follow(client, url)
    assert_page(answer, 502, "upstream_answer")
    assert told(stage, answer) == ("upstream_answer", client.registration["client_id"][:24])


async def test_keys_that_cannot_be_had_lose_no_login(stage: Stage, client: ScriptedClient):
    stage.provider.faults.fail("jwks", times=None)
    attempt, url = await back_from_provider(stage, client)
    assert_page(await follow(client, url), 503, "upstream_unavailable")
    assert stage.provider.requests_to("token") == []
    stage.provider.faults.clear()
    stage.clock.advance(6)
    code = returned(await follow(client, url))["code"]
    assert (await client.exchange(code, attempt))["access_token"]


async def test_our_own_credentials_are_refused(staged: SetStage):
    stage = await staged(client_secret="the secret of last year")
    client = await stage.registered(redirect_uri=WEB_URI)
    _, url = await back_from_provider(stage, client)
    answer = await follow(client, url)
    assert_page(answer, 502, "upstream_credentials")
    link = next(part for part in answer.text.split('"') if part.startswith(WEB_URI)).replace("&amp;", "&")
    back = query_of(link)
    assert (back["error"], back["iss"]) == ("server_error", BASE)
    assert back["state"]
    [event] = [event for event in stage.events if event.name == "operator"]
    assert event.reason == "upstream_credentials"
    assert event.request_id == answer.headers["x-request-id"]
    assert lacks(answer.text + str(event), ["the secret of last year"])


async def test_an_account_that_may_not_sign_in_is_told_so(staged: SetStage):
    stage = await staged(sign_in_policy=lambda claims: "admins" in claims["groups"])
    assert (await stage.signed_in("alice")).tokens["access_token"]
    bob = await stage.registered("bob")
    _, url = await back_from_provider(stage, bob)
    answer = await follow(bob, url)
    assert_page(answer, 403, "sign_in_refused")
    assert f"{LOOPBACK_URI}?error=access_denied" in answer.text
    assert "sign_in_refused" in stage.reasons()


@pytest.mark.parametrize("answer", ["yes", 1, None])
async def test_a_policy_that_does_not_say_true_says_no(staged: SetStage, answer: object):
    stage = await staged(sign_in_policy=lambda claims: answer)
    client = await stage.registered()
    _, url = await back_from_provider(stage, client)
    assert_page(await follow(client, url), 403, "sign_in_refused")


async def test_a_policy_that_breaks_says_no(staged: SetStage):
    stage = await staged(sign_in_policy=lambda claims: claims["no such claim"])
    client = await stage.registered()
    _, url = await back_from_provider(stage, client)
    assert_page(await follow(client, url), 403, "sign_in_refused")


async def test_what_a_client_is_given_tells_nothing(stage: Stage, client: ScriptedClient):
    _, url = await back_from_provider(stage, client)
    code = returned(await follow(client, url))["code"]
    body = base64.urlsafe_b64decode(code[4:] + "=" * (-len(code[4:]) % 4))
    assert b"alice" not in body
    payload = (await stage.signed_in()).tokens["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert "email" not in claims
