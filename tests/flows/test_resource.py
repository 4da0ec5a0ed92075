"""The protected resource behind the bridge: which tokens open it (RFC 6750, RFC 9068 §4, MCP token handling)."""

import base64
import hashlib
import hmac
import json
import re

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, KEY, PUBLIC, Stage

from vestibule.keys import base64url, jwt
from vestibule.keys.keyring import KeyRing
from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock, ScriptedClient
from vestibule.testing.client import CallRefused
from vestibule.testing.provider.model import DEFAULT_CLIENT

pytestmark = pytest.mark.anyio

MESSAGE = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}}


@pytest.fixture
async def client(stage: Stage) -> ScriptedClient:
    return await stage.signed_in()


async def call(stage: Stage, *authorization: str, url: str | None = None, **headers: str) -> httpx2.Response:
    """A call with these ``Authorization`` headers."""
    sent = [("authorization", value) for value in authorization] + [(k.replace("_", "-"), v) for k, v in headers.items()]
    return await stage.http.post(url or stage.resource, json=MESSAGE, headers=sent)


def assert_invalid(answer: httpx2.Response, reason: str = "") -> None:
    assert answer.status_code == 401, answer.text
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert reason in answer.json()["reason"]


def parts(token: str) -> tuple[dict, dict]:
    """Header and claims."""
    header, claims, _ = (
        json.loads(base64.urlsafe_b64decode(part + "==")) if i < 2 else {} for i, part in enumerate(token.split("."))
    )
    return header, claims


def forge(token: str, *, key: KeyRing | None = None, header: dict | None = None, **claims: object) -> str:
    """The same token with other claims, signed with our own key or another."""
    ring = key or KeyRing.from_secrets(KEY)
    old_header, old_claims = parts(token)
    changed = {name: value for name, value in {**old_claims, **claims}.items() if value is not None}
    if header is None:
        return jwt.sign_access_token(ring, changed)
    merged = {name: value for name, value in {**old_header, **header}.items() if value is not None}
    merged.pop("alg", None)
    pem = ring.signing_key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return jwt.sign(changed, pem, "ES256", merged)


# --- no token, and how a token is sent --------------------------------------------------------------------------------------------


@pytest.mark.spec("RS-01", "RS-02", "RS-03", "RS-04", "RS-22")
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic YTpi"}])
async def test_whoever_comes_without_a_token_is_told_where_to_begin(stage: Stage, method: str, headers: dict[str, str]):
    answer = await stage.http.request(method, stage.resource, headers=headers)
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert "error=" not in challenge
    assert 'scope="openid"' in challenge
    [url] = re.findall(r'resource_metadata="([^"]+)"', challenge)
    assert (await stage.http.get(url)).json()["resource"] == stage.resource
    assert answer.json()["reason"] == "token_missing"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.spec("RS-05", "RS-29")
@pytest.mark.parametrize("header", ["Bearer garbage", "Bearer a.b.c", "Bearer vsr_AAAA", "Bearer " + "x" * 20_000])
async def test_garbage_is_an_invalid_token(stage: Stage, header: str):
    answer = await call(stage, header)
    assert answer.status_code in (400, 401)
    assert "error=" in answer.headers["www-authenticate"]


@pytest.mark.spec("RS-29")
async def test_a_malformed_header_is_a_bad_request(stage: Stage, client: ScriptedClient):
    good = f"Bearer {client.tokens['access_token']}"
    for headers in (["Bearer"], ["Bearer "], [good, good], [good + " more"]):
        answer = await call(stage, *headers)
        assert answer.status_code in (400, 401)


@pytest.mark.spec("RS-06")
async def test_a_token_in_the_query_or_body_is_not_looked_at(stage: Stage, client: ScriptedClient):
    token = client.tokens["access_token"]
    answer = await call(stage, url=f"{stage.resource}?access_token={token}")
    assert (answer.status_code, answer.json()["reason"]) == (401, "token_missing")
    answer = await stage.http.post(stage.resource, data={"access_token": token})
    assert (answer.status_code, answer.json()["reason"]) == (401, "token_missing")


@pytest.mark.spec("RS-07")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "bEaReR"])
async def test_the_scheme_has_no_case(stage: Stage, client: ScriptedClient, scheme: str):
    assert (await call(stage, f"{scheme} {client.tokens['access_token']}")).status_code == 200


# --- what is no access token ------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RS-08", "RS-16")
async def test_everything_else_that_is_handed_out_opens_nothing(stage: Stage, client: ScriptedClient):
    code, _ = await stage.with_code(client)
    upstream = (await client.call_tool("whoami"))["token"]
    [cookie, *_] = [value for name, value in _cookies(await client.user.browser.get(client.start().url))]
    for text in (client.tokens["refresh_token"], code, upstream, client.registration["client_id"], cookie):
        assert_invalid(await call(stage, f"Bearer {text}"))
    _, claims = parts(client.tokens["access_token"])
    now = stage.clock.now()
    id_token = forge(
        client.tokens["access_token"], header={"typ": "JWT"}, aud=claims["client_id"], nonce="x", exp=int(now) + 60
    )
    assert_invalid(await call(stage, f"Bearer {id_token}"))


