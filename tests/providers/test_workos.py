"""WorkOS as a bridge: opaque tokens, asked about when they come and every five minutes, and whole logins through HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from tests.flows.stage import BASE, query_of
from tests.providers.fakes.workos import APP, DOMAIN, OTHER_APP, SECRET, FakeWorkOS
from tests.providers.house import FAILED, House

from vestibule.errors import ConfigurationError, TokenRejected, Unavailable
from vestibule.providers.workos import WorkOSProvider, WorkOSTokenVerifier
from vestibule.proxy.remote import RemoteAuthProvider
from vestibule.testing.client import CallRefused, StepFailed

pytestmark = pytest.mark.anyio


def provider(house: House, **options: Any) -> WorkOSProvider:
    given = {"client_id": APP, "client_secret": SECRET, "authkit_domain": "lively-dog-42.authkit.app"}
    return WorkOSProvider(**{**house.common, **given, **options})


@pytest.fixture
def workos(house: House) -> FakeWorkOS:
    fake = FakeWorkOS(clock=house.clock)
    house.apps[DOMAIN] = fake.asgi
    return fake


@pytest.fixture
def bridge(house: House, workos: FakeWorkOS) -> WorkOSProvider:
    auth = provider(house)
    house.open(auth)
    return auth


# --- whole logins ---------------------------------------------------------------------------------------------------------------


async def test_sign_in_call_refresh_and_revoke(house: House, bridge: WorkOSProvider, workos: FakeWorkOS) -> None:
    client = await house.signed_in()
    caller = await client.call_tool("who")
    assert caller["subject"] == "user_01ALICE"
    names = ("sub", "email", "email_verified", "name", "given_name", "family_name")
    assert {name: caller["claims"][name] for name in names} == workos.users["alice"]
    house.clock.advance(4000)
    await client.refresh()
    assert len(workos.requests_to("/token")) == 2
    await client.call_tool("who")
    await client.revoke()
    with pytest.raises(CallRefused) as refused:
        await client.call_tool("who")
    assert refused.value.status == 401


async def test_what_workos_is_asked_for(house: House, workos: FakeWorkOS) -> None:
    house.open(provider(house, required_scopes=["email"]))
    client = await house.signed_in()
    asked = query_of(client.user.pages[-1].url)
    assert asked["scope"] == "email openid profile offline_access"
    assert client.user.pages[-1].url.startswith(f"{DOMAIN}/oauth2/authorize?")
    assert client.tokens["scope"] == "email"


async def test_a_scope_that_workos_did_not_grant_is_missing(house: House, workos: FakeWorkOS) -> None:
    """Userinfo names no scopes, so the token answer decides."""
    house.open(provider(house, required_scopes=["todos"]))
    assert (await (await house.signed_in()).call_tool("who"))["scopes"] == ["todos"]
    workos.refuses.add("todos")
    with pytest.raises(StepFailed, match="access_denied"):
        await house.signed_in("bob")


async def test_calls_do_not_ask_workos_while_its_last_answer_is_fresh(
    house: House, bridge: WorkOSProvider, workos: FakeWorkOS
) -> None:
    client = await house.signed_in()
    for _ in range(20):
        await client.call_tool("who")
        house.clock.advance(10)
    assert len(workos.requests_to("/userinfo")) == 1
    house.clock.advance(200)
    await client.call_tool("who")
    assert len(workos.requests_to("/userinfo")) == 2


async def test_a_disabled_user_is_out_at_the_next_check(house: House, bridge: WorkOSProvider, workos: FakeWorkOS) -> None:
    client = await house.signed_in()
    workos.disabled.add("alice")
    house.clock.advance(310)
    with pytest.raises(CallRefused) as refused:
        await client.call_tool("who")
    assert refused.value.status == 401
    with pytest.raises(StepFailed, match="invalid_grant"):
        await client.refresh()
    with pytest.raises(FAILED):
        await house.signed_in()


@pytest.mark.parametrize("end", ["token", "userinfo", "jwks"])
@pytest.mark.parametrize("status", [500, 429])
async def test_workos_being_down_is_503(
    house: House, bridge: WorkOSProvider, workos: FakeWorkOS, end: str, status: int
) -> None:
    workos.down, workos.status = {end}, status
    assert (await house.page_of_refusal()).status == 503
    workos.down = set()
    house.clock.advance(10)
    client = await house.signed_in()
    workos.down = {"token", "userinfo"}
    house.clock.advance(400)
    assert await client.call_tool("who")  # for a while the last answer does
    house.clock.advance(400)
    with pytest.raises(CallRefused) as refused:
        await client.call_tool("who")
    assert refused.value.status == 503
    workos.down = set()
    house.clock.advance(10)
    assert await client.call_tool("who")


async def test_a_sign_in_policy_refuses(house: House, workos: FakeWorkOS) -> None:
    house.open(provider(house, sign_in_policy=lambda claims: claims["email"] == "bob@example.com"))
    assert (await house.page_of_refusal()).status == 403
    assert await house.signed_in("bob")


async def test_an_id_token_of_another_application_completes_no_login(
    house: House, bridge: WorkOSProvider, workos: FakeWorkOS, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = workos.sign
    monkeypatch.setattr(workos, "sign", lambda claims: sign({**claims, "aud": OTHER_APP}))
    with pytest.raises(FAILED):
        await house.signed_in()


async def test_tokens_of_workos_do_not_open_the_bridge(house: House, bridge: WorkOSProvider, workos: FakeWorkOS) -> None:
    await house.signed_in()
    for token in (*workos.tokens, workos.token_of("alice", OTHER_APP)):
        assert (await house.call_with(token)).status_code == 401


async def test_a_wrong_secret_is_the_operators_matter(house: House, workos: FakeWorkOS) -> None:
    house.open(provider(house, client_secret="wrong-one"))
    assert (await house.page_of_refusal()).status == 502
    assert house.operator_events()


# --- the verifier by itself -----------------------------------------------------------------------------------------------------


def verifier(house: House, **options: Any) -> WorkOSTokenVerifier:
    return WorkOSTokenVerifier(authkit_domain=DOMAIN, http_client=house.http(), clock=house.clock, **options)


async def test_userinfo_tells_whose_a_token_is(house: House, workos: FakeWorkOS) -> None:
    caller = await verifier(house).verify_token(workos.token_of("alice", APP))
    assert caller is not None
    assert (caller.subject, caller.claims["email"]) == ("user_01ALICE", "alice@example.com")
    assert await verifier(house).verify_token("never-issued") is None


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_question_without_an_answer_is_no_no(house: House, workos: FakeWorkOS, status: int) -> None:
    workos.down, workos.status = {"userinfo"}, status
    with pytest.raises(Unavailable):
        await verifier(house).verify_token(workos.token_of("alice", APP))


async def test_tokens_that_clients_present_need_the_application(house: House, workos: FakeWorkOS) -> None:
    """Userinfo answers for every application of the domain."""
    with pytest.raises(ConfigurationError, match="client_id"):
        RemoteAuthProvider(verifier(house), [DOMAIN], BASE)
    checking = verifier(house, client_id=APP, client_secret=SECRET, required_scopes=["openid"])
    house.open(RemoteAuthProvider(checking, [DOMAIN], BASE))
    assert (await house.call_with(workos.token_of("alice", APP))).status_code == 200
    refused = await house.call_with(workos.token_of("alice", OTHER_APP))
    assert (refused.status_code, refused.json()["reason"]) == (401, "token_audience")
    assert (await house.call_with("never-issued")).json()["reason"] == "token_inactive"
    workos.down.add("introspection")
    assert (await house.call_with(workos.token_of("bob", APP))).status_code == 503


async def test_a_scope_is_not_taken_for_granted(house: House, workos: FakeWorkOS) -> None:
    with pytest.raises(TokenRejected, match="scope_missing"):
        await verifier(house, required_scopes=["email"]).check_token(workos.token_of("alice", APP))


def test_id_and_secret_come_together() -> None:
    with pytest.raises(ConfigurationError, match="together"):
        WorkOSTokenVerifier(authkit_domain=DOMAIN, client_id=APP)


# --- configuration --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["client_id", "client_secret", "authkit_domain", "base_url"])
async def test_what_is_missing_is_named_with_its_variable(house: House, name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is required.*VESTIBULE_WORKOS_{name.upper()}"):
        provider(house, **{name: None})


@pytest.mark.parametrize(
    "domain", ["https://lively-dog-42.authkit.app", "https://lively-dog-42.authkit.app/", "lively-dog-42.authkit.app"]
)
async def test_the_domain_may_be_written_with_and_without_https(house: House, workos: FakeWorkOS, domain: str) -> None:
    house.open(provider(house, authkit_domain=domain))
    assert await (await house.signed_in()).call_tool("who")


@pytest.mark.parametrize("domain", ["http://lively-dog-42.authkit.app", "ftp://x"])
async def test_a_domain_that_cannot_work_is_refused_at_once(house: House, domain: str) -> None:
    with pytest.raises(ConfigurationError):
        provider(house, authkit_domain=domain)


@pytest.mark.parametrize("prefix", ["VESTIBULE_WORKOS_", "FASTMCP_SERVER_AUTH_WORKOS_"])
async def test_variables_are_enough(house: House, workos: FakeWorkOS, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = {
        "CLIENT_ID": APP,
        "CLIENT_SECRET": SECRET,
        "AUTHKIT_DOMAIN": DOMAIN,
        "BASE_URL": BASE,
        "REQUIRED_SCOPES": "email profile",
    }
    for name, value in written.items():
        monkeypatch.setenv(prefix + name, value)
    house.open(WorkOSProvider(**{name: value for name, value in house.common.items() if name != "base_url"}))
    assert (await house.signed_in()).tokens["scope"] == "email profile"
