"""Trouble that will pass: nothing transient looks fatal, and nothing internal shows (design: the closed error table)."""

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, LOOPBACK_URI, KnownProxy, Stage, query_of

from vestibule import AccessToken
from vestibule.clients.model import Client
from vestibule.server.login import AuthorizationParams
from vestibule.testing import ScriptedClient
from vestibule.testing.client import Attempt

pytestmark = pytest.mark.anyio

TOKEN = f"{BASE}/token"
VERBS = ["get", "put_new", "swap"]


async def call(client: ScriptedClient) -> httpx2.Response:
    headers = {"authorization": f"Bearer {client.tokens['access_token']}"}
    return await client.http.post(client.resource_url, json={"id": 1}, headers=headers)


def exchange_form(client: ScriptedClient, code: str, attempt: Attempt) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "client_id": client.registration["client_id"],
        "code": code,
        "code_verifier": attempt.verifier,
    }


def assert_passes(answer: httpx2.Response) -> None:
    """503, when to try again, and nothing of the inside."""
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"
    assert "out of order" not in answer.text
    assert answer.headers["x-request-id"] in answer.text


def assert_oauth(answer: httpx2.Response) -> None:
    assert_passes(answer)
    assert answer.json()["error"] == "temporarily_unavailable"


# --- the store fails --------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("AZ-29")
async def test_a_sign_in_that_cannot_be_kept_is_a_clean_page(stage: Stage):
    client = await stage.registered()
    url = await client.user.visit(client.start().url, stage.callback)
    stage.store.broken = {"put_new"}
    answer = await client.user.browser.get(url)
    assert_passes(answer)
    assert "store_unavailable" in answer.text
    assert "location" not in answer.headers


@pytest.mark.spec("AZ-29")
async def test_registering_and_authorizing_need_no_store(stage: Stage):
    stage.store.broken = set(VERBS)
    client = await stage.registered()
    assert (await client.user.browser.get(client.start().url)).status_code == 303


@pytest.mark.parametrize("verb", ["get", "swap"])
async def test_a_code_outlives_the_trouble(stage: Stage, verb: str):
    client = await stage.registered()
    code, attempt = await stage.with_code(client)
    stage.store.broken = {verb}
    assert_oauth(await client.http.post(TOKEN, data=exchange_form(client, code, attempt)))
    stage.store.broken = set()
    assert (await client.exchange(code, attempt))["access_token"]


@pytest.mark.parametrize("verb", ["get", "swap"])
async def test_a_refresh_token_outlives_the_trouble(stage: Stage, verb: str):
    client = await stage.signed_in()
    stage.store.broken = {verb}
    form = {"grant_type": "refresh_token", "refresh_token": client.tokens["refresh_token"]}
    assert_oauth(await client.post_form(TOKEN, form))
    stage.store.broken = set()
    assert (await client.refresh())["access_token"]
    assert "reused" not in stage.names()


async def test_a_replay_during_the_trouble_is_no_success(stage: Stage):
    client = await stage.registered()
    code, attempt = await stage.with_code(client)
    await client.exchange(code, attempt)
    stage.store.broken = {"get"}
    assert_oauth(await client.http.post(TOKEN, data=exchange_form(client, code, attempt)))


@pytest.mark.parametrize("verb", ["get", "swap"])
async def test_a_revocation_that_cannot_be_kept_is_not_confirmed(stage: Stage, verb: str):
    client = await stage.signed_in()
    await call(client)
    stage.store.broken = {verb}
    assert_oauth(await client.post_form(f"{BASE}/revoke", {"token": client.tokens["refresh_token"]}))
    assert stage.provider.requests_to("revoke") == []
    stage.store.broken = set()
    await client.revoke()
    assert (await call(client)).status_code == 401


async def test_introspection_does_not_guess(stage: Stage):
    client = await stage.signed_in(auth_method="client_secret_post")
    stage.store.broken = {"get"}
    assert_oauth(await client.post_form(f"{BASE}/introspect", {"token": client.tokens["access_token"]}))


async def test_a_call_waits_out_the_trouble_and_does_not_lose_its_session(stage: Stage):
    client = await stage.signed_in()
    assert (await call(client)).status_code == 200
    stage.clock.advance(6)
    stage.store.broken = {"get"}
    answer = await call(client)
    assert_passes(answer)
    assert "www-authenticate" not in answer.headers
    stage.store.broken = set()
    assert (await call(client)).status_code == 200


async def test_a_token_seen_a_moment_ago_needs_no_store(stage: Stage):
    client = await stage.signed_in()
    await call(client)  # the first one is remembered in the grant
    assert (await call(client)).status_code == 200
    stage.store.broken = set(VERBS)
    assert (await call(client)).status_code == 200


