"""``POST /token`` with a code: what is refused before it is spent, and what spends it (RFC 6749 §4.1.3, OAuth 2.1 §4.1.3)."""

import asyncio
import base64
from urllib.parse import quote

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, LOOPBACK_URI, Stage
from tests.signing import Signer, ec_signer

from vestibule.clients.configured import ConfiguredClient
from vestibule.keys import jwt
from vestibule.protocol.pkce import new_verifier
from vestibule.testing import ScriptedClient
from vestibule.testing.client import Attempt, CallRefused, StepFailed

pytestmark = pytest.mark.anyio

TOKEN = f"{BASE}/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
async def client(stage: Stage) -> ScriptedClient:
    return await stage.registered()


def form(client: ScriptedClient, code: str, attempt: Attempt, /, **changes: str) -> dict[str, str]:
    """A token request; an empty value leaves a parameter out."""
    values = {
        "grant_type": "authorization_code",
        "client_id": client.registration["client_id"],
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": attempt.verifier,
        **changes,
    }
    return {name: value for name, value in values.items() if value}


async def refused(client: ScriptedClient, code: str, attempt: Attempt, /, **changes: str) -> tuple[int, str]:
    """Status and error of an exchange."""
    answer = await client.http.post(TOKEN, data=form(client, code, attempt, **changes))
    return answer.status_code, answer.json().get("error", "")


async def is_accepted(client: ScriptedClient) -> bool:
    try:
        return bool(await client.call_tool("whoami"))
    except CallRefused as refusal:
        if refusal.status != 401 or 'error="invalid_token"' not in refusal.challenge:
            raise
        return False


# --- the answer -----------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("TK-01", "TK-02")
async def test_the_answer(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    answer = await client.http.post(TOKEN, data=form(client, code, attempt))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    tokens = answer.json()
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 3600, "openid")


@pytest.mark.spec("AT-01", "AT-02", "AT-03")
async def test_what_an_access_token_says(stage: Stage, client: ScriptedClient):
    await client.login()
    token = client.tokens["access_token"]
    keys = (await stage.http.get(f"{BASE}/.well-known/jwks.json")).json()
    header, claims = jwt.decode(token, jwt.JWTKeySet.from_jwks(keys), algorithms=["ES256"])
    assert (header["typ"], header["kid"]) == ("at+jwt", keys["keys"][0]["kid"])
    assert claims["iss"] == BASE
    assert claims["aud"] == stage.resource
    assert claims["sub"] == "alice"
    assert claims["client_id"] == client.registration["client_id"]
    assert claims["scope"] == "openid"
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["jti"]


@pytest.mark.spec("TK-25")
async def test_a_client_that_did_not_ask_for_refresh_tokens_gets_none(stage: Stage):
    client = await stage.signed_in(register={"grant_types": ["authorization_code"]})
    assert "refresh_token" not in client.tokens
    assert await is_accepted(client)


