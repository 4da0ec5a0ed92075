"""``POST /register`` (RFC 7591): nothing is stored, and the answer says what was registered."""

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, KEY, Stage, open_consent

from vestibule.testing import FakeClock
from vestibule.testing.client import StepFailed

pytestmark = pytest.mark.anyio

REGISTER = f"{BASE}/register"
MINIMAL = {"redirect_uris": ["http://127.0.0.1:33418/callback"]}


@pytest.mark.spec("DCR-01", "DCR-02", "DCR-04")
async def test_everything_that_was_registered_comes_back(stage: Stage):
    asked = {
        "redirect_uris": ["http://127.0.0.1:33418/callback", "https://app.example/callback"],
        "client_name": "Notes",
        "client_uri": "https://app.example/",
        "logo_uri": "https://app.example/logo.png",
        "contacts": ["ops@app.example"],
        "scope": "openid profile",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "software_id": "notes",
        "software_version": "1.2",
    }
    answer = await stage.http.post(REGISTER, json=asked)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    registered = answer.json()
    assert asked.items() <= registered.items()
    assert registered["client_id_issued_at"] == int(stage.clock.now())
    assert not {"client_secret", "client_secret_expires_at"} & registered.keys()


@pytest.mark.spec("DCR-03")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_secret_comes_with_its_end(stage: Stage, method: str):
    registered = (await stage.http.post(REGISTER, json=MINIMAL | {"token_endpoint_auth_method": method})).json()
    assert registered["token_endpoint_auth_method"] == method
    assert registered["client_secret"]
    assert registered["client_secret_expires_at"] == 0


@pytest.mark.spec("DCR-05")
@pytest.mark.parametrize(
    "document", [{}, {"redirect_uris": []}, {"redirect_uris": "https://app.example/"}, {"redirect_uris": [1]}]
)
async def test_a_client_needs_redirect_uris(stage: Stage, document: dict):
    answer = await stage.http.post(REGISTER, json=document)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_redirect_uri"


@pytest.mark.spec("DCR-06", "DCR-07", "DCR-08")
@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/cb#fragment",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "http://app.example/cb",
        "/callback",
        "app.example/callback",
        "https://user@app.example/cb",
        "myapp:/cb",
        "https:///cb",
        "https://app.example\\@evil.example/",
    ],
)
async def test_where_no_code_may_ever_go(stage: Stage, uri: str):
    answer = await stage.http.post(REGISTER, json={"redirect_uris": ["http://127.0.0.1/ok", uri]})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_redirect_uri"


@pytest.mark.spec("DCR-07")
@pytest.mark.parametrize(
    "uri", ["com.example.app:/cb", "cursor://anysphere.cursor-mcp/oauth/callback", "vscode://x/y", "http://[::1]:1/cb"]
)
async def test_where_native_clients_get_their_codes(stage: Stage, uri: str):
    answer = await stage.http.post(REGISTER, json={"redirect_uris": [uri]})
    assert answer.status_code == 201
    assert answer.json()["redirect_uris"] == [uri]


@pytest.mark.spec("DCR-09", "DCR-12")
async def test_the_server_names_clients_and_ignores_what_it_does_not_know(stage: Stage):
    named = MINIMAL | {"client_id": "admin", "client_secret": "mine", "x_future": {"a": 1}}
    registered = (await stage.http.post(REGISTER, json=named)).json()
    assert registered["client_id"] not in ("admin", "")
    assert "client_secret" not in registered
    assert "x_future" not in registered


@pytest.mark.spec("CI-13")
async def test_an_id_is_never_taken_for_the_url_of_a_document(stage: Stage):
    ids = {(await stage.http.post(REGISTER, json=MINIMAL)).json()["client_id"] for _ in range(5)}
    assert len(ids) == 5
    assert not any("://" in client_id for client_id in ids)


