"""Entra ID and Azure AD B2C: tokens of every shape, the request that Entra gets, and whole logins against a fake with its errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.flows.stage import BASE, query_of
from tests.flows.test_connections import names, press, signed_in
from tests.providers.fakes.entra import APP, HOME, LOGIN, OTHER, SECRET, App, FakeEntra, aadsts
from tests.providers.fakes.fake import LIFE
from tests.providers.house import FAILED, RESOURCE, House

from vestibule.errors import ConfigurationError, TokenRejected, Unavailable
from vestibule.providers.azure import AzureJWTVerifier, AzureProvider
from vestibule.providers.azure.errors import advice, explain
from vestibule.proxy.remote import RemoteAuthProvider
from vestibule.server.page_session import proof
from vestibule.testing.client import CallRefused, StepFailed

pytestmark = pytest.mark.anyio

VECTORS = json.loads((Path(__file__).parent / "vectors" / "azure.json").read_text())
B2C = "https://contoso.b2clogin.com"


def provider(house: House, **options: Any) -> AzureProvider:
    given = {"client_id": APP, "client_secret": SECRET, "tenant_id": HOME, "required_scopes": ["read"]}
    return AzureProvider(**{**house.common, **given, **options})


@pytest.fixture
def entra(house: House) -> FakeEntra:
    """Entra, reachable; which bridge is before it is the test's choice."""
    fake = FakeEntra(clock=house.clock)
    house.apps[LOGIN] = fake.asgi
    return fake


@pytest.fixture
def bridge(house: House, entra: FakeEntra) -> AzureProvider:
    auth = provider(house)
    house.open(auth)
    return auth


# --- tokens ---------------------------------------------------------------------------------------------------------------------


def verifier(house: House, vector: dict[str, Any]) -> tuple[AzureJWTVerifier, str]:
    """The verifier of a vector, and its token."""
    options = vector["verifier"]
    host = f"https://{options.get('base_authority', 'login.microsoftonline.com')}"
    fake = FakeEntra(clock=house.clock, host=host, policy="B2C_1_susi" if "/" in options["tenant_id"] else None)
    house.apps[host] = fake.asgi
    times = {"exp": int(house.clock.now()) - 60} if vector.get("expired") else {}
    return AzureJWTVerifier(client_id=APP, http_client=house.http(), clock=house.clock, **options), fake.sign(
        vector["claims"], **times
    )


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda vector: vector["name"])
async def test_tokens_of_this_api_are_accepted(house: House, vector: dict[str, Any]) -> None:
    check, token = verifier(house, vector)
    caller = await check.check_token(token)
    assert caller.subject == vector["claims"]["sub"]
    assert caller.scopes == vector["claims"]["scp"].split()
    assert caller.client_id == vector["claims"].get("azp", vector["claims"].get("appid"))


@pytest.mark.parametrize("vector", VECTORS["rejected"], ids=lambda vector: vector["name"])
async def test_other_tokens_are_rejected_with_the_reason(house: House, vector: dict[str, Any]) -> None:
    check, token = verifier(house, vector)
    with pytest.raises(TokenRejected) as refused:
        await check.check_token(token)
    assert refused.value.reason.code == vector["reason"]


@pytest.mark.parametrize("kind", ["accepted", "rejected"])
async def test_a_combination_knows_its_tokens_by_their_issuer(house: House, kind: str) -> None:
    for vector in VECTORS[kind]:
        check, token = verifier(house, vector)
        if kind == "accepted":
            assert check.recognises(token) is not False, vector["name"]
        elif vector["reason"] == "token_issuer" and "B2C" not in vector["name"]:
            assert check.recognises(token) is False, vector["name"]
        assert check.recognises("opaque") is False


async def test_an_issuer_that_was_learned_is_known(house: House) -> None:
    vector = next(vector for vector in VECTORS["accepted"] if vector["name"] == "B2C user flow")
    check, token = verifier(house, vector)
    assert check.recognises(token) is None
    await check.check_token(token)
    assert check.recognises(token) is True


async def test_a_policy_that_cannot_be_discovered_is_no_verdict(house: House) -> None:
    vector = next(vector for vector in VECTORS["accepted"] if vector["name"] == "B2C user flow")
    fake = FakeEntra(clock=house.clock, host=B2C, policy="B2C_1_susi", down={"openid-configuration"})
    house.apps[B2C] = fake.asgi
    check = AzureJWTVerifier(client_id=APP, http_client=house.http(), clock=house.clock, **vector["verifier"])
    with pytest.raises(Unavailable):
        await check.check_token(fake.sign(vector["claims"]))
    fake.down.clear()
    assert (await check.check_token(fake.sign(vector["claims"]))).subject


