"""Which provider the configuration chooses."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from vestibule import auth_from_env, unsafe
from vestibule.errors import ConfigurationError
from vestibule.providers import OLDER_NAMES, PROVIDERS
from vestibule.providers.chosen import choice
from vestibule.providers.introspection import IntrospectionTokenVerifier
from vestibule.providers.jwt import JWTVerifier, RSAKeyPair
from vestibule.settings import ProviderSettings
from vestibule.verifiers.base import AuthProvider

SECRET = "a shared secret that is long enough for HS256"


@pytest.fixture
def jwt(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that VESTIBULE_AUTH=jwt needs."""
    for name, value in {"PUBLIC_KEY": SECRET, "ALGORITHM": "HS256", "ISSUER": "https://i.example", "AUDIENCE": "a,b"}.items():
        monkeypatch.setenv(f"VESTIBULE_JWT_{name}", value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VESTIBULE_AUTH", "jwt"),
        ("VESTIBULE_AUTH", " JWT "),
        ("VESTIBULE_AUTH", "vestibule.providers.jwt.JWTVerifier"),
        ("VESTIBULE_AUTH", "vestibule.providers.jwt:JWTVerifier"),
        ("FASTMCP_SERVER_AUTH", "fastmcp.server.auth.providers.jwt.JWTVerifier"),
        ("FASTMCP_SERVER_AUTH", "fastmcp.server.auth.providers.bearer.BearerAuthProvider"),
    ],
)
@pytest.mark.usefixtures("jwt")
def test_a_provider_is_chosen_by_name_or_path(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    assert type(auth_from_env()) is JWTVerifier


@pytest.mark.usefixtures("jwt")
def test_the_file_may_choose(folder: Path) -> None:
    (folder / "vestibule.toml").write_text('auth = "jwt"')
    chosen = choice()
    assert chosen is not None
    assert (chosen.provider, chosen.origin) == (JWTVerifier, "vestibule.toml (auth)")


def test_nothing_chosen_is_an_error() -> None:
    assert choice() is None
    with pytest.raises(ConfigurationError, match="set VESTIBULE_AUTH to one of auth0"):
        auth_from_env()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("atuh0", "there is no provider atuh0. Did you mean auth0?"),
        ("qqq", "There are auth0, authkit"),
        ("vestibule.no_such_module.Provider", "vestibule.no_such_module cannot be imported"),
        ("vestibule.providers.jwt.NoSuch", "has no provider class NoSuch"),
        ("vestibule.providers.jwt.JWTVerifierSettings", "has no provider class JWTVerifierSettings"),
        ("fastmcp.server.auth.providers.nowhere.NowhereProvider", "cannot be imported"),
    ],
)
def test_a_choice_that_is_none_is_explained(value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_AUTH", value)
    with pytest.raises(ConfigurationError, match=words) as caught:
        auth_from_env()
    assert str(caught.value).startswith("environment (VESTIBULE_AUTH): ")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("VESTIBULE_AUHT0_CLIENT_ID", "VESTIBULE_AUTH0_CLIENT_ID"),
        ("VESTIBULE_AUHT", "VESTIBULE_AUTH?"),
        ("FASTMCP_SERVER_AUTH_AUTHKITPROVDER_BASE_URL", "FASTMCP_SERVER_AUTH_AUTHKITPROVIDER_BASE_URL"),
        ("VESTIBULE_QUITE_ELSE", "See docs/how-to/configuration.md"),
    ],
)
def test_a_variable_of_no_provider_is_an_error(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError, match=f"environment: {name} is not known") as caught:
        auth_from_env()
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("VESTIBULE_GITHUB_CLEINT_ID", "VESTIBULE_GITHUB_CLIENT_ID"),
        ("FASTMCP_SERVER_AUTH_AWS_COGNITO_USERPOOL_ID", "FASTMCP_SERVER_AUTH_AWS_COGNITO_USER_POOL_ID"),
        ("VESTIBULE_KEYCLOAK_REMOTE_RELM_URL", "VESTIBULE_KEYCLOAK_REMOTE_REALM_URL"),
    ],
)
@pytest.mark.usefixtures("jwt")
def test_a_misspelt_variable_of_another_provider_is_an_error(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That one may be built in code, beside the chosen one."""
    monkeypatch.setenv("VESTIBULE_AUTH", "jwt")
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError, match=rf"{name} is not known. Did you mean {hint}\?"):
        auth_from_env()


@pytest.mark.usefixtures("jwt")
def test_a_misspelt_setting_in_the_table_of_another_provider_is_an_error(folder: Path) -> None:
    (folder / "vestibule.toml").write_text('auth = "jwt"\n[github]\nclientid = "x"')
    with pytest.raises(ConfigurationError, match=r"\[github\]: clientid is not known. Did you mean client_id\?"):
        auth_from_env()


@pytest.mark.parametrize("service", ["VESTIBULE", "VESTIBULE_AUTH", "VESTIBULE_JWT"])
@pytest.mark.parametrize(
    "name",
    ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP", "PORT_80_TCP_ADDR", "PORT_80_TCP_PROTO"],
)
@pytest.mark.usefixtures("jwt")
def test_what_kubernetes_says_about_a_service_of_that_name_is_no_setting(
    service: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It puts such variables into every container beside a service."""
    monkeypatch.setenv("VESTIBULE_AUTH", "jwt")
    monkeypatch.setenv(f"{service}_{name}", "10.0.0.1")
    assert type(auth_from_env()) is JWTVerifier


def test_a_table_of_no_provider_is_an_error(folder: Path) -> None:
    (folder / "vestibule.toml").write_text('[atuh0]\nclient_id = "x"')
    with pytest.raises(ConfigurationError, match=r"vestibule.toml: atuh0 is not known. Did you mean auth0\?"):
        auth_from_env()


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_every_name_leads_to_a_provider_and_its_settings(name: str) -> None:
    module_name, _, class_name = PROVIDERS[name].partition(":")
    module = import_module(module_name)
    assert issubclass(getattr(module, class_name), AuthProvider)
    settings = getattr(module, f"{class_name}Settings", None)
    if settings is not None:
        assert issubclass(settings, ProviderSettings)
        assert (settings.provider, settings.older) == (name, OLDER_NAMES.get(name, name))


def test_an_argument_wins_even_where_it_is_no_text(jwt: None) -> None:
    key = RSAKeyPair.generate()
    verifier = JWTVerifier(public_key=key.public_key, algorithm="RS256", audience=unsafe.any_audience)
    assert isinstance(verifier, AuthProvider)


def test_introspection_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_INTROSPECTION_INTROSPECTION_URL", "https://i.example/introspect")
    monkeypatch.setenv("VESTIBULE_INTROSPECTION_CLIENT_ID", "ours")
    with pytest.raises(ConfigurationError, match="VESTIBULE_INTROSPECTION_CLIENT_SECRET"):
        IntrospectionTokenVerifier()
    assert IntrospectionTokenVerifier(client_secret="secret").required_scopes == []