@pytest.mark.spec("DCR-10")
async def test_grants_that_do_not_exist_here_are_dropped_or_refused(stage: Stage):
    mixed = MINIMAL | {"grant_types": ["authorization_code", "implicit", "password"], "response_types": ["code", "token"]}
    registered = (await stage.http.post(REGISTER, json=mixed)).json()
    assert registered["grant_types"] == ["authorization_code"]
    assert registered["response_types"] == ["code"]
    for useless in ({"grant_types": ["implicit"]}, {"response_types": ["token"]}):
        answer = await stage.http.post(REGISTER, json=MINIMAL | useless)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@pytest.mark.spec("DCR-11")
async def test_keys_come_from_one_place(stage: Stage):
    both = MINIMAL | {"jwks": {"keys": [{"kty": "EC"}]}, "jwks_uri": "https://app.example/jwks"}
    answer = await stage.http.post(REGISTER, json=both | {"token_endpoint_auth_method": "private_key_jwt"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@pytest.mark.spec("DCR-13")
async def test_what_is_too_large_is_not_read(stage: Stage):
    answer = await stage.http.post(REGISTER, json=MINIMAL | {"client_name": "x" * 70_000})
    assert answer.status_code == 413
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.spec("DCR-14")
async def test_what_a_client_says_of_itself_is_text_on_the_consent_page(stage: Stage):
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    client = await stage.registered(client_name=evil, register={"logo_uri": "https://evil.example/logo.png"})
    page = await open_consent(client.user, client.start().url)
    assert "<script" not in page.html
    assert "<img" not in page.html
    assert "&lt;script&gt;" in page.html
    assert "evil.example/logo.png" not in page.html


@pytest.mark.spec("DCR-15")
async def test_an_unknown_method_is_replaced_and_the_answer_says_by_what(stage: Stage):
    asked = MINIMAL | {"token_endpoint_auth_method": "tls_client_auth"}
    answer = await stage.http.post(REGISTER, json=asked)
    assert answer.status_code == 201
    assert answer.json()["token_endpoint_auth_method"] == "none"


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"{", "application/json"), (b"[1]", "application/json"), (b"\xff", "application/json"), (b"a=b", "text/plain")],
)
async def test_what_is_no_registration(stage: Stage, content: bytes, kind: str):
    answer = await stage.http.post(REGISTER, content=content, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


async def test_nothing_is_stored(stage: Stage):
    for _ in range(3):
        assert (await stage.http.post(REGISTER, json=MINIMAL)).status_code == 201
    assert stage.store.calls == []


async def test_a_registration_outlives_a_restart_and_a_new_key(clock: FakeClock, stage: Stage, staged: SetStage):
    client = await stage.registered()
    later = await staged(at=stage.provider, jwt_signing_key=["a newer key that is also quite long enough", KEY])
    returned = later.client()
    returned.server, returned.registration = client.server, client.registration
    assert (await returned.login())["access_token"]


async def test_a_client_that_named_a_method_is_held_to_it(stage: Stage):
    client = await stage.registered(auth_method="client_secret_post")
    code, attempt = await stage.with_code(client)
    client.auth_method = "client_secret_basic"
    with pytest.raises(StepFailed) as failure:
        await client.exchange(code, attempt)
    assert (failure.value.status, failure.value.error) == (401, "invalid_client")


async def test_a_client_that_left_the_method_to_us_may_send_any(stage: Stage):
    client = await stage.registered()
    answer = await stage.http.post(REGISTER, json=MINIMAL | {"grant_types": ["authorization_code", "refresh_token"]})
    client.registration = answer.json()
    client.auth_method = "client_secret_basic"
    client.registration["client_secret"] = "something that it made up"
    assert (await client.login())["access_token"]


async def test_browser_clients_may_register(stage: Stage):
    preflight = await stage.http.options(
        REGISTER, headers={"origin": "https://inspector.example", "access-control-request-headers": "content-type"}
    )
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    answer = await stage.http.post(REGISTER, json=MINIMAL, headers={"origin": "https://inspector.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