def test_clients_are_told_the_long_form_of_scopes() -> None:
    check = AzureJWTVerifier(client_id=APP, tenant_id=HOME, required_scopes=["read", f"api://{APP}/write", "openid"])
    assert check.required_scopes == ["read", "write"]
    assert check.scopes_supported == [f"api://{APP}/read", f"api://{APP}/write"]
    assert check.get_challenge_scopes(["admin"]) == [f"api://{APP}/admin"]
    other = AzureJWTVerifier(client_id=APP, tenant_id=HOME, required_scopes=["read"], identifier_uri="https://api.example/")
    assert other.scopes_supported == ["https://api.example/read"]


async def test_a_remote_provider_challenges_with_the_long_form(house: House, entra: FakeEntra) -> None:
    check = AzureJWTVerifier(
        client_id=APP, tenant_id=HOME, required_scopes=["read"], http_client=house.http(), clock=house.clock
    )
    house.open(RemoteAuthProvider(check, [f"{LOGIN}/{HOME}/v2.0"], BASE))
    challenge = (await house.call_with(None)).headers["www-authenticate"]
    assert f'scope="api://{APP}/read"' in challenge
    assert (await house.call_with(entra.access_token())).status_code == 200
    lacking = await house.call_with(entra.access_token(scp="other"))
    assert (lacking.status_code, f"api://{APP}/read" in lacking.headers["www-authenticate"]) == (403, True)
    assert (await house.call_with(entra.access_token(aud="api://other"))).status_code == 401
    entra.down.add("keys")
    house.clock.advance(90_000)
    assert (await house.call_with(entra.access_token())).status_code == 503


# --- what Entra is asked --------------------------------------------------------------------------------------------------------


async def test_scopes_are_prefixed_on_the_wire_and_short_here(house: House, bridge: AzureProvider, entra: FakeEntra) -> None:
    client = await house.signed_in()
    asked = query_of(client.user.pages[-1].url)
    assert asked["scope"] == f"api://{APP}/read offline_access"
    assert asked["prompt"] == "select_account"
    assert client.tokens["scope"] == "read"
    assert client.server["scopes_supported"] == ["read", "offline_access"]
    assert (await client.call_tool("who"))["scopes"] == ["read"]


async def test_the_resource_is_checked_here_and_never_sent_on(house: House, entra: FakeEntra) -> None:
    house.open(provider(house, forward_resource=True))
    client = await house.signed_in()
    assert all("resource" not in asked.form for asked in entra.asked)
    elsewhere = client.start(resource="https://elsewhere.example/mcp")
    assert query_of(await client.user.visit(elsewhere.url, client.redirect_uri))["error"] == "invalid_target"


async def test_scopes_of_other_apis_are_consented_to_and_not_asked_of_the_token_endpoint(
    house: House, entra: FakeEntra
) -> None:
    house.open(provider(house, required_scopes=["read", "openid"], additional_authorize_scopes=["User.Read", "profile"]))
    client = await house.signed_in()
    assert query_of(client.user.pages[-1].url)["scope"] == f"api://{APP}/read openid User.Read profile offline_access"
    await client.refresh()
    house.clock.advance(4000)
    await client.refresh()
    for asked in entra.requests_to("/token"):
        assert asked.form["scope"] == f"api://{APP}/read openid profile offline_access"
    assert len(entra.requests_to("/token")) == 2
    assert "User.Read" not in json.dumps(client.server)


async def test_optional_scopes_are_asked_for_when_the_client_does(house: House, entra: FakeEntra) -> None:
    house.open(provider(house, valid_scopes=["write"]))
    assert (await house.signed_in(scope="read")).tokens["scope"] == "read"
    assert (await house.signed_in(scope="read write")).tokens["scope"] == "read write"


async def test_authorize_parameters_of_ones_own_replace_the_usual_ones(house: House, entra: FakeEntra) -> None:
    house.open(provider(house, extra_authorize_params={"domain_hint": "contoso.example"}))
    asked = query_of((await house.signed_in()).user.pages[-1].url)
    assert asked["domain_hint"] == "contoso.example"
    assert "prompt" not in asked


# --- whole logins ---------------------------------------------------------------------------------------------------------------


