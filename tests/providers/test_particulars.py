"""What is particular about single providers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from tests.flows.stage import BASE
from tests.providers.discovery import serve_documents
from tests.providers.fakes import apis, openid, registering
from tests.providers.fakes.registry import CASES
from tests.providers.fakes.vendor import OUR_SECRET
from tests.providers.house import FAILED, RESOURCE, House

from vestibule.errors import ConfigurationError
from vestibule.providers.aws import AWSCognitoProvider
from vestibule.providers.descope import DescopeProvider
from vestibule.providers.discord import DiscordProvider
from vestibule.providers.github import GitHubProvider
from vestibule.providers.google import GoogleProvider
from vestibule.providers.keycloak import KeycloakAuthProvider, KeycloakProvider
from vestibule.providers.oci import OCIProvider
from vestibule.providers.okta import OktaProvider
from vestibule.providers.scalekit import ScalekitProvider
from vestibule.providers.supabase import SupabaseProvider
from vestibule.testing.client import CallRefused
from vestibule.testing.user import UnexpectedPage

pytestmark = pytest.mark.anyio

Place = Callable[..., Any]


@pytest.fixture
def place(house: House, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Puts a fake in place, and the provider before the server."""

    def put(fake: Any, provider: Any, *, remote: bool = False, secret: str = OUR_SECRET, **options: Any) -> Any:
        house.apps.update(fake.apps)
        serve_documents(fake, monkeypatch)
        common = house.common
        if remote:
            common = {name: common[name] for name in ("base_url", "clock", "http_client")}
        else:
            common |= {"client_id": fake.client_id, "client_secret": secret}
        auth = provider(**{**common, **options})
        house.open(auth)
        return auth

    return put


