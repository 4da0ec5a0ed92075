"""Auth0: configured by arguments or variables, and walked through HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import Stage

from vestibule import OIDCConfiguration
from vestibule.errors import ConfigurationError
from vestibule.providers.auth0 import Auth0Provider
from vestibule.testing.client import StepFailed

pytestmark = pytest.mark.anyio

AUDIENCE = "https://api.example.com"

GIVEN = {
    "config_url": "https://tenant.eu.auth0.com/.well-known/openid-configuration",
    "client_id": "tv2O",
    "client_secret": "a secret of the application",
    "audience": AUDIENCE,
    "base_url": "http://127.0.0.1:8000",
}


class KnownAuth0(Auth0Provider):
    """Given Auth0's document instead of fetching it."""

    def __init__(self, document: Mapping[str, Any], **options: Any) -> None:
        self.document = document
        super().__init__(**options)

    def get_oidc_configuration(self, config_url: object, strict: object, timeout_seconds: object) -> OIDCConfiguration:
        return OIDCConfiguration.model_validate(self.document)


DOCUMENT = {
    "issuer": "https://tenant.eu.auth0.com/",
    "authorization_endpoint": "https://tenant.eu.auth0.com/authorize",
    "token_endpoint": "https://tenant.eu.auth0.com/oauth/token",
    "jwks_uri": "https://tenant.eu.auth0.com/.well-known/jwks.json",
    "response_types_supported": ["code"],
    "subject_types_supported": ["public"],
    "id_token_signing_alg_values_supported": ["RS256"],
}


@pytest.fixture(autouse=True)
def home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
async def stage(staged: SetStage) -> Stage:
    return await staged(bridge=KnownAuth0, audience=AUDIENCE)


def provider(**options: Any) -> Auth0Provider:
    return KnownAuth0(DOCUMENT, client_storage="memory://", **options)


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_what_is_missing_is_named_with_its_variable(name: str) -> None:
    rest = {key: value for key, value in GIVEN.items() if key != name}
    with pytest.raises(ValueError, match=f"{name} is required.*VESTIBULE_AUTH0_{name.upper()}"):
        provider(**rest)


@pytest.mark.parametrize("prefix", ["VESTIBULE_AUTH0_", "FASTMCP_SERVER_AUTH_AUTH0_"])
def test_variables_are_enough(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GIVEN, "required_scopes": "openid,email", "redirect_path": "/back"}.items():
        monkeypatch.setenv(prefix + name.upper(), value)
    auth = provider()
    assert auth.required_scopes == ["openid", "email"]
    assert auth.redirect_path == "/back"


def test_the_scope_is_openid_unless_another_is_named() -> None:
    assert provider(**GIVEN).required_scopes == ["openid"]


def test_a_misspelt_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="redirect_pth"):
        provider(**GIVEN, redirect_pth="/back")


def test_no_secret_is_in_an_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        provider(**{**GIVEN, "base_url": "ftp://x"})
    assert GIVEN["client_secret"] not in str(caught.value)


async def test_a_user_signs_in_and_calls(stage: Stage) -> None:
    client = await stage.signed_in()
    caller = await client.call_tool("whoami")
    assert (caller["subject"], caller["claims"]["aud"]) == ("alice", AUDIENCE)
    [request] = [request for request in stage.provider.requests_to("authorize") if request.method == "GET"]
    assert request.parameters["audience"] == AUDIENCE
    assert "resource" not in request.parameters


async def test_scopes_of_openid_are_not_demanded_of_the_access_token(stage: Stage) -> None:
    """Auth0 names the API's scopes only."""
    client = await stage.signed_in(scope="openid email profile")
    assert (await client.call_tool("whoami"))["subject"] == "alice"


async def test_a_session_is_refreshed_and_revoked(stage: Stage) -> None:
    client = await stage.signed_in()
    first = client.tokens["access_token"]
    await client.refresh()
    assert client.tokens["access_token"] != first
    await client.revoke()
    with pytest.raises(StepFailed):
        await client.refresh()


async def test_opaque_tokens_are_named_to_the_operator(staged: SetStage) -> None:
    """What Auth0 gives for an audience that is no API of the tenant's."""
    stage = await staged(bridge=KnownAuth0, audience=AUDIENCE, provider={"access_token_format": "opaque"})
    client = await stage.registered()
    with pytest.raises((StepFailed, AssertionError)):
        await client.login()
    [event] = [event for event in stage.events if event.name == "operator"]
    assert "token_opaque" in event.detail


async def test_an_access_token_for_another_api_is_refused(staged: SetStage) -> None:
    stage = await staged(bridge=KnownAuth0, audience=AUDIENCE, extra_authorize_params={"audience": "https://other.example.com"})
    client = await stage.registered()
    with pytest.raises((StepFailed, AssertionError)):
        await client.login()
    [event] = [event for event in stage.events if event.name == "operator"]
    assert "token_audience" in event.detail
    assert client.tokens == {}


async def test_auth0_down_is_no_refusal(stage: Stage) -> None:
    client = await stage.signed_in()
    stage.provider.faults.fail("token", 503)
    stage.clock.advance(4000)
    with pytest.raises(StepFailed) as caught:
        await client.refresh()
    assert caught.value.status == 503