async def test_sign_in_call_refresh_and_revoke(house: House, bridge: AzureProvider, entra: FakeEntra) -> None:
    client = await house.signed_in()
    caller = await client.call_tool("who")
    assert caller["subject"] == "pairwise-alice"
    assert (caller["claims"]["tid"], caller["claims"]["preferred_username"]) == (HOME, "alice@contoso.example")
    assert caller["resource"] == RESOURCE
    await client.refresh()
    await client.call_tool("who")
    await client.revoke()
    with pytest.raises(CallRefused) as refused:
        await client.call_tool("who")
    assert refused.value.status == 401
    with pytest.raises(StepFailed, match="invalid_grant"):
        await client.refresh()


@pytest.mark.parametrize(("tenant", "user"), [("organizations", "bob"), ("common", "paul"), ("consumers", "paul")])
async def test_users_of_shared_tenants_sign_in(house: House, entra: FakeEntra, tenant: str, user: str) -> None:
    house.open(provider(house, tenant_id=tenant, required_scopes=["read", "openid"]))
    client = await house.signed_in(user)
    assert (await client.call_tool("who"))["subject"] == f"pairwise-{user}"


async def test_users_of_two_tenants_with_one_subject_do_not_see_each_others_apps(house: House, entra: FakeEntra) -> None:
    house.open(provider(house, tenant_id="organizations", required_scopes=["read", "openid"]))
    for user in ("alice", "bob"):
        entra.users[user] = {**entra.users[user], "sub": "the-same"}
    clients = [await house.signed_in(user) for user in ("alice", "bob")]
    for number, client in enumerate(clients):
        page = await signed_in(client.user)
        assert names(page) == ["Scripted client"]
        await press(client.user, page, "disconnect")
        calls = [(await house.call_with(each.tokens["access_token"])).status_code for each in clients]
        assert calls == ([401, 200], [401, 401])[number]


async def test_who_disconnects_all_apps_disconnects_none_of_another_tenants_user(house: House, entra: FakeEntra) -> None:
    house.open(provider(house, tenant_id="organizations", required_scopes=["read", "openid"]))
    for user in ("alice", "bob"):
        entra.users[user] = {**entra.users[user], "sub": "the-same"}
    clients = [await house.signed_in(user) for user in ("alice", "alice", "bob")]
    await press(clients[0].user, await signed_in(clients[0].user), "disconnect_all")
    calls = [(await house.call_with(each.tokens["access_token"])).status_code for each in clients]
    assert calls == [401, 401, 200]


async def test_whose_an_app_is_is_looked_at_once_more_when_it_is_disconnected(house: House, entra: FakeEntra) -> None:
    """Not even with a proof for it, which the page makes for nobody."""
    auth = provider(house, tenant_id="organizations", required_scopes=["read", "openid"])
    house.open(auth)
    for user in ("alice", "bob"):
        entra.users[user] = {**entra.users[user], "sub": "the-same"}
    alice, bob = [await house.signed_in(user) for user in ("alice", "bob")]
    forms = [form.hidden for form in (await signed_in(bob.user)).forms if ("action", "disconnect") in form.buttons]
    await signed_in(alice.user)
    [cookie] = [value for name, value in alice.user.browser.cookies.items() if "page-session" in name]
    opened = auth.hall.sealer.open("page session", cookie, bound_to=BASE.encode())
    assert opened is not None
    session, connection = str(json.loads(opened)["id"]), forms[0]["connection"]
    data = {"action": "disconnect", "connection": connection, "csrf_token": proof(auth.hall, session, "disconnect", connection)}
    answer = await alice.user.browser.post(f"{BASE}/connections", data=data)
    assert answer.status_code == 404
    assert (await house.call_with(bob.tokens["access_token"])).status_code == 200


async def test_a_renewed_id_token_of_another_tenant_ends_the_session(house: House, entra: FakeEntra) -> None:
    """OIDC Core §12.2."""
    house.open(provider(house, tenant_id="organizations", required_scopes=["read", "openid"]))
    client = await house.signed_in("alice")
    house.clock.advance(LIFE + 1)
    entra.users["alice"] = {**entra.users["alice"], "tid": OTHER}
    with pytest.raises(StepFailed, match="invalid_grant"):
        await client.refresh()


@pytest.mark.parametrize("scopes", [["read"], ["read", "openid"]])
async def test_users_of_other_tenants_get_a_page_that_says_so(house: House, entra: FakeEntra, scopes: list[str]) -> None:
    house.open(provider(house, tenant_id="organizations", allowed_tenants=[HOME], required_scopes=scopes))
    await house.signed_in("alice")
    page = await house.page_of_refusal("bob")
    assert page.status == 403
    assert "sign_in_refused" in page.html