def _cookies(answer: httpx2.Response) -> list[tuple[str, str]]:
    return [tuple(value.split(";")[0].split("=", 1)) for value in answer.headers.get_list("set-cookie")]


@pytest.mark.spec("RS-14", "RS-08")
@pytest.mark.parametrize("typ", ["JWT", "logout+jwt", "client-authentication+jwt", None])
async def test_a_token_of_another_type(stage: Stage, client: ScriptedClient, typ: str | None):
    forged = forge(client.tokens["access_token"], header={"typ": typ})
    assert_invalid(await call(stage, f"Bearer {forged}"), "token_type")


@pytest.mark.spec("RS-15")
async def test_an_extension_that_is_not_understood(stage: Stage, client: ScriptedClient):
    _, payload, signature = client.tokens["access_token"].split(".")
    members = parts(client.tokens["access_token"])[0] | {"crit": ["x"], "x": 1}
    assert_invalid(await call(stage, f"Bearer {_b64(members)}.{payload}.{signature}"))


@pytest.mark.spec("RS-10", "RS-11", "RS-12")
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "https://other.example/mcp"}, "token_audience"),
        ({"aud": None}, "token_audience"),
        ({"aud": BASE}, "token_audience"),
        ({"aud": [f"{BASE}/mcp", "https://other.example"]}, "token_audience"),
        ({"iss": "https://other.example"}, "token_issuer"),
        ({"iss": f"{BASE}/"}, "token_issuer"),
        ({"iss": None}, "token_issuer"),
        ({"exp": 1_700_000_000}, "token_expired"),
        ({"exp": None}, "token_claims"),
        ({"exp": "soon"}, "token_claims"),
        ({"nbf": 1_900_000_000}, "token_not_yet_valid"),
        ({"iat": 1_900_000_000}, "token_not_yet_valid"),
        ({"gid": "AAAAAAAAAAAAAAAAAAAAAA"}, "grant_unknown"),
        ({"gid": None}, "token_claims"),
        ({"client_id": "another"}, "token_claims"),
        ({"sub": None}, "token_claims"),
        ({"jti": None}, "token_claims"),
        ({"scope": ["openid"]}, "token_claims"),
    ],
)
async def test_even_our_own_key_signs_no_nonsense(stage: Stage, client: ScriptedClient, claims: dict, reason: str):
    forged = forge(client.tokens["access_token"], **claims)
    assert_invalid(await call(stage, f"Bearer {forged}"), reason)


@pytest.mark.spec("RS-11", "RS-13")
async def test_another_key_or_none(stage: Stage, client: ScriptedClient):
    token = client.tokens["access_token"]
    header, payload, signature = token.split(".")
    foreign = forge(token, key=KeyRing.from_secrets("another secret that is long enough to be one"))
    published = parts(token)[0]
    public_key = json.dumps((await stage.http.get(f"{BASE}/.well-known/jwks.json")).json()["keys"][0]).encode()
    symmetric = f"{_b64({'alg': 'HS256', 'typ': 'at+jwt', 'kid': published['kid']})}.{payload}"
    mac = base64url.encode(hmac.digest(public_key, symmetric.encode(), hashlib.sha256))
    for forged in (
        foreign,
        f"{parts_with(foreign, kid=published['kid'])}",
        f"{_b64({'alg': 'none', 'typ': 'at+jwt'})}.{payload}.",
        f"{_b64({'typ': 'at+jwt'})}.{payload}.{signature}",
        f"{symmetric}.{mac}",
        f"{header}.{payload}.{'A' * len(signature)}",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature}.{signature}",
        f"{header}.{_b64(parts(token)[1] | {'sub': 'bob'})}.{signature}",
    ):
        assert_invalid(await call(stage, f"Bearer {forged}"))
    assert (await call(stage, f"Bearer {token}")).status_code == 200


def parts_with(token: str, **members: str) -> str:
    """The token with its header changed, and therefore not signed any more."""
    _, payload, signature = token.split(".")
    return f"{_b64(parts(token)[0] | members)}.{payload}.{signature}"


def _b64(members: dict) -> str:
    return base64url.encode(json.dumps(members).encode())


@pytest.mark.spec("RS-09", "AT-03")
async def test_a_token_of_a_neighbour(clock: FakeClock, staged: SetStage):
    """Two servers on one host with one key and one store."""
    store = MemoryStore(clock)
    here = await staged(store=store, base_url=f"{BASE}/a", issuer_url=BASE)
    there = await staged(store=store, base_url=f"{BASE}/b", issuer_url=BASE, provider={"clients": [DEFAULT_CLIENT]})
    token = (await there.signed_in()).tokens["access_token"]
    assert parts(token)[1]["aud"] == f"{BASE}/b/mcp"
    assert (await call(there, f"Bearer {token}")).status_code == 200
    assert_invalid(await call(here, f"Bearer {token}"), "token_audience")


