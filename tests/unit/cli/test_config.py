"""``vestibule config``: what is in force, and what cannot work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vestibule.cli import main
from vestibule.storage.locate import default_path
from vestibule.storage.sqlite import SQLiteStore
from vestibule.testing import DevelopmentProvider

SECRET = "the-client-secret-of-auth0"
KEY = "a signing key that is long enough for a public server"


@pytest.fixture(scope="module")
def provider() -> object:
    with DevelopmentProvider() as running:
        yield running


@pytest.fixture
def auth0(provider: DevelopmentProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that can work."""
    values = {
        "CONFIG_URL": provider.config_url,
        "CLIENT_ID": "tv2O",
        "CLIENT_SECRET": SECRET,
        "AUDIENCE": "https://api.example.com",
        "BASE_URL": "https://mcp.example.com",
        "JWT_SIGNING_KEY": KEY,
    }
    monkeypatch.setenv("VESTIBULE_AUTH", "auth0")
    for name, value in values.items():
        monkeypatch.setenv(f"VESTIBULE_AUTH0_{name}", value)


def run(runner: CliRunner, *arguments: str) -> Result:
    return runner.invoke(main, ["config", *arguments], env={"COLUMNS": "250"})


def set_field(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"VESTIBULE_AUTH0_{name.upper()}", value)


@pytest.mark.usefixtures("auth0")
def test_show_tells_each_value_and_its_place(runner: CliRunner, folder: Path) -> None:
    (folder / "vestibule.toml").write_text(
        '[auth0]\nrequired_scopes = ["openid", "email"]\nclient_storage = "redis://user:pa55word@cache:6379"\n'
        'extra_token_params = { hidden = "s3cret" }\n[auth0.sign_in_policy]\ngroup = "staff"\n'
        '[[auth0.clients]]\nclient_id = "desk"\nredirect_uris = []\nclient_secret = "another one of them"\n'
    )
    result = run(runner, "show")
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.output.splitlines() if line.strip()}
    assert "Auth0Provider, chosen by environment (VESTIBULE_AUTH)" in result.output
    assert "tv2O" in lines["client_id"]
    assert "environment (VESTIBULE_AUTH0_CLIENT_ID)" in lines["client_id"]
    assert "openid, email" in lines["required_scopes"]
    assert "vestibule.toml ([auth0] required_scopes)" in lines["required_scopes"]
    assert "redis://••••••@cache:6379" in lines["client_storage"]
    assert "hidden=••••••" in lines["extra_token_params"]
    assert "desk" in lines["clients"]
    assert "rules" in lines["sign_in_policy"]
    for secret in (SECRET, KEY, "pa55word", "s3cret", "another one of them"):
        assert secret not in result.output


@pytest.mark.parametrize("command", ["show", "check"])
def test_without_a_provider_there_is_nothing_to_tell(runner: CliRunner, command: str) -> None:
    result = run(runner, command)
    assert result.exit_code == 1
    assert "set VESTIBULE_AUTH" in result.output


