"""``vestibule keys``: what it finds, what it says, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vestibule.cli import main
from vestibule.clock import SystemClock
from vestibule.keys import base64url
from vestibule.keys.key_file import KeyFile
from vestibule.keys.keyring import KeyRing
from vestibule.keys.ring_key import RingKey
from vestibule.keys.sealing import Sealer
from vestibule.storage.locate import default_path
from vestibule.storage.sealed import SealedRecords
from vestibule.storage.sqlite import SQLiteStore

BASE = "https://mcp.example.com"
SECRETS = ["4Uu2m0V2cYx1oWv0cQmJtq0H3xkHhT8x5ZQ", "hX2vQ9mRk4TzL7pWc1NbYd6sJf3GaE8uK1A"]


class Terminal:
    """Types commands."""

    def __init__(self, runner: CliRunner) -> None:
        self._runner = runner

    def __call__(self, *arguments: str, answer: str = "") -> Result:
        return self._runner.invoke(main, ["keys", *arguments], input=answer)

    def rows(self, *arguments: str) -> list[list[str]]:
        """What is listed: id, created, from (two columns), state, records, sessions."""
        lines = self("list", *arguments).output.splitlines()[1:]
        return [line.split() for line in lines if len(line.split()[0]) == 8 and line[:8].strip("0123456789abcdef") == ""]


@pytest.fixture
def keys(runner: CliRunner) -> Terminal:
    return Terminal(runner)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A bridge, as the environment describes it."""
    monkeypatch.setenv("VESTIBULE_AUTH", "auth0")
    monkeypatch.setenv("VESTIBULE_AUTH0_BASE_URL", BASE)
    return monkeypatch


def write_record(path: Path, secret: bytes, key: str = "spent/1") -> None:
    async def written() -> None:
        store = SQLiteStore(path)
        await SealedRecords(store, Sealer(KeyRing.from_secrets(secret))).put_new(key, {}, 600)
        await store.aclose()

    asyncio.run(written())


def test_a_key_that_would_sign_in_years_is_a_slip(keys: Terminal, folder: Path):
    refused = keys("new", "--file", str(folder / "keys.json"), "--in", "99999999999")
    assert (refused.exit_code, "--in" in refused.output) == (2, True)
    assert not (folder / "keys.json").exists()


def test_from_the_first_key_to_the_last(keys: Terminal, folder: Path):
    file = ["--file", str(folder / "keys.json")]
    first = keys("new", *file).output[:8]
    assert [(row[0], row[4:]) for row in keys.rows(*file)] == [(first, ["signs", "–", "–"])]
    said = keys("new", *file, "--in", "600").output
    second = said[:8]
    assert "signs from" in said
    assert [(row[0], row[4]) for row in keys.rows(*file)] == [(first, "signs"), (second, "waiting")]
    third = keys("new", *file, "--in", "0")
    assert "That is soon" in third.output
    assert [(row[0], row[4]) for row in keys.rows(*file)] == [
        (third.stdout[:8], "signs"),
        (first, "verifies"),
        (second, "waiting"),
    ]
    assert keys("retire", first, *file, answer="n\n").exit_code == 1
    assert keys("retire", first, *file, answer="y\n").exit_code == 0
    assert [row[4:6] for row in keys.rows(*file) if row[0] == first] == [["registrations", "only"]]
    assert "is retired already" in keys("retire", first, *file, "--yes").output
    assert keys("retire", first, *file, "--compromised", answer="n\n").exit_code == 1
    assert keys("retire", first, *file, "--compromised", "--yes").exit_code == 0
    assert first not in keys("list", *file).output
    assert "There is no key" in keys("retire", first, *file).output


def test_no_secret_is_ever_shown(keys: Terminal, folder: Path):
    file = ["--file", str(folder / "keys.json")]
    said = [keys("new", *file, "--in", "0"), keys("new", *file, "--in", "0"), keys("list", *file)]
    first = json.loads((folder / "keys.json").read_text())["keys"][0]
    said += [keys("retire", first["id"], "--yes", *file), keys("retire", "nothing", *file)]
    secrets = [
        each for key in KeyFile(folder / "keys.json").read() for each in (base64url.encode(key.secret), key.secret.hex())
    ]
    assert secrets
    assert not any(secret in result.output for result in said for secret in secrets)