@pytest.mark.parametrize("token", ["foreign_app", "other_tenant", "id_token", "audience"])
async def test_tokens_of_elsewhere_never_complete_a_login(
    house: House, bridge: AzureProvider, entra: FakeEntra, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = {
        "foreign_app": entra.access_token(aud="00001111-aaaa-2222-bbbb-3333cccc4444"),
        "other_tenant": entra.access_token("bob"),
        "id_token": entra.id_token(),
        "audience": entra.access_token(aud="api://other"),
    }[token]
    monkeypatch.setattr(entra, "access_token", lambda *_, **__: forged)
    with pytest.raises(FAILED):
        await house.signed_in()
    assert house.operator_events()


async def test_entras_own_tokens_do_not_open_the_bridge(house: House, bridge: AzureProvider, entra: FakeEntra) -> None:
    """Only our tokens do: another application of the tenant may hold one of Entra's."""
    for token in (entra.access_token(), entra.id_token(), entra.app_only_token()):
        assert (await house.call_with(token)).status_code == 401


async def test_a_sign_in_policy_refuses(house: House, entra: FakeEntra) -> None:
    house.open(provider(house, sign_in_policy=lambda claims: claims["preferred_username"].endswith("@elsewhere.example")))
    assert (await house.page_of_refusal()).status == 403


async def test_a_disabled_user_is_out_at_the_next_refresh(house: House, bridge: AzureProvider, entra: FakeEntra) -> None:
    client = await house.signed_in()
    entra.disabled.add("alice")
    house.clock.advance(4000)
    with pytest.raises(StepFailed, match="invalid_grant"):
        await client.refresh()
    with pytest.raises(FAILED):
        await house.signed_in()


@pytest.mark.parametrize("end", ["token", "keys"])
async def test_entra_being_down_is_503_and_costs_nothing(
    house: House, bridge: AzureProvider, entra: FakeEntra, end: str
) -> None:
    entra.down.add(end)
    assert (await house.page_of_refusal()).status == 503
    entra.down.clear()
    house.clock.advance(10)
    client = await house.signed_in()
    entra.down.add("token")
    entra.status = 429
    house.clock.advance(4000)
    with pytest.raises(StepFailed) as failed:
        await client.refresh()
    assert failed.value.status == 503
    entra.down.clear()
    house.clock.advance(10)
    await client.refresh()


# --- the errors that people meet ------------------------------------------------------------------------------------------------


async def test_resource_among_the_extra_parameters_is_explained(house: House, entra: FakeEntra) -> None:
    house.open(provider(house, extra_token_params={"resource": "https://x.example"}))
    assert (await house.page_of_refusal()).status == 502
    [detail] = house.operator_events()
    assert "extra_token_params" in detail
    assert "AADSTS9010010" in detail


async def test_a_single_page_registration_is_explained(house: House, entra: FakeEntra) -> None:
    entra.registration = App(platform="spa")
    house.open(provider(house))
    with pytest.raises(FAILED):
        await house.signed_in()
    assert "platform Web" in house.operator_events()[0]


async def test_a_wrong_secret_is_explained_and_not_shown(house: House, entra: FakeEntra) -> None:
    house.open(provider(house, client_secret="the-id-of-the-secret"))
    page = await house.page_of_refusal()
    [detail] = house.operator_events()
    assert "Value, not its Secret ID" in detail
    assert "the-id-of-the-secret" not in detail + page.html


async def test_a_scope_that_is_not_exposed_is_explained(house: House, entra: FakeEntra) -> None:
    house.open(provider(house, required_scopes=["unheard_of"]))
    with pytest.raises(FAILED):
        await house.signed_in()
    assert "Expose an API" in house.operator_events()[0]


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("AADSTS9010010", "resource"),
        ("AADSTS901002", "resource"),
        ("AADSTS28000", "two APIs"),
        ("AADSTS70011", "identifier_uri"),
        ("AADSTS65005", "API permissions"),
        ("AADSTS650053", "Expose"),
        ("AADSTS900144", "required_scopes"),
        ("AADSTS7000114", "without a user"),
        ("AADSTS50011", "redirect URI"),
        ("AADSTS7000222", "expired"),
        ("AADB2C90118", "password"),
    ],
)
def test_every_code_that_people_meet_has_advice(code: str, hint: str) -> None:
    assert hint in (advice(f"{code}: some words of Microsoft's") or "")