@pytest.mark.usefixtures("auth0")
def test_check_finds_nothing_where_nothing_is_wrong(runner: CliRunner, folder: Path) -> None:
    result = run(runner, "check")
    assert (result.exit_code, result.output) == (0, "This can work.\n")
    assert not (folder / "home").exists(), "a check writes nothing"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("base_url", "http://mcp.example.com", "base_url is http on a public host"),
        ("redirect_path", "https://mcp.example.com/auth/callback", "redirect_path is the path alone"),
        ("jwt_signing_key", "short", "jwt_signing_key has only 5 bytes"),
        ("client_secret", "file:/no/such/file", "/no/such/file cannot be read"),
        ("client_secret", "", "client_secret is required"),
        ("audience", "", "audience is required"),
        ("client_storage", "mysql://cache", "client_storage"),
        ("redirect_pth", "/back", "VESTIBULE_AUTH0_REDIRECT_PATH"),
        ("sign_in_policy", '{"gruop": "staff"}', "Did you mean group?"),
        ("access_token_expiry_seconds", "0", "more than 0 seconds"),
    ],
)
@pytest.mark.usefixtures("auth0")
def test_check_names_what_cannot_work(
    name: str, value: str, words: str, runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_field(monkeypatch, name, value)
    result = run(runner, "check")
    assert result.exit_code == 1
    assert f"{words}" in result.output
    assert "error:" in result.output
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "https://mcp.example.com/mcp"}, "would be …/mcp/mcp"),
        ({"client_storage": "memory://"}, "every restart ends all sessions"),
        ({"require_authorization_consent": "false"}, "require_authorization_consent is off"),
        ({"base_url": "http://localhost:8000", "jwt_signing_key": "short"}, "accepted on a loopback URL only"),
        ({"config_url": "http://127.0.0.1:9/.well-known/openid-configuration"}, "does not answer"),
    ],
)
@pytest.mark.usefixtures("auth0")
def test_check_warns_of_what_may_surprise(
    changes: dict[str, str], words: str, runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in changes.items():
        set_field(monkeypatch, name, value)
    result = run(runner, "check")
    assert result.exit_code == 0
    assert f"{words}" in result.output
    assert "This can work; mind the warnings." in result.output
    assert "error:" not in result.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_storage", "postgresql://db/state?user=hall&password=pa55word"),
        ("client_storage", "redis://:pa55/w0rd@cache:6379/0"),
        ("egress_proxy", "http://hall:pa55/w0rd@proxy:3128"),
        ("egress_proxy", "hall:pa55word@proxy:3128"),
    ],
)
@pytest.mark.usefixtures("auth0")
def test_no_password_is_shown_however_it_is_written(
    name: str, value: str, runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_field(monkeypatch, name, value)
    shown = run(runner, "show").output
    assert "••••••" in next(line for line in shown.splitlines() if line.startswith(name))
    assert "pa55" not in shown
    assert "w0rd" not in shown


def test_what_exchanges_are_signed_with_is_not_shown(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_AUTH", "azure")
    monkeypatch.setenv("VESTIBULE_AZURE_OBO_OPTIONS", '{"client_certificate": "pa55word", "password": "pa55word"}')
    shown = run(runner, "show").output
    assert "client_certificate=••••••" in shown
    assert "pa55" not in shown


# --- the store and the key file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("postgresql://hall:pa55word@127.0.0.1:1/db", "the server cannot be reached; does it run"),
        ("redis://:pa55word@no-such-host.invalid", "the name of the host cannot be resolved; correct it in the URL"),
        ("postgresql://hall:pa55word@db.example/db?sslmod=require", "no option sslmod. Did you mean sslmode?"),
        ("sqlite:///notes.txt", "the file is no SQLite database"),
        ("sqlite:///notes.txt/state.sqlite3", "cannot be made: this user may not write in"),
    ],
)
@pytest.mark.usefixtures("auth0")
def test_check_tries_the_store(
    storage: str, words: str, runner: CliRunner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "notes.txt").write_text("no database, but a text of some length " * 50)
    set_field(monkeypatch, "client_storage", storage)
    result = run(runner, "check")
    assert result.exit_code == 1
    [line] = [line for line in result.output.splitlines() if line.startswith("error:")]
    assert "client_storage: " in line
    assert words in line
    assert "pa55word" not in result.output


@pytest.mark.usefixtures("auth0")
def test_check_tells_of_store_and_provider_at_once(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    set_field(monkeypatch, "client_storage", "redis://127.0.0.1:1")
    set_field(monkeypatch, "client_secret", "")
    assert len([line for line in run(runner, "check").output.splitlines() if line.startswith("error:")]) == 2


@pytest.mark.usefixtures("auth0")
def test_check_leaves_a_file_as_it_was_and_makes_none(runner: CliRunner, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_field(monkeypatch, "client_storage", "sqlite:///own/state.sqlite3")
    assert run(runner, "check").output == "This can work.\n"
    assert not (folder / "own").exists()

    async def kept() -> bytes | None:
        store = SQLiteStore(folder / "own" / "state.sqlite3")
        await store.put_new("grant/1", b"kept", 600)
        record = await store.get("grant/1")
        await store.aclose()
        return record.value if record is not None else None

    asyncio.run(kept())
    assert run(runner, "check").exit_code == 0
    assert asyncio.run(kept()) == b"kept"


@pytest.mark.usefixtures("auth0")
def test_check_reads_the_key_file(runner: CliRunner, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is named, and the one that the server has made for itself."""
    (folder / "keys.json").write_text("{")
    set_field(monkeypatch, "jwt_signing_key", f"file://{folder / 'keys.json'}")
    assert "keys.json is damaged" in run(runner, "check").output
    set_field(monkeypatch, "jwt_signing_key", f"file://{folder / 'missing.json'}")
    result = run(runner, "check")
    assert result.exit_code == 1
    assert "make it: vestibule keys new --file" in result.output
    monkeypatch.delenv("VESTIBULE_AUTH0_JWT_SIGNING_KEY")
    assert run(runner, "check").output == "This can work.\n"
    own = default_path("https://mcp.example.com").with_suffix(".key")
    own.parent.mkdir()
    own.write_bytes(b"short")
    result = run(runner, "check")
    assert result.exit_code == 1
    assert f"{own} is damaged" in result.output