def asked_to_authorize(fake: Any) -> dict[str, str]:
    return next(asked.form for asked in fake.asked if asked.form.get("response_type") == "code")


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.remote and case.name != "azure"], ids=lambda case: case.name
)
async def test_clients_may_ask_for_offline_access_anywhere(case: Any, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which many do, whatever the provider: one that does not know it never hears of it."""
    fake = case.fake(clock=house.clock)
    house.apps.update(fake.apps)
    serve_documents(fake, monkeypatch)
    auth = case.build(fake, house.common)
    house.open(auth)
    client = await house.signed_in(scope=" ".join([*auth.required_scopes, "offline_access"]))
    known = "offline_access" in fake.document()["scopes_supported"]
    assert ("offline_access" in asked_to_authorize(fake)["scope"].split()) == known
    assert client.tokens["refresh_token"]


# --- GitHub ---------------------------------------------------------------------------------------------------------------------


async def test_github_errors_with_status_200_are_errors(house: House, place: Place) -> None:
    place(apis.GitHub(clock=house.clock), GitHubProvider, secret="a secret that was replaced")
    client = house.client()
    with pytest.raises(FAILED):
        await client.login()
    [detail] = house.operator_events()
    assert "incorrect_client_credentials" in detail
    assert "a secret that was replaced" not in detail


async def test_a_scope_that_a_wider_one_includes_counts_as_granted(house: House, place: Place) -> None:
    fake = apis.GitHub(clock=house.clock)
    place(fake, GitHubProvider, required_scopes=["user", "read:user"])
    client = house.client()
    await client.discover()
    await client.register()
    fake.answer = lambda allowed, form: {**apis.GitHub.answer(fake, allowed, form), "scope": "user"}  # type: ignore[method-assign]
    await client.login()
    assert {"user", "read:user"} <= set((await client.call_tool("whoami"))["scopes"])


async def test_github_sessions_end_only_when_they_are_not_used(house: House, place: Place) -> None:
    """Its tokens have no end and no refresh."""
    place(apis.GitHub(clock=house.clock), GitHubProvider)
    client = await house.signed_in()
    for _ in range(8):
        house.clock.advance(20 * 86_400)
        await client.refresh()
    assert (await client.call_tool("whoami"))["claims"]["login"] == "alice"


# --- Google ---------------------------------------------------------------------------------------------------------------------


async def test_google_gives_a_refresh_token_each_time_because_consent_is_asked(house: House, place: Place) -> None:
    fake = apis.Google(clock=house.clock)
    place(fake, GoogleProvider)
    for _ in range(2):
        client = await house.signed_in()
        house.clock.advance(3601)
        await client.refresh()
        house.clock.advance(3601)
        await client.refresh()  # with the same one: Google does not repeat it
    asked = asked_to_authorize(fake)
    assert (asked["access_type"], asked["prompt"]) == ("offline", "consent")
    assert "resource" not in asked


async def test_what_is_asked_of_google_can_be_changed(house: House, place: Place) -> None:
    fake = apis.Google(clock=house.clock)
    place(fake, GoogleProvider, extra_authorize_params={"prompt": "select_account"})
    await house.signed_in()
    asked = asked_to_authorize(fake)
    assert (asked["access_type"], asked["prompt"]) == ("offline", "select_account")


async def test_google_scopes_by_either_name(house: House, place: Place) -> None:
    place(apis.Google(clock=house.clock), GoogleProvider, required_scopes=["openid", "email"])
    caller = await (await house.signed_in()).call_tool("whoami")
    assert {"openid", "email"} <= set(caller["scopes"])


@pytest.mark.parametrize(("domain", "comes_in"), [("example.com", True), ("*", True), ("other.example", False)])
async def test_a_workspace_domain_is_checked_on_the_claim(house: House, place: Place, domain: str, comes_in: bool) -> None:
    fake = apis.Google(clock=house.clock)
    place(fake, GoogleProvider, hosted_domain=domain)
    if comes_in:
        await house.signed_in()
    else:
        with pytest.raises(UnexpectedPage) as caught:
            await house.signed_in()
        assert caught.value.page.status == 403
    assert asked_to_authorize(fake)["hd"] == domain


async def test_a_private_account_is_of_no_domain(house: House, place: Place) -> None:
    fake = apis.Google(clock=house.clock)
    del fake.users["alice"]["hd"]
    place(fake, GoogleProvider, hosted_domain="*")
    with pytest.raises(UnexpectedPage):
        await house.signed_in()


async def test_a_domain_and_a_policy_both_hold(house: House, place: Place) -> None:
    place(
        apis.Google(clock=house.clock),
        GoogleProvider,
        hosted_domain="example.com",
        sign_in_policy=lambda claims: claims["sub"] == "00u-alice",
    )
    await house.signed_in("alice")
    with pytest.raises(UnexpectedPage):
        await house.signed_in("bob")


# --- Cognito, Okta, OCI ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"user_pool_id": "AbCdEfGhI"}, "looks like eu-central-1_"),
        ({"user_pool_id": "eu-central-1_A", "aws_region": "us-east-1"}, "is in eu-central-1"),
    ],
)
def test_a_pool_and_its_region_belong_together(options: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        AWSCognitoProvider(**options, client_id="id", client_secret="secret", base_url=BASE)


async def test_opaque_tokens_where_jwts_are_expected_are_named_with_the_remedy(house: House, place: Place) -> None:
    fake = openid.Cognito(clock=house.clock)
    fake.opaque = True  # type: ignore[misc]
    place(fake, AWSCognitoProvider, user_pool_id=openid.POOL)
    with pytest.raises(FAILED):
        await house.signed_in()
    [detail] = house.operator_events()
    assert "token_opaque" in detail
    assert "Ask the provider for a JWT" in detail


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"okta_domain": "dev-1-admin.okta.com"}, "without -admin"),
        ({"okta_domain": "dev-1.okta.com", "authorization_server_id": "aus1"}, "audience is required"),
    ],
)
def test_what_cannot_work_at_okta_is_refused_at_once(options: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        OktaProvider(**options, client_id="id", client_secret="secret", base_url=BASE)


async def test_the_issuer_of_an_oci_domain_is_not_where_its_document_is(house: House, place: Place) -> None:
    fake = openid.OCI(clock=house.clock)
    auth = place(fake, OCIProvider, config_url=fake.documents[0])
    assert auth.oidc_config.issuer == "https://identity.oraclecloud.com/"


async def test_any_other_issuer_elsewhere_is_refused(house: House, place: Place) -> None:
    fake = openid.OCI(clock=house.clock)
    fake.document_members = {"issuer": "https://identity.oraclecloud.example/"}  # type: ignore[misc]
    with pytest.raises(ConfigurationError, match="is not the configuration of the issuer"):
        place(fake, OCIProvider, config_url=fake.documents[0])


# --- Discord --------------------------------------------------------------------------------------------------------------------


async def test_discord_is_always_asked_who_it_is(house: House, place: Place) -> None:
    fake = apis.Discord(clock=house.clock)
    place(fake, DiscordProvider, required_scopes=["email"])
    caller = await (await house.signed_in()).call_tool("whoami")
    assert caller["claims"]["email_verified"] is True
    assert "identify" in asked_to_authorize(fake)["scope"].split()


# --- Keycloak -------------------------------------------------------------------------------------------------------------------


async def test_a_missing_mapper_is_described_to_whoever_runs_the_bridge(house: House, place: Place) -> None:
    fake = openid.Keycloak(clock=house.clock)
    place(fake, KeycloakProvider, realm_url=fake.issuer, audience="https://api.example.com")
    with pytest.raises(FAILED):
        await house.signed_in()
    [detail] = house.operator_events()
    assert "Included Custom Audience: https://api.example.com; Add to access token: On" in detail
    fake.mapped_audience = "https://api.example.com"
    await house.signed_in()


async def test_a_missing_mapper_is_described_in_the_log_once(
    house: House, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    fake = openid.Keycloak(clock=house.clock)
    place(fake, KeycloakAuthProvider, remote=True, realm_url=fake.issuer)
    client = await house.signed_in(scope="openid")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(CallRefused):
                await client.call_tool("whoami")
    [line] = [record.getMessage() for record in caplog.records if "Included Custom Audience" in record.getMessage()]
    assert RESOURCE in line
    assert len(house.operator_events()) == 1


async def test_tokens_of_one_resource_do_not_open_another(house: House, place: Place) -> None:
    fake = openid.Keycloak(clock=house.clock, mapped_audience=RESOURCE)
    auth = place(fake, KeycloakAuthProvider, remote=True, realm_url=fake.issuer)
    auth.set_mcp_path("/other")
    auth.set_mcp_path("/mcp")
    fake.mapped_audience = f"{BASE}/other"
    answer = await house.call_with(fake.issue_to("alice"))
    assert (answer.status_code, answer.json()["reason"]) == (401, "token_audience")


# --- those that register clients ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "issuer"),
    [
        ({"config_url": "https://api.descope.com/v1/apps/P1"}, "https://api.descope.com/v1/apps/P1"),
        (
            {"config_url": "https://api.descope.com/v1/apps/agentic/P1/M1/.well-known/openid-configuration"},
            "https://api.descope.com/v1/apps/agentic/P1/M1",
        ),
        ({"project_id": "P1"}, "https://api.descope.com/v1/apps/P1"),
        ({"project_id": "P1", "descope_base_url": "eu.descope.example/"}, "https://eu.descope.example/v1/apps/P1"),
    ],
)
def test_where_descope_is(options: dict[str, str], issuer: str) -> None:
    assert DescopeProvider(**options, base_url=BASE).authorization_servers == [issuer]


@pytest.mark.parametrize("url", ["https://api.descope.com", "https://api.descope.com/v1/apps/agentic/P1", "P1"])
def test_a_url_that_is_none_of_descopes_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="config_url"):
        DescopeProvider(config_url=url, base_url=BASE)


def test_scalekit_by_its_older_names() -> None:
    auth = ScalekitProvider(environment_url="https://ours.scalekit.com/", resource_id="res_1", mcp_url=BASE, client_id="skc_1")
    assert (auth.base_url, auth.authorization_servers) == (BASE, ["https://ours.scalekit.com/resources/res_1"])


def test_supabase_on_a_route_of_ones_own() -> None:
    auth = SupabaseProvider(project_url="https://db.example.com", auth_route="/auth/", base_url=BASE)
    assert auth.authorization_servers == ["https://db.example.com/auth"]


async def test_a_document_that_cannot_be_fetched_is_503_without_details(house: House, place: Place) -> None:
    fake = registering.Scalekit(clock=house.clock)
    place(fake, ScalekitProvider, remote=True, environment_url="https://ours.scalekit.com", resource_id="res_123")
    fake.down.add("")
    answer = await house.http().get(f"{BASE}/.well-known/oauth-authorization-server")
    assert answer.status_code == 503
    assert "scalekit" not in answer.text


async def test_metadata_says_what_the_options_say(house: House, place: Place) -> None:
    options = {
        "scopes_supported": ["todo:read", "todo:write"],
        "challenge_scopes": ["todo:read"],
        "resource_name": "Todos",
        "resource_documentation": "https://docs.example.com",
    }
    fake = registering.Scalekit(clock=house.clock)
    place(fake, ScalekitProvider, remote=True, environment_url="https://ours.scalekit.com", resource_id="res_123", **options)
    answer = await house.call_with(None)
    assert 'scope="todo:read"' in answer.headers["www-authenticate"]
    document = (await house.http().get(f"{BASE}/.well-known/oauth-protected-resource/mcp")).json()
    assert document["scopes_supported"] == options["scopes_supported"]
    assert (document["resource_name"], document["resource_documentation"]) == ("Todos", "https://docs.example.com")