def test_what_is_not_known_stays_as_it_is() -> None:
    assert explain("AADSTS99999999: never seen") == "AADSTS99999999: never seen"
    assert explain("HTTP 400 invalid_grant") == "HTTP 400 invalid_grant"


# --- B2C ------------------------------------------------------------------------------------------------------------------------


def b2c(house: House, **options: Any) -> AzureProvider:
    given = {"tenant_name": "contoso", "policy_name": "B2C_1_susi", "client_id": APP, "client_secret": SECRET}
    return AzureProvider.from_b2c(**{**house.common, **given, "required_scopes": ["read"], **options})


def b2c_fake(house: House, host: str = B2C) -> FakeEntra:
    registration = App(identifier_uri=f"https://contoso.onmicrosoft.com/{APP}")
    fake = FakeEntra(clock=house.clock, host=host, policy="B2C_1_susi", registration=registration)
    house.apps[host] = fake.asgi
    return fake


@pytest.mark.parametrize("domain", [None, "auth.contoso.example"])
async def test_b2c_users_sign_in_and_the_issuer_is_learned(house: House, domain: str | None) -> None:
    fake = b2c_fake(house, f"https://{domain}" if domain else B2C)
    house.open(b2c(house, custom_domain=domain))
    client = await house.signed_in()
    page = urlsplit(client.user.pages[-1].url)
    assert page.path == "/contoso.onmicrosoft.com/B2C_1_susi/oauth2/v2.0/authorize"
    assert query_of(page.geturl())["scope"] == f"https://contoso.onmicrosoft.com/{APP}/read offline_access"
    assert (await client.call_tool("who"))["claims"]["iss"] == f"{fake.host}/{HOME}/v2.0/"
    house.clock.advance(4000)
    await client.refresh()
    assert len(fake.requests_to("openid-configuration")) == 1


async def test_b2c_tokens_of_another_issuer_are_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = b2c_fake(house)
    house.open(b2c(house))
    stray = fake.access_token(iss=f"{B2C}/{OTHER}/v2.0/")
    monkeypatch.setattr(fake, "access_token", lambda *_, **__: stray)
    with pytest.raises(FAILED):
        await house.signed_in()


async def test_a_b2c_issuer_of_ones_own_is_not_looked_up(house: House) -> None:
    fake = b2c_fake(house)
    fake.down.add("openid-configuration")
    house.open(b2c(house, token_issuer=f"{B2C}/{HOME}/v2.0/"))
    assert await (await house.signed_in()).call_tool("who")


# --- configuration --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["client_id", "tenant_id", "required_scopes", "base_url"])
async def test_what_is_missing_is_named_with_its_variable(house: House, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is required.*VESTIBULE_AZURE_{name.upper()}"):
        provider(house, **{name: None})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"required_scopes": ["openid", "offline_access"]}, "scope of your API"),
        ({"tenant_id": "a/b/c"}, "tenant_id"),
        ({"base_authority": "https://login.microsoftonline.com"}, "base_authority"),
        ({"allowed_tenants": ["contoso.onmicrosoft.com"]}, "allowed_tenants"),
    ],
)
async def test_what_cannot_work_is_refused_at_once(house: House, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        provider(house, **options)


@pytest.mark.parametrize("tenant", ["contoso.onmicrosoft.com", ""])
async def test_a_b2c_tenant_is_a_short_name(house: House, tenant: str) -> None:
    with pytest.raises(ConfigurationError, match="tenant_name"):
        b2c(house, tenant_name=tenant)


@pytest.mark.parametrize("prefix", ["VESTIBULE_AZURE_", "FASTMCP_SERVER_AUTH_AZURE_"])
async def test_variables_are_enough(house: House, entra: FakeEntra, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = {
        "CLIENT_ID": APP,
        "CLIENT_SECRET": SECRET,
        "TENANT_ID": HOME,
        "BASE_URL": BASE,
        "REQUIRED_SCOPES": "read,write",
        "ADDITIONAL_AUTHORIZE_SCOPES": '["User.Read"]',
        "IDENTIFIER_URI": f"api://{APP}",
    }
    for name, value in written.items():
        monkeypatch.setenv(prefix + name, value)
    house.open(AzureProvider(**{name: value for name, value in house.common.items() if name != "base_url"}))
    client = await house.signed_in()
    assert client.tokens["scope"] == "read write"
    assert "User.Read" in query_of(client.user.pages[-1].url)["scope"].split()


def test_a_fake_error_is_one_of_entras() -> None:
    with pytest.raises(Exception, match="invalid_scope"):
        aadsts("invalid_scope", 28000, "more than one resource")
