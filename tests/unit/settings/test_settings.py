"""Where a setting's value comes from, what wins, and what is not understood."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import AnyHttpUrl

from vestibule.clients.configured import ConfiguredClient
from vestibule.clock import SystemClock
from vestibule.errors import ConfigurationError
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text

SECRET = "s3cret, with a comma"


class NotesSettings(BridgeSettings, provider="notes", older="notesprovider", beside=("notes_two",)):
    """A provider's own settings."""

    client_id: Text | None = None
    client_secret: Secret | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


@pytest.mark.parametrize("name", ["VESTIBULE_NOTES_CLIENT_ID", "FASTMCP_SERVER_AUTH_NOTESPROVIDER_CLIENT_ID"])
def test_the_environment_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "ours")
    settings = NotesSettings.filled()
    assert settings.client_id == "ours"
    assert settings.origins == {"client_id": f"environment ({name})"}


def test_the_strongest_source_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "vestibule.toml").write_text(
        '[notes]\nclient_id = "file"\nbase_url = "file"\nissuer_url = "file"\nredirect_path = "file"'
    )
    (folder / ".env").write_text(
        "VESTIBULE_NOTES_CLIENT_ID=dotenv\nVESTIBULE_NOTES_BASE_URL=dotenv\nVESTIBULE_NOTES_ISSUER_URL=dotenv\n"
    )
    monkeypatch.setenv("VESTIBULE_NOTES_CLIENT_ID", "environment")
    monkeypatch.setenv("VESTIBULE_NOTES_BASE_URL", "environment")
    settings = NotesSettings.filled(client_id="argument")
    values = [settings.client_id, settings.base_url, settings.issuer_url, settings.redirect_path]
    assert values == ["argument", "environment", "dotenv", "file"]
    assert list(settings.origins.values()).count("argument") == 1
    assert settings.origins["redirect_path"] == "vestibule.toml ([notes] redirect_path)"


def test_our_name_wins_over_the_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTMCP_SERVER_AUTH_NOTESPROVIDER_CLIENT_ID", "older")
    monkeypatch.setenv("VESTIBULE_NOTES_CLIENT_ID", "ours")
    assert NotesSettings.filled().client_id == "ours"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_NOTES_ALLOWED_CLIENT_REDIRECT_URIS", "")
    assert NotesSettings.filled().options() == {}


def test_the_file_may_be_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.toml").write_text('[notes]\nclient_id = "ours"')
    monkeypatch.setenv("VESTIBULE_CONFIG", str(folder / "other.toml"))
    assert NotesSettings.filled().client_id == "ours"


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), ("= 1", "not valid TOML"), ("notes = 1", "must be a table")]
)
def test_a_file_that_cannot_be_read_is_an_error(
    content: str | None, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (folder / "named.toml").write_text(content)
    monkeypatch.setenv("VESTIBULE_CONFIG", "named.toml")
    with pytest.raises(ConfigurationError, match=words):
        NotesSettings.filled()


@pytest.mark.parametrize("text", ['["a", "b"]', "a,b", "a b", "a, b", " a  b "])
def test_a_list_has_three_spellings(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_NOTES_REQUIRED_SCOPES", text)
    assert NotesSettings.filled().required_scopes == ["a", "b"]


def test_an_empty_list_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_NOTES_ALLOWED_CLIENT_REDIRECT_URIS", "[]")
    assert NotesSettings.filled().options() == {"allowed_client_redirect_uris": []}


TEXTS: dict[str, tuple[str, Any]] = {
    "scope_hierarchy": ('{"write": ["read"]}', {"write": ["read"]}),
    "forward_pkce": ("false", False),
    "upstream_private_key": ('{"kty": "EC"}', {"kty": "EC"}),
    "jwt_signing_key": ('["one, with a comma", "two"]', ["one, with a comma", "two"]),
    "require_authorization_consent": ("remember", "remember"),
    "page_templates": ("pages", Path("pages")),
    "access_token_expiry_seconds": ("60", 60),
    "tool_scopes": ('{"delete_*": ["admin"]}', {"delete_*": ["admin"]}),
    "allowed_origins": ("*", ["*"]),
    "client_storage": ("memory://", "memory://"),
}


@pytest.mark.parametrize(("name", "text", "value"), [(name, *pair) for name, pair in TEXTS.items()])
def test_text_becomes_what_the_option_takes(name: str, text: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"VESTIBULE_NOTES_{name.upper()}", text)
    assert NotesSettings.filled().options() == {name: value}


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("0", False), ("external", "external")])
def test_consent_is_yes_no_or_a_mode(text: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_NOTES_REQUIRE_AUTHORIZATION_CONSENT", text)
    assert NotesSettings.filled().options() == {"require_authorization_consent": value}


def test_clients_are_tables(folder: Path) -> None:
    (folder / "secret").write_text("a long enough secret\n")
    (folder / "vestibule.toml").write_text(
        '[[notes.clients]]\nclient_id = "desk"\nredirect_uris = ["https://desk.example/cb"]\nclient_secret = "file:secret"'
    )
    assert NotesSettings.filled().options() == {
        "clients": (
            ConfiguredClient(client_id="desk", redirect_uris=["https://desk.example/cb"], client_secret="a long enough secret"),
        )
    }


def test_a_secret_may_stand_in_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "secret").write_text(f"{SECRET}\n")
    monkeypatch.setenv("VESTIBULE_NOTES_CLIENT_SECRET", f"file:{folder / 'secret'}")
    monkeypatch.setenv("VESTIBULE_NOTES_JWT_SIGNING_KEY", '["file:secret", "older"]')
    settings = NotesSettings.filled()
    assert settings.value("client_secret") == SECRET
    assert settings.options() == {"jwt_signing_key": [SECRET, "older"]}


