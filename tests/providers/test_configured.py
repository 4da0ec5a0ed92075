"""Every provider from its variables alone, chosen by its short name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.flows.stage import BASE, KEY
from tests.providers.discovery import serve_documents
from tests.providers.fakes import openid
from tests.providers.fakes.registry import CASES
from tests.providers.house import House

from vestibule import auth_from_env
from vestibule.errors import ConfigurationError

pytestmark = pytest.mark.anyio

APPLICATION = {"client_id": "our-application", "client_secret": "a secret that the provider gave"}
NEEDS: Mapping[str, Mapping[str, str]] = {
    "github": APPLICATION,
    "google": APPLICATION,
    "discord": APPLICATION,
    "aws": {"user_pool_id": openid.POOL, "client_id": "our-application"},
    "keycloak": {"realm_url": "https://sso.example.com/realms/staff", "client_id": "our-application"},
    "keycloak_remote": {"realm_url": "https://sso.example.com/realms/staff"},
    "okta": {"okta_domain": "dev-123456.okta.com", "client_id": "our-application"},
    "clerk": {"domain": "verb-noun-00.clerk.accounts.dev", "client_id": "our-application"},
    "oci": {"config_url": "https://idcs-0123.identity.oraclecloud.com/.well-known/openid-configuration", **APPLICATION},
    "huggingface": {"client_id": "our-application"},
    "oidc": {"issuer": "https://login.example.net", "client_id": "our-application"},
    "descope": {"config_url": "https://api.descope.com/v1/apps/P1"},
    "scalekit": {"environment_url": "https://ours.scalekit.com", "resource_id": "res_1"},
    "supabase": {"project_url": "https://abc123.supabase.co"},
    "propelauth": {
        "auth_url": "https://auth.example.org",
        "introspection_client_id": "our-application",
        "introspection_client_secret": "a secret that the provider gave",
    },
}
OLDER = {"github": "GITHUB", "google": "GOOGLE", "aws": "AWS_COGNITO", "scalekit": "SCALEKITPROVIDER", "supabase": "SUPABASE"}
FAKES = {case.name: case.fake for case in CASES}
REMOTE = {case.name for case in CASES if case.remote}


def test_all_that_have_no_tests_of_their_own_are_here() -> None:
    assert NEEDS.keys() | {"auth0", "azure", "workos", "authkit"} == FAKES.keys()


@pytest.fixture
def write(house: House, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes the variables of a provider, and puts its metadata in place."""

    def to_environment(name: str, prefix: str, leave_out: str = "") -> None:
        serve_documents(FAKES[name](clock=house.clock), monkeypatch)
        own = {} if name in REMOTE else {"client_storage": "memory://", "jwt_signing_key": KEY}
        for field, value in {**NEEDS[name], "base_url": BASE}.items():
            if field != leave_out:
                monkeypatch.setenv(f"{prefix}_{field}".upper(), value)
        for field, value in own.items():
            monkeypatch.setenv(f"VESTIBULE_{name}_{field}".upper(), value)

    return to_environment


@pytest.mark.parametrize("name", sorted(NEEDS))
async def test_variables_are_enough(name: str, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(name, f"VESTIBULE_{name}")
    monkeypatch.setenv("VESTIBULE_AUTH", name)
    monkeypatch.setenv(f"VESTIBULE_{name}_REQUIRED_SCOPES".upper(), "one, two")
    auth = auth_from_env()
    assert (auth.base_url, auth.required_scopes) == (BASE, ["one", "two"])


@pytest.mark.parametrize("name", sorted(OLDER))
async def test_the_older_variables_too(name: str, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(name, f"FASTMCP_SERVER_AUTH_{OLDER[name]}")
    monkeypatch.setenv("FASTMCP_SERVER_AUTH", name)
    assert auth_from_env().base_url == BASE


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in sorted(NEEDS) for field in [*NEEDS[name], "base_url"]])
async def test_what_is_missing_is_named_with_its_variable(
    name: str, field: str, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(name, f"VESTIBULE_{name}", leave_out=field)
    monkeypatch.setenv("VESTIBULE_AUTH", name)
    with pytest.raises(ConfigurationError) as caught:
        auth_from_env()
    assert f"{field} is required" in str(caught.value)
    assert f"VESTIBULE_{name}_{field}".upper() in str(caught.value)
    assert APPLICATION["client_secret"] not in str(caught.value)
