"""Every option that bridges have in common does something, and is refused where it cannot work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.flows.conftest import SetStage
from tests.flows.documents import DocumentSite
from tests.flows.stage import BASE, KEY, LOOPBACK_URI, PUBLIC, WEB_URI, Stage, decide, open_consent, query_of

from vestibule.clients.configured import ConfiguredClient
from vestibule.errors import ConfigurationError
from vestibule.keys.jwt import peek_claims
from vestibule.proxy.options import CommonOptions, Options
from vestibule.testing import FakeClock, ProviderClient, ScriptedClient
from vestibule.testing.client import StepFailed

pytestmark = pytest.mark.anyio

SERVER = "/.well-known/oauth-authorization-server"
T = TypeVar("T", bound=Callable[..., Any])
shown: set[str] = set()


def shows(*names: str) -> Callable[[T], T]:
    """Marks the test that shows what an option does."""
    shown.update(names)
    return lambda test: test


def test_no_option_is_left_out():
    assert shown == set(CommonOptions.__annotations__)


async def server_document(stage: Stage) -> dict[str, Any]:
    return (await stage.http.get(stage.base_url + SERVER)).json()


async def sent_to_provider(stage: Stage, client: ScriptedClient, **request: str) -> dict[str, str]:
    """The parameters of the authorization request that the provider gets."""
    page = await open_consent(client.user, client.start(**request).url)
    answer = await decide(client.user, page)
    return query_of(next(part for part in answer.text.split('"') if "/authorize?" in part).replace("&amp;", "&"))


async def call_status(stage: Stage, client: ScriptedClient, **headers: str) -> int:
    bearer = {"authorization": f"Bearer {client.tokens['access_token']}"}
    return (await stage.http.post(stage.resource, json={"id": 1}, headers=bearer | headers)).status_code


@shows("upstream_token_protection")
async def test_the_providers_tokens_may_be_locked(staged: SetStage):
    """More of it in ``test_locked_tokens.py``."""
    client = await (await staged(upstream_token_protection="client")).signed_in()
    assert "vdk" in (peek_claims(client.tokens["access_token"]) or {})


# --- addresses --------------------------------------------------------------------------------------------------------------------


@shows("resource_base_url")
async def test_the_resource_may_be_at_another_address(staged: SetStage):
    stage = await staged(resource_base_url="http://127.0.0.1:9600")
    document = (await stage.http.get(f"{BASE}/.well-known/oauth-protected-resource/mcp")).json()
    assert document["resource"] == "http://127.0.0.1:9600/mcp"
    assert document["authorization_servers"] == [BASE]


@shows("redirect_path")
@pytest.mark.parametrize("path", ["/oauth/back", "oauth/back"])
async def test_where_the_provider_sends_people_back_to(staged: SetStage, path: str):
    app = ProviderClient("vestibule", "a-secret-for-development-and-nothing-else", redirect_uris=(f"{BASE}/oauth/back",))
    stage = await staged(redirect_path=path, provider={"clients": [app]})
    assert (await stage.signed_in()).tokens["access_token"]
    with pytest.raises(ConfigurationError, match="redirect_path"):
        await staged(redirect_path="/token")


@shows("issuer_url", "service_documentation_url")
async def test_who_issues_and_where_it_is_documented(staged: SetStage):
    stage = await staged(issuer_url=f"{BASE}/", service_documentation_url="https://docs.example/")
    document = await server_document(stage)
    assert document["issuer"] == f"{BASE}/"
    assert document["service_documentation"] == "https://docs.example/"
    for bad in ("http://public.example", f"{BASE}?x=1", "nonsense"):
        with pytest.raises(ConfigurationError, match="issuer_url"):
            await staged(issuer_url=bad)


@shows("allowed_hosts", "allowed_origins")
async def test_other_names_and_origins(staged: SetStage):
    stage = await staged(base_url=PUBLIC, allowed_hosts=["inner.example"], allowed_origins=["https://web.example"])
    client = await stage.signed_in()
    assert await call_status(stage, client, host="inner.example") == 200
    assert await call_status(stage, client, host="other.example") == 421
    assert await call_status(stage, client, origin="https://web.example") == 200
    assert await call_status(stage, client, origin="https://other.example") == 403
    assert [event.detail for event in stage.events[-2:]] == ["421 Host: other.example", "403 Origin: https://other.example"]


# --- clients ----------------------------------------------------------------------------------------------------------------------


@shows("allowed_client_redirect_uris")
async def test_redirect_uris_can_be_limited(staged: SetStage):
    stage = await staged(allowed_client_redirect_uris=["http://127.0.0.1:*"])
    assert (await stage.signed_in()).tokens["access_token"]
    with pytest.raises(StepFailed, match="invalid_redirect_uri"):
        await stage.registered(redirect_uri=WEB_URI)
    none = await staged(allowed_client_redirect_uris=[], at=stage.provider)
    with pytest.raises(StepFailed, match="invalid_redirect_uri"):
        await none.registered()


@shows("allowed_client_redirect_uris")
async def test_a_limit_made_later_holds_for_clients_of_before(staged: SetStage):
    stage = await staged()
    client = await stage.registered(redirect_uri=WEB_URI)
    later = await staged(allowed_client_redirect_uris=["http://127.0.0.1:*"], at=stage.provider)
    answer = await later.http.get(client.start().url)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@shows("enable_cimd", "client_document_hosts", "egress_proxy")
async def test_clients_named_by_documents(staged: SetStage):
    with DocumentSite() as site:
        for options, status in (
            ({}, 303),
            ({"enable_cimd": False}, 400),
            ({"egress_proxy": "http://127.0.0.1:1"}, 503),
        ):
            stage = await staged(**options)
            client = stage.client()
            await client.discover()
            client.registration = {"client_id": site.client_id}
            assert (await stage.http.get(client.start().url)).status_code == status
    assert site.fetched == 1


@shows("client_document_hosts")
async def test_an_internal_host_of_documents_has_to_be_named(staged: SetStage):
    """Nothing answers there, so that a host that may be asked is merely out of reach."""
    for hosts, status in (([], 400), (["10.255.255.1", "127.0.0.2"], 503)):
        stage = await staged(client_document_hosts=hosts)
        client = await stage.registered()
        answer = await client.user.browser.get(client.start(client_id="https://127.0.0.2:1/client.json").url)
        assert answer.status_code == status


@shows("clients")
async def test_clients_that_are_known_beforehand(staged: SetStage):
    known = ConfiguredClient(client_id="notes", redirect_uris=[LOOPBACK_URI], client_name="Notes", client_secret="s" * 20)
    stage = await staged(clients=[known])
    client = stage.client(auth_method="client_secret_post")
    await client.discover()
    client.registration = {"client_id": "notes", "client_secret": "s" * 20}
    page = await open_consent(client.user, client.start().url)
    assert "set up by the operator" in page.html
    assert (await client.login())["access_token"]


# --- scopes -----------------------------------------------------------------------------------------------------------------------


@shows("valid_scopes", "tool_scopes", "scope_hierarchy")
async def test_scopes(staged: SetStage):
    stage = await staged(
        valid_scopes=["read"], tool_scopes={"danger": ["write"]}, scope_hierarchy={"write": ["read"]}, required_scopes=["read"]
    )
    assert (await server_document(stage))["scopes_supported"] == ["read", "write", "offline_access"]
    client = await stage.signed_in(scope="write unknown")
    assert client.tokens["scope"] == "read write"
    assert (await client.refresh(scope="write"))["scope"] == "write"
    assert await call_status(stage, client) == 200


# --- towards the provider ---------------------------------------------------------------------------------------------------------


@shows("forward_pkce", "forward_resource", "extra_authorize_params", "extra_token_params")
async def test_what_is_sent_to_the_provider(staged: SetStage):
    stage = await staged()
    sent = await sent_to_provider(stage, await stage.registered())
    assert sent["resource"] == stage.resource
    assert sent["code_challenge_method"] == "S256"
    other = await staged(
        forward_pkce=False,
        forward_resource=False,
        extra_authorize_params={"prompt": "select_account", "tenant": "x"},
        extra_token_params={"tenant": "y"},
        at=stage.provider,
    )
    client = await other.registered()
    sent = await sent_to_provider(other, client, prompt="login")
    assert not {"resource", "code_challenge", "code_challenge_method"} & sent.keys()
    assert (sent["prompt"], sent["tenant"]) == ("select_account", "x")
    await client.login()
    exchanged = other.provider.requests_to("token")[-1].parameters
    assert exchanged["tenant"] == "y"
    assert not {"resource", "code_verifier"} & exchanged.keys()


@shows("extra_authorize_params", "extra_token_params")
@pytest.mark.parametrize("name", ["state", "redirect_uri", "code_challenge", "client_id", "nonce"])
async def test_what_the_protocol_needs_cannot_be_replaced(staged: SetStage, name: str):
    with pytest.raises(ConfigurationError, match=name):
        await staged(extra_authorize_params={name: "mine"})
    with pytest.raises(ConfigurationError, match="code"):
        await staged(extra_token_params={"code": "mine"})


@shows("token_endpoint_auth_method", "upstream_private_key")
async def test_how_we_authenticate_to_the_provider(staged: SetStage):
    stage = await staged()
    await stage.signed_in()
    assert stage.provider.requests_to("token")[-1].headers["authorization"].startswith("Basic ")
    post = await staged(token_endpoint_auth_method="client_secret_post", at=stage.provider)
    await post.signed_in()
    assert "client_secret" in post.provider.requests_to("token")[-1].parameters
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing = await staged(
        upstream_private_key=pem, client_secret=None, provider={"clients": [ProviderClient("vestibule", public_key=public)]}
    )
    await signing.signed_in()
    request = signing.provider.requests_to("token")[-1]
    assert "client_assertion" in request.parameters
    assert "client_secret" not in request.parameters
    with pytest.raises(ConfigurationError):
        await staged(token_endpoint_auth_method="made_up")


@shows("http_client", "clock")
async def test_the_client_and_the_clock_are_the_ones_that_were_given(stage: Stage, clock: FakeClock):
    """The provider exists in that client only, and in the year of that clock."""
    client = await stage.signed_in()
    assert stage.provider.requests_to("token")
    assert client.registration["client_id_issued_at"] == int(clock.now())


@shows("sign_in_policy", "operator_contact")
async def test_who_may_not_sign_in_learns_whom_to_ask(staged: SetStage):
    stage = await staged(sign_in_policy=lambda claims: False, operator_contact="ops@example.com")
    client = await stage.registered()
    answer = await client.user.browser.get(await client.user.visit(client.start().url, stage.callback))
    assert answer.status_code == 403
    assert "ops@example.com" in answer.text


# --- state ------------------------------------------------------------------------------------------------------------------------


def private_files(directory: Path) -> list[str]:
    """The suffixes of its files that nobody else can read."""
    return [path.suffix for path in directory.iterdir() if path.stat().st_mode & 0o777 == 0o600]


@shows("client_storage", "jwt_signing_key")
async def test_by_default_state_and_key_are_kept_and_survive(staged: SetStage, vestibule_home: Path):
    stage = await staged(client_storage=None, jwt_signing_key=None)
    client = await stage.signed_in()
    assert {".sqlite3", ".key"} <= set(private_files(vestibule_home))
    later = await staged(client_storage=None, jwt_signing_key=None, at=stage.provider)
    assert await call_status(later, client) == 200
    elsewhere = await staged(client_storage="memory://", jwt_signing_key=None, at=stage.provider)
    assert await call_status(elsewhere, client) == 401


@shows("jwt_signing_key")
async def test_keys_that_are_too_weak(staged: SetStage, caplog: pytest.LogCaptureFixture):
    for weak in ("", "short"):
        with pytest.raises(ConfigurationError):
            await staged(base_url=PUBLIC, jwt_signing_key=weak)
    await staged(jwt_signing_key="short")
    assert "short" not in caplog.text.replace("shorter", "")
    assert caplog.records


@shows("jwt_signing_key")
async def test_the_first_of_several_keys_signs(staged: SetStage):
    newer = "another key that is long enough for a public server"
    stage = await staged(jwt_signing_key=[newer, KEY])
    keys = (await stage.http.get(f"{BASE}/.well-known/jwks.json")).json()["keys"]
    alone = await staged(jwt_signing_key=newer, at=stage.provider)
    assert keys[0] in (await alone.http.get(f"{BASE}/.well-known/jwks.json")).json()["keys"]
    assert len(keys) == 2


# --- consent and pages ------------------------------------------------------------------------------------------------------------


@shows("require_authorization_consent")
@pytest.mark.parametrize(("mode", "asks"), [(True, True), ("remember", True), ("external", False), (False, False)])
async def test_whether_we_ask(staged: SetStage, mode: object, asks: bool):
    stage = await staged(require_authorization_consent=mode)
    client = await stage.registered()
    answer = await client.user.browser.get(client.start().url)
    assert ("/consent" in answer.headers["location"]) is asks
    with pytest.raises(ConfigurationError, match="require_authorization_consent"):
        await staged(require_authorization_consent="sometimes")


@shows("consent_csp_policy")
async def test_the_content_security_policy(staged: SetStage):
    for given, expected in (("", None), ("default-src 'self'", "default-src 'self'")):
        stage = await staged(consent_csp_policy=given)
        client = await stage.registered()
        page = await open_consent(client.user, client.start().url)
        assert page.headers.get("content-security-policy") == expected


@shows("connections_page")
async def test_the_page_of_connected_apps_may_be_left_out(staged: SetStage):
    """More of it in ``test_connections.py``."""
    assert (await (await staged()).http.get(f"{BASE}/connections")).status_code == 200
    assert (await (await staged(connections_page=False)).http.get(f"{BASE}/connections")).status_code == 404


@shows("page_templates", "page_colours")
async def test_the_pages_may_look_as_you_like(staged: SetStage, tmp_path: Path):
    (tmp_path / "consent.html").write_text('{% extends "builtin/consent.html" %}{% block title %}Ours{% endblock %}')
    stage = await staged(page_templates=tmp_path, page_colours={"accent": "#123456"})
    client = await stage.registered()
    page = await open_consent(client.user, client.start().url)
    assert "<title>Ours" in page.html
    assert "#123456" in page.html


# --- time -------------------------------------------------------------------------------------------------------------------------


@shows("access_token_expiry_seconds", "fastmcp_access_token_expiry_seconds")
@pytest.mark.parametrize("name", ["access_token_expiry_seconds", "fastmcp_access_token_expiry_seconds"])
async def test_how_long_our_access_tokens_live(staged: SetStage, name: str):
    stage = await staged(**{name: 120})
    client = await stage.signed_in()
    assert client.tokens["expires_in"] == 120
    stage.clock.advance(121)
    assert await call_status(stage, client) == 401
    with pytest.raises(ConfigurationError, match=name):
        await staged(**{name: 0})


@shows("fallback_refresh_token_expiry_seconds")
async def test_how_long_a_session_lives_unused(staged: SetStage):
    stage = await staged(fallback_refresh_token_expiry_seconds=1000)
    client = await stage.signed_in()
    stage.clock.advance(999)
    await client.refresh()
    stage.clock.advance(1001)
    with pytest.raises(StepFailed, match="invalid_grant"):
        await client.refresh()


@shows("token_expiry_threshold_seconds")
async def test_how_early_the_provider_is_asked(staged: SetStage):
    stage = await staged(provider={"access_token_seconds": 100}, token_expiry_threshold_seconds=30)
    client = await stage.signed_in()
    stage.clock.advance(69)
    await call_status(stage, client)
    assert len(stage.provider.requests_to("token")) == 1
    stage.clock.advance(2)
    await call_status(stage, client)
    assert len(stage.provider.requests_to("token")) == 2


@shows("token_expiry_threshold_seconds")
async def test_an_early_renewal_that_fails_harms_nobody(staged: SetStage):
    stage = await staged(provider={"access_token_seconds": 100}, token_expiry_threshold_seconds=30)
    client = await stage.signed_in()
    stage.provider.faults.fail("token", times=None)
    stage.clock.advance(80)
    assert await call_status(stage, client) == 200
    stage.clock.advance(21)
    assert await call_status(stage, client) == 503


@shows("fallback_access_token_expiry_seconds")
async def test_a_provider_that_does_not_say_how_long(staged: SetStage):
    stage = await staged(provider={"access_token_seconds": 0}, fallback_access_token_expiry_seconds=50)
    client = await stage.signed_in()
    stage.clock.advance(49)
    assert await call_status(stage, client) == 200
    assert len(stage.provider.requests_to("token")) == 1
    stage.clock.advance(2)
    assert await call_status(stage, client) == 200
    assert len(stage.provider.requests_to("token")) == 2


@shows("token_check_seconds")
async def test_how_often_an_opaque_token_is_asked_about(staged: SetStage):
    stage = await staged(provider={"access_token_format": "opaque"}, token_check_seconds=100)
    client = await stage.signed_in()
    before = len(stage.provider.requests)
    stage.clock.advance(99)
    assert await call_status(stage, client) == 200
    assert len(stage.provider.requests) == before
    stage.clock.advance(2)
    assert await call_status(stage, client) == 200
    assert len(stage.provider.requests) > before


@shows("revocation_delay_seconds")
async def test_how_fast_another_process_notices(staged: SetStage):
    stage = await staged()
    eager = await staged(at=stage.provider, store=stage.store, revocation_delay_seconds=0)
    slow = await staged(at=stage.provider, store=stage.store, revocation_delay_seconds=60)
    client = await stage.signed_in()
    for other in (eager, slow, eager, slow):
        assert await call_status(other, client) == 200
    await client.revoke()
    assert await call_status(eager, client) == 401
    assert await call_status(slow, client) == 200
    stage.clock.advance(60)
    assert await call_status(slow, client) == 401
    with pytest.raises(ConfigurationError, match="revocation_delay_seconds"):
        await staged(revocation_delay_seconds=-1)


@shows("store_outage_seconds")
async def test_how_long_sessions_go_on_without_the_store(staged: SetStage):
    strict, lenient = await staged(), await staged(store_outage_seconds=60)
    for stage, statuses in ((strict, [503, 503]), (lenient, [200, 503])):
        client = await stage.signed_in()
        assert [await call_status(stage, client) for _ in range(2)] == [200, 200]
        stage.store.broken = {"get", "put_new", "swap"}
        stage.clock.advance(64)
        assert await call_status(stage, client) == statuses[0]
        stage.clock.advance(1)
        assert await call_status(stage, client) == statuses[1]
    with pytest.raises(ConfigurationError, match="store_outage_seconds"):
        await staged(store_outage_seconds=-1)


@shows("health_routes")
async def test_health_routes_make_way_for_the_applications_own(staged: SetStage):
    ours, theirs = await staged(), await staged(health_routes=False)
    for path in ("/healthz", "/readyz"):
        assert (await ours.http.get(BASE + path)).json()["status"] == "ok"
        assert (await theirs.http.get(BASE + path)).status_code == 404
        with pytest.raises(ConfigurationError, match="redirect_path"):
            await staged(redirect_path=path)


@shows("admin_token")
async def test_the_operators_address_is_there_only_where_it_is_opened(staged: SetStage):
    """More of it in ``test_admin.py``."""
    token = "Wd8sKq3Vn6Tz1Rb9Lx4Jm7Ph2Gf5Yc0E"
    headers = {"authorization": f"Bearer {token}"}
    for stage, status in ((await staged(), 404), (await staged(admin_token=token), 200)):
        assert (await stage.http.get(f"{BASE}/admin/sessions", headers=headers)).status_code == status
    for bad, words in (("short", "admin_token has only 5 bytes"), ("", "admin_token is empty"), ("ä" * 20 + token, "letters")):
        with pytest.raises(ConfigurationError, match=words):
            await staged(base_url=PUBLIC, admin_token=bad)
    assert token not in repr(Options(admin_token=token))
