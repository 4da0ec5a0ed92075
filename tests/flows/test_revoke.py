"""``POST /revoke`` (RFC 7009) and ``POST /introspect`` (RFC 7662)."""

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, Stage, call_status

from vestibule.testing import ScriptedClient

pytestmark = pytest.mark.anyio

REVOKE, INTROSPECT, TOKEN = f"{BASE}/revoke", f"{BASE}/introspect", f"{BASE}/token"


@pytest.fixture
async def client(stage: Stage) -> ScriptedClient:
    return await stage.signed_in(auth_method="client_secret_post")


@pytest.fixture
async def public(stage: Stage) -> ScriptedClient:
    return await stage.signed_in()


async def refresh_status(client: ScriptedClient) -> int:
    form = {"grant_type": "refresh_token", "refresh_token": client.tokens["refresh_token"]}
    return (await client.post_form(TOKEN, form)).status_code


def oauth_error(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


# --- revocation -------------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RV-01", "RV-05", "RV-08")
@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
async def test_either_token_ends_the_whole_session(stage: Stage, public: ScriptedClient, kind: str):
    assert await call_status(public) == 200
    await public.revoke(public.tokens[kind])
    assert await call_status(public) == 401
    assert await refresh_status(public) == 400
    assert {request.parameters["token_type_hint"] for request in stage.provider.requests_to("revoke")} == {
        "refresh_token",
        "access_token",
    }
    assert "revoked" in stage.names()


@pytest.mark.spec("RV-05")
async def test_a_token_that_was_rotated_away_ends_the_session_too(public: ScriptedClient):
    first = public.tokens["refresh_token"]
    await public.refresh()
    await public.revoke(first)
    assert await call_status(public) == 401


@pytest.mark.spec("RV-02")
async def test_a_token_of_another_client_is_let_be(stage: Stage, public: ScriptedClient):
    other = await stage.signed_in("bob")
    await other.revoke(public.tokens["refresh_token"])
    await other.revoke(public.tokens["access_token"])
    assert await call_status(public) == 200
    assert await refresh_status(public) == 200
    assert stage.provider.requests_to("revoke") == []


@pytest.mark.spec("RV-03", "RV-04")
@pytest.mark.parametrize("token", ["unknown", "vsr_AAAA", "eyJ.eyJ.x", "ü"])
async def test_an_unknown_token_or_hint_is_no_error(public: ScriptedClient, token: str):
    answer = await public.post_form(REVOKE, {"token": token, "token_type_hint": "something_new"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert await call_status(public) == 200


@pytest.mark.spec("RV-04")
async def test_a_wrong_hint_does_not_matter(public: ScriptedClient):
    answer = await public.post_form(REVOKE, {"token": public.tokens["refresh_token"], "token_type_hint": "access_token"})
    assert answer.status_code == 200
    assert await call_status(public) == 401


async def test_revoking_twice_is_as_good_as_once(stage: Stage, public: ScriptedClient):
    await public.revoke()
    asked = len(stage.provider.requests_to("revoke"))
    await public.revoke()
    assert len(stage.provider.requests_to("revoke")) == asked


@pytest.mark.spec("RV-06")
async def test_a_client_that_is_none(public: ScriptedClient, client: ScriptedClient):
    unknown = await public.http.post(REVOKE, data={"client_id": "unknown", "token": public.tokens["refresh_token"]})
    assert oauth_error(unknown) == (401, "invalid_client")
    nobody = await public.http.post(REVOKE, data={"token": public.tokens["refresh_token"]})
    assert oauth_error(nobody) == (401, "invalid_client")
    without = {"client_id": client.registration["client_id"], "token": client.tokens["refresh_token"]}
    assert oauth_error(await client.http.post(REVOKE, data=without)) == (401, "invalid_client")
    assert [await call_status(public), await call_status(client)] == [200, 200]


@pytest.mark.spec("RV-07")
async def test_a_request_without_a_token_and_one_that_is_no_post(public: ScriptedClient):
    assert oauth_error(await public.post_form(REVOKE, {})) == (400, "invalid_request")
    values = {"client_id": public.registration["client_id"], "token": public.tokens["refresh_token"]}
    assert (await public.http.get(REVOKE, params=values)).status_code == 405
    twice = await public.http.post(REVOKE, data={**values, "token": ["a", "b"]})
    assert oauth_error(twice) == (400, "invalid_request")
    assert await call_status(public) == 200


@pytest.mark.spec("RV-08")
@pytest.mark.parametrize("trouble", ["down", "refused"])
async def test_a_provider_that_does_not_revoke_keeps_nobody_in(stage: Stage, public: ScriptedClient, trouble: str):
    if trouble == "down":
        stage.provider.faults.fail("revoke", times=None)
    else:
        stage.provider.faults.error("revoke", "invalid_client", status=401, times=None)
    await public.revoke()
    assert await call_status(public) == 401


async def test_browser_clients_may_revoke(stage: Stage):
    for url in (REVOKE, INTROSPECT):
        assert (await stage.http.options(url, headers={"origin": "https://x.example"})).status_code == 204


async def test_the_other_process_notices_within_the_bound(staged: SetStage, stage: Stage, public: ScriptedClient):
    other = await staged(at=stage.provider, store=stage.store, revocation_delay_seconds=5)
    headers = {"authorization": f"Bearer {public.tokens['access_token']}"}
    assert (await other.http.post(other.resource, json={"id": 1}, headers=headers)).status_code == 200
    await public.revoke()
    stage.clock.advance(5)
    assert (await other.http.post(other.resource, json={"id": 1}, headers=headers)).status_code == 401


# --- introspection ----------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("IN-01", "ASM-07")
async def test_only_a_client_that_proves_itself_may_ask(public: ScriptedClient, client: ScriptedClient):
    token = {"token": client.tokens["access_token"]}
    assert oauth_error(await client.http.post(INTROSPECT, data=token)) == (401, "invalid_client")
    assert oauth_error(await public.post_form(INTROSPECT, {"token": public.tokens["access_token"]})) == (401, "invalid_client")
    without = {**token, "client_id": client.registration["client_id"]}
    assert oauth_error(await client.http.post(INTROSPECT, data=without)) == (401, "invalid_client")


@pytest.mark.spec("IN-03")
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
async def test_a_living_access_token(stage: Stage, method: str):
    client = await stage.signed_in(auth_method=method)
    answer = await client.post_form(INTROSPECT, {"token": client.tokens["access_token"]})
    assert answer.headers["cache-control"] == "no-store"
    described = answer.json()
    assert described["active"] is True
    assert described["iss"] == BASE
    assert described["sub"] == "alice"
    assert described["client_id"] == client.registration["client_id"]
    assert described["aud"] == stage.resource
    assert described["scope"] == "openid"
    assert described["token_type"] == "Bearer"
    assert described["exp"] == int(stage.clock.now()) + 3600


async def test_a_living_refresh_token(client: ScriptedClient):
    described = (await client.post_form(INTROSPECT, {"token": client.tokens["refresh_token"]})).json()
    assert described["active"] is True
    assert described["token_type"] != "Bearer"


@pytest.mark.spec("IN-02")
async def test_nothing_is_said_of_any_other_token(stage: Stage, client: ScriptedClient):
    other = await stage.signed_in("bob", auth_method="client_secret_post")
    first = client.tokens["refresh_token"]
    await client.refresh()
    tokens = [other.tokens["access_token"], other.tokens["refresh_token"], first, "unknown", "vsr_AAAA"]
    for token in tokens:
        assert (await client.post_form(INTROSPECT, {"token": token})).json() == {"active": False}
    access = client.tokens["access_token"]
    stage.clock.advance(3601)
    assert (await client.post_form(INTROSPECT, {"token": access})).json() == {"active": False}
    await client.refresh()
    await client.revoke()
    for token in (client.tokens["access_token"], client.tokens["refresh_token"]):
        assert (await client.post_form(INTROSPECT, {"token": token})).json() == {"active": False}


# --- at the provider --------------------------------------------------------------------------------------------------------------


async def test_the_provider_is_told_of_a_users_last_session(stage: Stage, public: ScriptedClient):
    """Many providers end everything of a user with one token: what else the user has here must not end with it."""
    other = await stage.signed_in(user=public.user)
    stranger = await stage.signed_in("bob")
    await public.revoke()
    assert stage.provider.requests_to("revoke") == []
    await other.revoke()
    told = [request.parameters["token_type_hint"] for request in stage.provider.requests_to("revoke")]
    assert told == ["refresh_token", "access_token"]
    assert await call_status(stranger) == 200


async def test_a_session_that_ran_out_is_not_another(stage: Stage, public: ScriptedClient):
    stage.clock.advance(31 * 86_400)
    other = await stage.signed_in(user=public.user)
    await other.revoke()
    assert len(stage.provider.requests_to("revoke")) == 2


async def test_a_sign_in_that_no_client_came_for_is_not_another(stage: Stage, public: ScriptedClient):
    await stage.with_code(await stage.registered(user=public.user))
    await public.revoke()
    assert len(stage.provider.requests_to("revoke")) == 2


async def test_a_store_that_cannot_tell_of_others_keeps_the_provider_from_nothing(stage: Stage, public: ScriptedClient):
    """The session has ended: nobody will ask again."""
    stage.store.broken_keys = "user/"
    answer = await public.post_form(REVOKE, {"token": public.tokens["refresh_token"]})
    assert answer.status_code == 200
    assert len(stage.provider.requests_to("revoke")) == 2
    [event] = [event for event in stage.events if event.name == "operator"]
    assert event.reason == "store_unavailable"
    assert await call_status(public) == 401