async def test_the_provider_is_renewed_and_the_store_is_not(staged: SetStage):
    """What the provider gave cannot be kept: the user signs in again at worst, and nothing is served on what was not kept."""
    stage = await staged(provider={"access_token_seconds": 60})
    client = await stage.signed_in()
    stage.clock.advance(61)
    stage.store.broken = {"swap"}
    assert_passes(await call(client))


# --- something of ours fails ------------------------------------------------------------------------------------------------------


class Broken(KnownProxy):
    """A class of somebody's own with a mistake in it."""

    async def authorize(self, client: Client, params: AuthorizationParams) -> str:
        raise KeyError("a-secret-in-a-message")

    async def register_client(self, metadata: object, **options: object) -> tuple[str, str | None]:
        if getattr(metadata, "client_name", "") == "break":
            raise KeyError("a-secret-in-a-message")
        return await super().register_client(metadata, **options)

    async def check_token(self, token: str) -> AccessToken:
        raise KeyError("a-secret-in-a-message")


@pytest.fixture
async def broken(staged: SetStage) -> Stage:
    return await staged(bridge=Broken)


@pytest.mark.spec("AZ-29", "TK-27")
async def test_a_mistake_of_ours_is_a_clean_answer(broken: Stage, caplog: pytest.LogCaptureFixture):
    client = await broken.registered()
    page = await client.user.browser.get(client.start().url)
    assert page.status_code == 500
    assert "location" not in page.headers
    assert "internal" in page.text
    document = {"redirect_uris": [LOOPBACK_URI], "client_name": "break"}
    answer = await broken.http.post(f"{BASE}/register", json=document)
    assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
    for refusal in (page, answer):
        assert "a-secret-in-a-message" not in refusal.text
        assert refusal.headers["x-request-id"] in refusal.text
        assert refusal.headers["x-request-id"] in caplog.text


async def test_a_verifier_that_breaks_lets_nobody_in(broken: Stage):
    answer = await broken.http.post(broken.resource, json={"id": 1}, headers={"authorization": "Bearer anything"})
    assert answer.status_code == 503
    assert "retry-after" in answer.headers


# --- every page -------------------------------------------------------------------------------------------------------------------


async def test_the_way_back_from_an_error_page_works(stage: Stage):
    stage.provider.faults.fail("token", 503)
    client = await stage.registered()
    attempt = client.start(state="a b&c")
    answer = await client.user.browser.get(await client.user.visit(attempt.url, stage.callback))
    link = next(part for part in answer.text.split('"') if part.startswith(LOOPBACK_URI)).replace("&amp;", "&")
    back = query_of(link)
    assert (back["error"], back["state"], back["iss"]) == ("temporarily_unavailable", "a b&c", BASE)
    assert answer.headers["x-request-id"] in back["error_description"]


async def test_request_ids_are_ours_and_never_the_same(stage: Stage):
    seen = set()
    for _ in range(3):
        answer = await stage.http.get(f"{BASE}/authorize", headers={"x-request-id": "chosen-by-the-caller"})
        seen.add(answer.headers["x-request-id"])
        assert "chosen-by-the-caller" not in answer.text
    assert len(seen) == 3
    assert "chosen-by-the-caller" not in seen


PAGES = {
    "/authorize": "GET, HEAD",
    "/auth/callback": "GET, HEAD",
    "/consent": "GET, HEAD, POST",
    "/connections": "GET, HEAD, POST",
}
FOR_CLIENTS = {
    **dict.fromkeys(("/register", "/token", "/revoke", "/introspect"), "OPTIONS, POST"),
    **dict.fromkeys(("/.well-known/oauth-authorization-server", "/.well-known/jwks.json"), "GET, HEAD, OPTIONS"),
    "/.well-known/oauth-protected-resource/mcp": "GET, HEAD, OPTIONS",
}
FOR_OPERATORS = dict.fromkeys(("/healthz", "/readyz"), "GET, HEAD")


@pytest.mark.parametrize(("path", "allow"), [*PAGES.items(), *FOR_CLIENTS.items(), *FOR_OPERATORS.items()])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
async def test_methods_that_an_endpoint_does_not_know(stage: Stage, path: str, allow: str, method: str):
    """RFC 9110 §15.5.6: the answer names those that there are."""
    stage.store.calls.clear()
    answer = await stage.http.request(method, BASE + path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert stage.store.calls == []
    assert stage.reasons()[-1] == "method_not_allowed"
    assert answer.headers["x-request-id"] in answer.text
    assert answer.headers["content-type"].partition(";")[0] == ("text/html" if path in PAGES else "application/json")
    if path not in PAGES:
        assert answer.json()["error"] == "invalid_request"
    assert ("access-control-allow-origin" in answer.headers) == (path in FOR_CLIENTS)
