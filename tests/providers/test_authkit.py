"""AuthKit registering clients itself: which of its tokens are for here, and its metadata at our address."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.flows.stage import BASE
from tests.providers.fakes.authkit import CLIENT, DOMAIN, FakeAuthKit
from tests.providers.house import RESOURCE, House

from vestibule.errors import TokenRejected
from vestibule.providers.workos import AuthKitProvider
from vestibule.verifiers.static import StaticTokenVerifier

pytestmark = pytest.mark.anyio

VECTORS = json.loads((Path(__file__).parent / "vectors" / "authkit.json").read_text())
DOCUMENT = "/.well-known/oauth-authorization-server"


@pytest.fixture
def authkit(house: House) -> FakeAuthKit:
    fake = FakeAuthKit(clock=house.clock)
    house.apps[DOMAIN] = fake.asgi
    return fake


def provider(house: House, **options: Any) -> AuthKitProvider:
    given = {"authkit_domain": "lively-dog-42.authkit.app", "base_url": BASE}
    return AuthKitProvider(**{**given, "http_client": house.http(), "clock": house.clock, **options})


def token_of(fake: FakeAuthKit, vector: dict[str, Any]) -> str:
    times = {"exp": int(fake.clock.now()) - 60} if vector.get("expired") else {}
    return vector.get("token") or fake.sign(vector["claims"], **times)


# --- tokens ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda vector: vector["name"])
async def test_tokens_for_the_resource_are_accepted(house: House, authkit: FakeAuthKit, vector: dict[str, Any]) -> None:
    house.open(provider(house))
    answer = await house.call_with(token_of(authkit, vector))
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["subject"] == "user_01ALICE"
    assert answer.json()["result"]["client_id"] == CLIENT


@pytest.mark.parametrize("vector", VECTORS["rejected"], ids=lambda vector: vector["name"])
async def test_other_tokens_are_rejected_with_the_reason(house: House, authkit: FakeAuthKit, vector: dict[str, Any]) -> None:
    auth = provider(house)
    house.open(auth)
    token = token_of(authkit, vector)
    answer = await house.call_with(token)
    assert (answer.status_code, answer.json()["reason"]) == (401, vector["reason"])
    with pytest.raises(TokenRejected):
        await auth.token_verifier.check_token(token)


async def test_a_scope_that_is_missing_is_403(house: House, authkit: FakeAuthKit) -> None:
    house.open(provider(house, required_scopes=["admin"]))
    answer = await house.call_with(authkit.access_token(RESOURCE))
    assert answer.status_code == 403
    assert 'scope="admin"' in answer.headers["www-authenticate"]


async def test_two_resources_do_not_take_each_others_tokens(house: House, authkit: FakeAuthKit) -> None:
    auth = provider(house)
    auth.get_routes("/other")
    house.open(auth)
    assert (await house.call_with(authkit.access_token(RESOURCE))).status_code == 200
    assert (await house.call_with(authkit.access_token(f"{BASE}/other"))).status_code == 401


async def test_keys_that_cannot_be_had_are_503(house: House, authkit: FakeAuthKit) -> None:
    authkit.down.add("jwks")
    house.open(provider(house))
    assert (await house.call_with(authkit.access_token(RESOURCE))).status_code == 503
    authkit.down.clear()
    house.clock.advance(10)
    assert (await house.call_with(authkit.access_token(RESOURCE))).status_code == 200


async def test_the_url_to_enter_in_the_dashboard_is_told(
    house: House, authkit: FakeAuthKit, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "vestibule.providers"):
        house.open(provider(house))
    assert RESOURCE in caplog.text
    for _ in range(3):
        await house.call_with(authkit.access_token("client_01JENVIRONMENT"))
    [detail] = house.operator_events()
    assert "client_01JENVIRONMENT" in detail
    assert RESOURCE in detail


async def test_tokens_that_anybody_made_up_tell_the_operator_nothing(house: House, authkit: FakeAuthKit) -> None:
    house.open(provider(house))
    stranger = FakeAuthKit(clock=house.clock)
    await house.call_with(stranger.access_token("something else"))
    assert not house.operator_events()


async def test_a_verifier_of_ones_own_decides_alone(house: House, authkit: FakeAuthKit) -> None:
    own = StaticTokenVerifier({"a-token-of-ours": {"client_id": "c", "scopes": []}})
    house.open(provider(house, token_verifier=own))
    assert (await house.call_with("a-token-of-ours")).status_code == 200
    assert (await house.call_with(authkit.access_token(RESOURCE))).status_code == 401


# --- metadata -------------------------------------------------------------------------------------------------------------------


async def test_the_resource_names_authkit(house: House, authkit: FakeAuthKit) -> None:
    house.open(
        provider(
            house,
            scopes_supported=["openid"],
            resource_name="Notes",
            resource_documentation="https://docs.example/notes",
        )
    )
    document = (await house.http().get(f"{BASE}/.well-known/oauth-protected-resource/mcp")).json()
    assert document["resource"] == RESOURCE
    assert document["authorization_servers"] == [DOMAIN]
    assert document["scopes_supported"] == ["openid"]
    assert document["resource_name"] == "Notes"
    assert document["resource_documentation"] == "https://docs.example/notes"


@pytest.mark.parametrize("path", [DOCUMENT, f"{DOCUMENT}/mcp"])
async def test_authkits_document_is_shown_here(house: House, authkit: FakeAuthKit, path: str) -> None:
    house.open(provider(house))
    answer = await house.http().get(BASE + path, headers={"origin": "https://app.example"})
    assert answer.json()["registration_endpoint"] == f"{DOMAIN}/oauth2/register"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_authkits_document_can_only_be_read_here(house: House, authkit: FakeAuthKit) -> None:
    house.open(provider(house))
    answer = await house.http().post(BASE + DOCUMENT)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "[method_not_allowed," in answer.json()["error_description"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert authkit.requests_to(DOCUMENT) == []


async def test_authkits_document_is_kept_while_it_is_fresh_and_while_authkit_is_down(
    house: House, authkit: FakeAuthKit
) -> None:
    house.open(provider(house))
    http = house.http()
    for _ in range(5):
        await http.get(BASE + DOCUMENT)
    assert len(authkit.requests_to(DOCUMENT)) == 1
    house.clock.advance(61)
    await http.get(BASE + DOCUMENT)
    assert len(authkit.requests_to(DOCUMENT)) == 2
    authkit.down.add(DOCUMENT)
    house.clock.advance(61)
    for _ in range(5):
        assert (await http.get(BASE + DOCUMENT)).json()["issuer"] == DOMAIN
    assert len(authkit.requests_to(DOCUMENT)) == 3


async def test_a_document_that_was_never_there_is_503_without_particulars(house: House, authkit: FakeAuthKit) -> None:
    authkit.down.add(DOCUMENT)
    house.open(provider(house))
    answer = await house.http().get(BASE + DOCUMENT)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "authkit.app" not in answer.text
    assert answer.headers["access-control-allow-origin"] == "*"


# --- configuration --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["authkit_domain", "base_url"])
async def test_what_is_missing_is_named_with_its_variable(house: House, name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is required.*VESTIBULE_AUTHKIT_{name.upper()}"):
        provider(house, **{name: None})


@pytest.mark.parametrize("prefix", ["VESTIBULE_AUTHKIT_", "FASTMCP_SERVER_AUTH_AUTHKITPROVIDER_"])
async def test_variables_are_enough(house: House, authkit: FakeAuthKit, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AUTHKIT_DOMAIN": DOMAIN, "BASE_URL": BASE, "REQUIRED_SCOPES": "openid,profile"}.items():
        monkeypatch.setenv(prefix + name, value)
    house.open(AuthKitProvider(http_client=house.http(), clock=house.clock))
    assert (await house.call_with(authkit.access_token(RESOURCE))).status_code == 200
    assert (await house.call_with(authkit.access_token(RESOURCE, scope="openid"))).status_code == 403