def test_the_generated_file_and_the_default_store_are_found(keys: Terminal, configured: pytest.MonkeyPatch, folder: Path):
    path = default_path(BASE).with_suffix(".key")
    raw = bytes(range(200, 232))
    path.parent.mkdir()
    path.write_bytes(raw)
    old = KeyFile(path, generated=True).read()[0].id
    assert keys.rows() == [[old, "–", "–", "signs", "–", "–"]]
    assert sorted(path.parent.iterdir()) == [path]
    for number in range(3):
        write_record(default_path(BASE), raw, f"spent/{number}")
    write_record(default_path(BASE), b"of another server", "spent/foreign")
    listed = keys("list").output
    assert keys.rows()[0][-2:] == ["3", "0"]
    assert "1 records were sealed with none of these keys" in listed
    new = keys("new", "--in", "0").stdout[:8]
    assert KeyFile(path, generated=True).read()[0].secret == raw
    retired = keys("retire", old, "--yes")
    assert "3 records were sealed anew, 0 sessions were ended." in retired.output
    assert [(row[0], row[-2]) for row in keys.rows()] == [(new, "3"), (old, "0")]


def test_a_store_of_another_server_is_asked_about(keys: Terminal, folder: Path):
    """Else its few foreign records would be counted as nothing to save, and those of the right store were lost."""
    where = ["--file", str(folder / "keys.json"), "--url", f"sqlite:///{folder / 'other.sqlite3'}"]
    write_record(folder / "other.sqlite3", b"of another server")
    old, _ = keys("new", *where[:2]).output[:8], keys("new", *where[:2], "--in", "0")
    time = SystemClock().now() - 2 * 3600  # nothing else is to be asked about
    KeyFile(folder / "keys.json").change(
        lambda listed: [RingKey(key.secret, active_from=time + number) for number, key in enumerate(listed)]
    )
    for flags in ([], ["--compromised"]):
        refused = keys("retire", old, *where, *flags, answer="n\n")
        assert "No record in the store was sealed with any key of the file" in refused.output
        assert refused.exit_code == 1
    write_record(folder / "other.sqlite3", KeyFile(folder / "keys.json").read()[1].secret, "spent/own")
    retired = keys("retire", old, *where)
    assert (retired.exit_code, "No record in the store" in retired.output) == (0, False)


@pytest.mark.parametrize("storage", ["sqlite:///state/own.sqlite3", "memory://"])
def test_the_configured_store_is_found(keys: Terminal, configured: pytest.MonkeyPatch, folder: Path, storage: str):
    configured.setenv("VESTIBULE_AUTH0_CLIENT_STORAGE", storage)
    beside = folder / "state" / "own.key" if storage.startswith("sqlite") else default_path(BASE).with_suffix(".key")
    assert keys("new").exit_code == 0
    assert len(KeyFile(beside, generated=True).read()) == 1
    assert keys.rows()[0][-2:] == (["0", "0"] if storage.startswith("sqlite") else ["–", "–"])


def test_a_configured_file_is_found(keys: Terminal, configured: pytest.MonkeyPatch, folder: Path, runner: CliRunner):
    path = folder / "mounted" / "keys"
    path.parent.mkdir()
    configured.setenv("VESTIBULE_AUTH0_JWT_SIGNING_KEY", f"file://{path}")
    assert f"make it: vestibule keys new --file {path}" in " ".join(keys("list").output.split())
    made = keys("new").output[:8]
    assert [row[0] for row in keys.rows()] == [made]
    shown = runner.invoke(main, ["config", "show"]).output
    assert str(path.name) in shown
    assert "jwt_signing_key" not in runner.invoke(main, ["config", "check"]).output


def test_keys_that_are_given_in_the_settings_are_listed_and_changed_by_hand(keys: Terminal, configured: pytest.MonkeyPatch):
    configured.setenv("VESTIBULE_AUTH0_JWT_SIGNING_KEY", json.dumps(SECRETS))
    listed = keys("list")
    assert [row[3] for row in keys.rows()] == ["signs", "verifies"]
    for result in (keys("new"), keys("retire", listed.output.splitlines()[2][:8], "--yes")):
        assert result.exit_code == 1
        assert "append a new secret to the list" in result.output
    assert not any(secret in listed.output for secret in SECRETS)


def test_a_file_of_lines_is_listed_and_changed_by_hand(keys: Terminal, folder: Path):
    path = folder / "keys"
    path.write_text("\n".join(SECRETS))
    assert [row[3] for row in keys.rows("--file", str(path))] == ["signs", "verifies"]
    assert "yours to edit" in keys("new", "--file", str(path)).output
    assert path.read_text() == "\n".join(SECRETS)


def test_without_a_configuration_the_file_has_to_be_named(keys: Terminal, monkeypatch: pytest.MonkeyPatch):
    assert "name the server with --server, or the key file with --file" in keys("list").output
    monkeypatch.setenv("VESTIBULE_AUTH", "auth0")
    assert "base_url is not set" in keys("list").output


def test_a_store_that_does_not_answer_is_said_in_a_line(keys: Terminal, folder: Path):
    file = ["--file", str(folder / "keys.json")]
    keys("new", *file)
    result = keys("list", *file, "--url", "postgresql://someone:hunter2@127.0.0.1:1/name")
    assert result.exit_code == 1
    assert "the server cannot be reached" in result.output
    assert "hunter2" not in result.output