@pytest.mark.parametrize("content", [None, "", b"\xff"])
def test_a_secret_file_without_a_secret_is_an_error(
    content: str | bytes | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (folder / "secret").write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv("VESTIBULE_NOTES_CLIENT_SECRET", "file:secret")
    with pytest.raises(
        ConfigurationError, match=r"^client_secret: secret (is empty|cannot be read).*VESTIBULE_NOTES_CLIENT_SECRET"
    ):
        NotesSettings.filled()


@pytest.mark.parametrize("name", ["timeout_seconds", "enable_cimd", "tool_scopes", "clients", "sign_in_policy"])
def test_a_value_that_cannot_be_used_is_named_and_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"VESTIBULE_NOTES_{name.upper()}", SECRET)
    with pytest.raises(ConfigurationError) as caught:
        NotesSettings.filled()
    assert str(caught.value).startswith(f"{name}: ")
    assert f"VESTIBULE_NOTES_{name.upper()}" in str(caught.value)
    assert SECRET not in repr(caught.value) + str(caught.value.__cause__)


def test_no_secret_is_in_what_is_printed() -> None:
    settings = NotesSettings.filled(
        client_id="ours", client_secret=SECRET, jwt_signing_key=SECRET, client_storage=f"x://{SECRET}@y"
    )
    assert SECRET not in f"{settings!r} {settings}"
    assert "client_id='argument'" in repr(settings)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("VESTIBULE_NOTES_CLIENTID", "VESTIBULE_NOTES_CLIENT_ID"),
        ("VESTIBULE_NOTES_REDIRECT_PAHT", "VESTIBULE_NOTES_REDIRECT_PATH"),
        ("FASTMCP_SERVER_AUTH_NOTESPROVIDER_QUUX", "See docs"),
        ("FASTMCP_SERVER_AUTH_NOTESPROVIDER_REQUIRED_SCOPE", "FASTMCP_SERVER_AUTH_NOTESPROVIDER_REQUIRED_SCOPES"),
        ("VESTIBULE_NOTES_HTTP_CLIENT", "is not known"),
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_an_unknown_variable_is_an_error_that_names_the_nearest(
    name: str, nearest: str, place: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == ".env":
        (folder / ".env").write_text(f"{name}={SECRET!r}\n")
    else:
        monkeypatch.setenv(name, SECRET)
    with pytest.raises(ConfigurationError) as caught:
        NotesSettings.filled()
    assert str(caught.value).startswith(f"{place}: {name} is not known.")
    assert nearest in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_unknown_key_of_the_file_is_an_error(folder: Path) -> None:
    (folder / "vestibule.toml").write_text('[notes]\nclientid = "ours"')
    with pytest.raises(ConfigurationError, match=r"vestibule.toml \[notes\]: clientid is not known. Did you mean client_id?"):
        NotesSettings.filled()


def test_what_belongs_to_a_provider_with_a_longer_name_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_NOTES_TWO_CLIENT_ID", "theirs")
    assert NotesSettings.filled().client_id is None


def test_what_is_missing_is_named_with_its_variable() -> None:
    settings = NotesSettings.filled(client_id="ours", client_secret="")
    settings.require("client_id")
    with pytest.raises(
        ConfigurationError, match=r"client_secret is required: pass client_secret=… or set VESTIBULE_NOTES_CLIENT_SECRET"
    ):
        settings.require("client_id", "client_secret")


def test_an_argument_that_is_no_setting_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="redirect_pth"):
        NotesSettings.filled(redirect_pth="/back")


def test_objects_pass_through() -> None:
    client, clock = httpx2.AsyncClient(), SystemClock()
    options = NotesSettings.filled(http_client=client, clock=clock, issuer_url=AnyHttpUrl("https://a.example")).options()
    assert options == {"http_client": client, "clock": clock, "issuer_url": "https://a.example/"}


def test_every_common_option_is_a_setting_of_every_bridge() -> None:
    assert set(CommonOptions.__annotations__) | {"base_url"} == set(BridgeSettings.model_fields)
    assert {field.name for field in fields(Options)} <= set(NotesSettings.model_fields)