@pytest.mark.spec("TK-26")
async def test_browser_clients(stage: Stage, client: ScriptedClient):
    asked = {
        "origin": "https://inspector.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type",
    }
    preflight = await stage.http.options(TOKEN, headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"] == "authorization, content-type"
    refusal = await stage.http.post(TOKEN, data={}, headers={"origin": "https://inspector.example"})
    assert refusal.headers["access-control-allow-origin"] == "*"


# --- spent once -----------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("TK-03", "TK-04")
async def test_a_code_is_spent_once(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    await client.exchange(code, attempt)
    assert await refused(client, code, attempt) == (400, "invalid_grant")


@pytest.mark.spec("TK-05")
async def test_a_valid_replay_ends_what_the_code_gave(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    await client.exchange(code, attempt)
    assert await is_accepted(client)
    assert await refused(client, code, attempt) == (400, "invalid_grant")
    assert not await is_accepted(client)
    with pytest.raises(StepFailed, match="invalid_grant"):
        await client.refresh()
    assert {"reused", "revoked"} <= set(stage.names())


@pytest.mark.spec("TK-05")
async def test_a_late_replay_ends_it_though_nothing_was_used(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    await client.exchange(code, attempt)
    stage.clock.advance(11)
    await refused(client, code, attempt)
    assert not await is_accepted(client)


async def test_an_impatient_second_post_ends_nothing(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    await client.exchange(code, attempt)
    assert await refused(client, code, attempt) == (400, "invalid_grant")
    assert await is_accepted(client)


@pytest.mark.spec("TK-05")
async def test_an_invalid_replay_ends_nothing(stage: Stage, client: ScriptedClient):
    other = await stage.registered("bob")
    code, attempt = await stage.with_code(client)
    await client.exchange(code, attempt)
    assert await is_accepted(client)
    stage.clock.advance(60)
    await refused(other, code, attempt)
    await refused(client, code, attempt, code_verifier=new_verifier())
    await refused(client, code, attempt, redirect_uri="http://127.0.0.1:33418/other")
    await refused(client, code[:-4] + "AAAA", attempt)
    assert await is_accepted(client)
    assert (await client.refresh())["access_token"]


@pytest.mark.spec("TK-11")
async def test_of_many_at_once_one_succeeds(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    answers = await asyncio.gather(*(client.http.post(TOKEN, data=form(client, code, attempt)) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7


# --- refused, and not spent -----------------------------------------------------------------------------------------------------


@pytest.mark.spec("TK-07", "TK-08", "TK-09", "TK-12", "TK-13", "TK-14", "TK-24", "AZ-21")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:33418/other"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:1/callback"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({"code": ""}, "invalid_request"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"resource": "not a resource"}, "invalid_target"),
    ],
)
async def test_a_wrong_request_spends_nothing(stage: Stage, client: ScriptedClient, changes: dict[str, str], error: str):
    code, attempt = await stage.with_code(client)
    assert await refused(client, code, attempt, **changes) == (400, error)
    assert (await client.exchange(code, attempt, resource=stage.resource))["access_token"]


@pytest.mark.spec("TK-06")
async def test_a_code_of_another_client(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    other = await stage.registered("bob")
    assert await refused(other, code, attempt) == (400, "invalid_grant")
    assert (await client.exchange(code, attempt))["access_token"]


@pytest.mark.spec("TK-10")
async def test_the_redirect_uri_need_not_be_repeated(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    assert await refused(client, code, attempt, redirect_uri="") == (200, "")


@pytest.mark.spec("TK-14")
@pytest.mark.parametrize("name", ["code", "grant_type", "client_id", "code_verifier", "redirect_uri", "unknown"])
async def test_a_repeated_parameter(stage: Stage, client: ScriptedClient, name: str):
    code, attempt = await stage.with_code(client)
    values = {**form(client, code, attempt), "unknown": "1"}
    pairs = [*values.items(), (name, values[name])]
    body = "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs)
    answer = await client.http.post(TOKEN, content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await client.exchange(code, attempt))["access_token"]


@pytest.mark.spec("TK-15")
async def test_a_grant_that_the_client_did_not_register(stage: Stage):
    client = await stage.signed_in(register={"grant_types": ["authorization_code"]})
    with pytest.raises(StepFailed) as failure:
        await client.refresh(refresh_token="vsr_whatever")
    assert (failure.value.status, failure.value.error) == (400, "unauthorized_client")


@pytest.mark.spec("TK-16")
async def test_only_a_form_in_a_post_counts(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    values = form(client, code, attempt)
    assert (await client.http.get(TOKEN, params=values)).status_code == 405
    as_json = await client.http.post(TOKEN, json=values)
    assert (as_json.status_code, as_json.json()["error"]) == (400, "invalid_request")
    in_query = await client.http.post(TOKEN, params=values, data={"grant_type": "authorization_code"})
    assert (in_query.status_code, in_query.json()["error"]) == (400, "invalid_request")
    assert (await client.exchange(code, attempt))["access_token"]


@pytest.mark.spec("TK-27")
@pytest.mark.parametrize(
    "body", [b"\x00", b"a=\xff", b"%", b"grant_type=%00", b"grant_type=%FF", b"&&&", b"=", b"a=" + b"x" * 70_000, b"[]" * 500]
)
async def test_junk_is_a_bad_request(stage: Stage, body: bytes):
    answer = await stage.http.post(TOKEN, content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code in (400, 413)
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize("code", ["vsc_", "vsc_AAAA", "garbage", "ü" * 40, "vsc_" + "A" * 86])
async def test_a_code_that_was_never_ours(stage: Stage, client: ScriptedClient, code: str):
    attempt = client.start()
    stage.store.calls.clear()
    assert await refused(client, code, attempt) == (400, "invalid_grant")
    assert stage.store.calls == []


async def test_the_answer_to_an_error_helps_and_tells_nothing(stage: Stage, client: ScriptedClient):
    code, attempt = await stage.with_code(client)
    answer = await client.http.post(TOKEN, data=form(client, code, attempt, code_verifier="x" * 43))
    description = answer.json()["error_description"]
    assert "code_verifier" in description
    assert answer.headers["x-request-id"] in description
    assert code not in answer.text
    assert answer.headers["cache-control"] == "no-store"


# --- client authentication ------------------------------------------------------------------------------------------------------


@pytest.mark.spec("TK-17")
@pytest.mark.parametrize("client_id", ["unknown", "vc_AAAA", ""])
async def test_an_unknown_client(stage: Stage, client: ScriptedClient, client_id: str):
    code, attempt = await stage.with_code(client)
    assert await refused(client, code, attempt, client_id=client_id) == (401, "invalid_client")


@pytest.mark.spec("ASM-05", "TK-20", "TK-19")
@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
async def test_every_method_that_is_announced_works(stage: Stage, method: str):
    client = await stage.signed_in(auth_method=method)
    assert method in client.server["token_endpoint_auth_methods_supported"]
    assert await is_accepted(client)
    assert (await client.refresh())["access_token"]


@pytest.mark.spec("TK-18")
async def test_failed_basic_is_challenged(stage: Stage):
    client = await stage.registered(auth_method="client_secret_basic")
    code, attempt = await stage.with_code(client)
    wrong = (client.registration["client_id"], "wrong")
    answer = await client.http.post(TOKEN, data=form(client, code, attempt, client_id=""), auth=wrong)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.spec("TK-19")
async def test_basic_credentials_are_decoded_as_forms(staged: SetStage):
    secret = "colons:and%percents+plus ü"
    known = ConfiguredClient(client_id="an:id/with%things", redirect_uris=[LOOPBACK_URI], client_secret=secret)
    stage = await staged(clients=[known])
    client = await stage.registered()
    client.registration = {"client_id": known.client_id}
    code, attempt = await stage.with_code(client)
    encoded = base64.b64encode(f"{quote(known.client_id, safe='')}:{quote(secret, safe='')}".encode()).decode()
    answer = await client.http.post(
        TOKEN, data=form(client, code, attempt, client_id=""), headers={"authorization": f"Basic {encoded}"}
    )
    assert answer.status_code == 200


@pytest.mark.spec("TK-21")
async def test_two_methods_at_once(stage: Stage):
    client = await stage.registered(auth_method="client_secret_post")
    code, attempt = await stage.with_code(client)
    secret = client.registration["client_secret"]
    answer = await client.http.post(
        TOKEN, data=form(client, code, attempt, client_secret=secret), auth=(client.registration["client_id"], secret)
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.spec("TK-22")
@pytest.mark.parametrize("secret", ["", "wrong", "AAAA"])
async def test_a_confidential_client_without_its_secret(stage: Stage, secret: str):
    client = await stage.registered(auth_method="client_secret_post")
    code, attempt = await stage.with_code(client)
    assert await refused(client, code, attempt, client_secret=secret) == (401, "invalid_client")
    assert (await client.exchange(code, attempt))["access_token"]


@pytest.mark.spec("TK-22")
async def test_a_refresh_needs_the_same_authentication(stage: Stage):
    client = await stage.signed_in(auth_method="client_secret_post")
    values = {"grant_type": "refresh_token", "refresh_token": client.tokens["refresh_token"]}
    answer = await client.http.post(TOKEN, data=values | {"client_id": client.registration["client_id"]})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert (await client.refresh())["access_token"]


@pytest.mark.spec("TK-23")
async def test_guessing_is_slowed_down_and_locks_nobody_out(stage: Stage):
    client = await stage.registered(auth_method="client_secret_post")
    code, attempt = await stage.with_code(client)
    statuses = {(await refused(client, code, attempt, client_secret=f"guess {number}"))[0] for number in range(12)}
    assert statuses == {401, 429}
    answer = await client.http.post(TOKEN, data=form(client, code, attempt, client_secret="guess"))
    assert int(answer.headers["retry-after"]) > 0
    assert (await client.exchange(code, attempt))["access_token"]


@pytest.fixture
async def signing(stage: Stage) -> tuple[ScriptedClient, Signer]:
    signer = ec_signer()
    client = await stage.registered(register={"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks})
    return client, signer


@pytest.mark.spec("TK-28", "ASM-05", "ASM-06")
@pytest.mark.parametrize("audience", [BASE, TOKEN, [BASE]])
async def test_a_client_that_signs(stage: Stage, signing: tuple[ScriptedClient, Signer], audience: object):
    client, signer = signing
    code, attempt = await stage.with_code(client)
    proof = signer.assertion(client.registration["client_id"], BASE, stage.clock.now(), aud=audience)
    assert await refused(client, code, attempt, **proof) == (200, "")


@pytest.mark.spec("TK-28")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another"},
        {"sub": "another"},
        {"aud": "https://other.example"},
        {"aud": [BASE, "https://other.example"]},
        {"aud": None},
        {"exp": None},
        {"exp": 1_700_000_000},
        {"exp": 2_000_000_000},
        {"jti": None},
        {"typ": "at+jwt"},
    ],
)
async def test_an_assertion_that_proves_nothing(stage: Stage, signing: tuple[ScriptedClient, Signer], changes: dict):
    client, signer = signing
    code, attempt = await stage.with_code(client)
    proof = signer.assertion(client.registration["client_id"], BASE, stage.clock.now(), **changes)
    assert await refused(client, code, attempt, **proof) == (401, "invalid_client")
    good = signer.assertion(client.registration["client_id"], BASE, stage.clock.now())
    assert await refused(client, code, attempt, **good) == (200, "")


@pytest.mark.spec("TK-28")
async def test_an_assertion_works_once_and_with_the_registered_key_only(stage: Stage, signing: tuple[ScriptedClient, Signer]):
    client, signer = signing
    code, attempt = await stage.with_code(client)
    client_id = client.registration["client_id"]
    forged = ec_signer().assertion(client_id, BASE, stage.clock.now())
    assert await refused(client, code, attempt, **forged) == (401, "invalid_client")
    assert await refused(client, code, attempt) == (401, "invalid_client")
    proof = signer.assertion(client_id, BASE, stage.clock.now())
    assert await refused(client, code, attempt, code_verifier="x" * 43, **proof) == (400, "invalid_grant")
    assert await refused(client, code, attempt, **proof) == (401, "invalid_client")