SERVER = """
from vestibule import OAuthProxy, DebugTokenVerifier, MultiAuth
{before}
auth = OAuthProxy(
    upstream_authorization_endpoint="https://idp.example/authorize",
    upstream_token_endpoint="https://idp.example/token",
    upstream_client_id="us",
    token_verifier=DebugTokenVerifier(validate=bool),
    base_url="https://mcp.example.com",
    {options}
)
several = MultiAuth(server=auth)
"""


def server_file(folder: Path, options: str = "", before: str = "") -> list[str]:
    """A server that is configured in its own file, and what names it."""
    (folder / "notes.py").write_text(SERVER.format(options=options, before=before))
    return ["--server", "notes.py:auth"]


@pytest.mark.parametrize("named", ["auth", "several"])
def test_the_keys_and_the_store_of_a_server_in_a_file(keys: Terminal, folder: Path, named: str):
    """They may be anywhere: here nothing is configured, and neither place is a default one."""
    server_file(folder, "client_storage=SQLiteStore('own/records')", "from vestibule.storage.sqlite import SQLiteStore")
    server = ["--server", f"notes.py:{named}"]
    beside = KeyFile(folder / "own" / "records.key", generated=True)
    [[old, *_]] = keys.rows(*server)
    write_record(folder / "own" / "records", beside.read()[0].secret)
    assert keys.rows(*server)[0][-2:] == ["1", "0"]
    new = keys("new", "--in", "0", *server).stdout[:8]
    assert [key.id for key in beside.read()] == [old, new]
    retired = keys("retire", old, "--yes", *server)
    assert "1 records were sealed anew, 0 sessions were ended." in retired.output
    assert [(row[0], row[-2]) for row in keys.rows(*server)] == [(new, "1"), (old, "0")]


def test_what_is_named_beside_a_server_comes_before_its_own(keys: Terminal, folder: Path):
    server = server_file(folder, "client_storage='sqlite:///own.sqlite3'")
    write_record(folder / "other.sqlite3", b"of another server")
    made = keys("new", "--file", "other.json", *server).stdout[:8]
    listed = keys("list", "--file", "other.json", "--url", "sqlite:///other.sqlite3", *server).output
    assert made in listed
    assert "1 records were sealed with none of these keys" in listed
    assert len(KeyFile(folder / "own.key", generated=True).read()) == 1


def test_a_server_whose_keys_are_in_its_code_or_whose_store_is_in_its_memory(keys: Terminal, folder: Path):
    server = server_file(folder, f"jwt_signing_key={SECRETS!r}, client_storage='memory://'")
    assert [row[3:] for row in keys.rows(*server)] == [["signs", "–", "–"], ["verifies", "–", "–"]]
    assert "append a new secret to the list" in keys("new", *server).output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "notes.py has no auth"),
        ("auth = 1", "No provider is chosen"),
        ("from vestibule import *\nauth = StaticTokenVerifier({})", "has no keys"),
        (
            "from vestibule import *\nauth = MultiAuth(verifiers=StaticTokenVerifier({}), base_url='https://m.example')",
            "has no keys",
        ),
    ],
)
def test_a_server_without_keys_is_explained(keys: Terminal, folder: Path, text: str, words: str):
    (folder / "notes.py").write_text(text)
    for command in (["new"], ["list"], ["retire", "x"]):
        refused = keys(*command, "--server", "notes.py:auth")
        assert refused.exit_code == 1
        assert words in refused.output
        assert "Traceback" not in refused.output


@pytest.mark.parametrize("misspelt", ["vestibul/keys.json", "vestibul/mounted/keys.json"])
def test_a_folder_that_is_not_there_is_not_made(keys: Terminal, configured: pytest.MonkeyPatch, folder: Path, misspelt: str):
    """No server would look there, and the new key would seem to be in force."""
    configured.setenv("VESTIBULE_AUTH0_JWT_SIGNING_KEY", f"file://{folder / misspelt}")
    (folder / "elsewhere").symlink_to(folder / misspelt)
    for arguments in ([], ["--file", misspelt], ["--file", str(folder / misspelt)], ["--file", "elsewhere"]):
        refused = keys("new", *arguments)
        assert refused.exit_code == 1
        assert f"The folder {folder / 'vestibul'} does not exist" in " ".join(refused.output.split())
    assert not (folder / "vestibul").exists()


def test_the_default_folder_is_made(keys: Terminal, folder: Path):
    assert keys("new", "--file", str(folder / "home" / "keys.json")).exit_code == 0
    assert len(KeyFile(folder / "home" / "keys.json").read()) == 1