@pytest.mark.spec("RS-30")
async def test_every_request_is_checked(stage: Stage, client: ScriptedClient):
    await client.call_tool("whoami")
    await client.call_tool("whoami")
    await client.revoke()
    with pytest.raises(CallRefused) as refusal:
        await client.call_tool("whoami")
    assert refusal.value.status == 401
    assert any(event.reason == "grant_ended" for event in stage.events if event.name == "rejected")


@pytest.mark.spec("RS-23")
async def test_a_session_id_is_no_token(stage: Stage):
    answer = await call(stage, mcp_session_id="somebody-elses-session")
    assert answer.status_code == 401


# --- scopes -----------------------------------------------------------------------------------------------------------------------


async def operate(client: ScriptedClient, method: str, params: dict[str, str]) -> httpx2.Response:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {"authorization": f"Bearer {client.tokens['access_token']}"}
    return await client.http.post(client.resource_url, json=message, headers=headers)


@pytest.mark.spec("RS-18", "RS-19", "RS-20", "RS-21", "PX-12")
async def test_stepping_up(staged: SetStage):
    stage = await staged(
        tool_scopes={"delete_*": ["write", "audit"], "resource:secret://*": ["read"], "prompt:board": ["admin"]},
        scope_hierarchy={"admin": ["write", "audit", "read"]},
    )
    client = await stage.signed_in()
    assert (await client.call_tool("whoami"))["scopes"] == ["openid"]
    asked = [
        ("tools/call", {"name": "delete_all"}, "openid write audit"),
        ("resources/read", {"uri": "secret://plans"}, "openid read"),
        ("prompts/get", {"name": "board"}, "openid admin"),
    ]
    for method, params, scopes in asked:
        answer = await operate(client, method, params)
        assert answer.status_code == 403
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert f'scope="{scopes}"' in challenge
        assert "resource_metadata=" in challenge
    await client.login(scope="openid admin")
    for method, params, _ in asked:
        assert (await operate(client, method, params)).status_code == 200


@pytest.mark.spec("RS-19")
async def test_a_required_scope_that_is_missing_is_forbidden(staged: SetStage):
    stage = await staged(required_scopes=["openid", "email"])
    client = await stage.signed_in()
    await client.refresh(scope="openid")
    with pytest.raises(CallRefused) as refusal:
        await client.call_tool("whoami")
    assert refusal.value.status == 403
    assert 'scope="openid email"' in refusal.value.challenge


# --- where requests come from -----------------------------------------------------------------------------------------------------


@pytest.mark.spec("RS-26")
async def test_a_foreign_origin_is_refused_with_the_best_token(staged: SetStage):
    stage = await staged(base_url=PUBLIC, allowed_origins=["https://inspector.example"])
    good = f"Bearer {(await stage.signed_in()).tokens['access_token']}"
    assert (await call(stage, good, origin="http://evil.example")).status_code == 403
    assert (await call(stage, good, origin="null")).status_code == 403
    for origin in (PUBLIC, "https://inspector.example"):
        assert (await call(stage, good, origin=origin)).status_code == 200


@pytest.mark.spec("RS-27", "RS-28")
async def test_a_foreign_host_is_refused(stage: Stage, client: ScriptedClient):
    good = f"Bearer {client.tokens['access_token']}"
    answer = await call(stage, good, host="evil.example")
    assert answer.status_code == 421
    assert "evil.example" not in answer.text + str(answer.headers)
    assert (await call(stage, good, host="localhost:9500")).status_code == 200


@pytest.mark.spec("RS-32")
async def test_browser_clients(stage: Stage):
    origin = {"origin": "http://localhost:6274"}
    preflight = await stage.http.options(
        stage.resource,
        headers=origin | {"access-control-request-method": "POST", "access-control-request-headers": "authorization"},
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization"
    refused = await stage.http.post(stage.resource, headers=origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == origin["origin"]
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]


# --- keys -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("AT-04")
async def test_tokens_outlive_a_change_of_keys(clock: FakeClock, staged: SetStage):
    store = MemoryStore(clock)
    stage = await staged(store=store)
    client = await stage.signed_in()
    good = f"Bearer {client.tokens['access_token']}"
    newer = "the next key, which is of the same length or longer"
    both = await staged(store=store, at=stage.provider, jwt_signing_key=[newer, KEY])
    assert (await call(both, good)).status_code == 200
    refreshed = both.client()
    refreshed.server, refreshed.registration, refreshed.tokens = client.server, client.registration, client.tokens
    await refreshed.refresh()
    old_kid, new_kid = (parts(tokens["access_token"])[0]["kid"] for tokens in (client.tokens, refreshed.tokens))
    published = [key["kid"] for key in (await both.http.get(f"{BASE}/.well-known/jwks.json")).json()["keys"]]
    assert published == [new_kid, old_kid]
    gone = await staged(store=store, at=stage.provider, jwt_signing_key=newer)
    assert_invalid(await call(gone, good))


@pytest.mark.spec("RS-10")
async def test_a_path_that_reads_the_same_is_protected_the_same(stage: Stage):
    for path in ("/mcp/", "//mcp", "/mcp/anything", "/MCP", "/%6dcp", "/mcp%2f", "/x/../mcp"):
        answer = await stage.http.post(BASE + path, json=MESSAGE)
        assert answer.status_code == 401, path
