"""``vestibule sessions``: beside a server that runs, on the same store."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result
from tests.interop.processes import environment, free_port

from vestibule.cli import main
from vestibule.cli.bridge import find_sessions
from vestibule.providers.chosen import auth_from_env
from vestibule.testing import DevelopmentProvider, LoopbackServer, ProviderClient, ScriptedClient, ScriptedUser

KEY = "a signing key of the sessions command, long enough"
SECRET = "what the provider gave the sessions command"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """The protected application."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


class Town:
    """A provider, and a configured server that signs users in at it."""

    def __init__(self, idp: DevelopmentProvider, server: LoopbackServer) -> None:
        self.idp = idp
        self.url = server.url
        self.tokens: dict[str, str] = {}

    def sign_in(self, user: str = "alice", client_name: str = "Claude Code") -> str:
        """Sign in; gives the access token."""

        async def signed_in() -> str:
            async with ScriptedClient(f"{self.url}/mcp", user=ScriptedUser(user), client_name=client_name) as client:
                return str((await client.login())["access_token"])

        return asyncio.run(signed_in())

    def status(self, token: str) -> int:
        return httpx2.post(f"{self.url}/mcp", json={}, headers={"authorization": f"Bearer {token}"}).status_code


@pytest.fixture
def town(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    app = ProviderClient("vestibule", SECRET, redirect_uris=(f"{url}/auth/callback",))
    with ExitStack() as stack:
        idp = stack.enter_context(DevelopmentProvider(clients=[app]))
        values = {
            "ISSUER": idp.issuer,
            "CLIENT_ID": "vestibule",
            "CLIENT_SECRET": SECRET,
            "BASE_URL": url,
            "JWT_SIGNING_KEY": KEY,
            "CLIENT_STORAGE": f"sqlite:///{folder / 'state' / 'state.sqlite3'}",
            "REVOCATION_DELAY_SECONDS": "0",
        }
        monkeypatch.setenv("VESTIBULE_AUTH", "oidc")
        for name, value in values.items():
            monkeypatch.setenv(f"VESTIBULE_OIDC_{name}", value)
        server = stack.enter_context(LoopbackServer(auth_from_env().protect(echo), port=port))
        yield Town(idp, server)


def run(runner: CliRunner, *arguments: str, typed: str = "") -> Result:
    return runner.invoke(main, ["sessions", *arguments], input=typed, env={"COLUMNS": "80"})


def listed(runner: CliRunner, *arguments: str) -> list[dict[str, Any]]:
    result = run(runner, "list", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return list(json.loads(result.stdout))


def test_a_list_tells_who_which_client_and_when_within_80_columns(town: Town, runner: CliRunner) -> None:
    token = town.sign_in()
    assert town.status(token) == 200
    result = run(runner, "list")
    assert result.exit_code == 0
    [session] = listed(runner)
    head, client, scopes, times, *_ = result.stdout.splitlines()
    assert head.startswith(f"{session['id']}  alice@example.com")
    assert "(alice)" in head
    assert client.strip().startswith("Claude Code, registered itself: vc_")
    assert client.endswith("…")
    assert scopes.strip() == f"openid at {town.url}/mcp"
    assert "used just now from 127.0.0.1" in times
    assert max(len(line) for line in result.stdout.splitlines()[:4]) <= 80
    assert "1 session in <SQLiteStore" in result.stdout


def test_for_programs_it_is_json(town: Town, runner: CliRunner) -> None:
    town.sign_in()
    [session] = listed(runner)
    assert session["user"]["subject"] == "alice"
    assert session["client"]["name"] == "Claude Code"
    assert session["client"]["kind"] == "dynamic"
    assert session["scopes"] == ["openid"]
    assert session["resource"] == f"{town.url}/mcp"
    assert session["created_at"] <= session["last_used"]["at"] < session["expires_at"]
    assert session["last_used"]["address"] == "127.0.0.1"
    assert session["ended"] is None


def test_nothing_that_is_printed_is_a_token(town: Town, runner: CliRunner) -> None:
    token = town.sign_in()
    [session] = listed(runner)
    outputs = [run(runner, *command).output for command in (["list"], ["list", "--json"], ["show", session["id"]])]
    upstream = [request.parameters for request in town.idp.requests_to("token")]
    assert upstream
    for output in outputs:
        assert token not in output
        assert "eyJ" not in output, "no JWT at all"
        assert "vsr_" not in output
        assert SECRET not in output


def test_the_address_is_the_one_that_the_server_takes_from_a_trusted_proxy(town: Town, runner: CliRunner) -> None:
    """uvicorn trusts proxies on this machine and corrects the peer; nobody else's word is taken."""
    token = town.sign_in()
    forwarded = {"authorization": f"Bearer {token}", "x-forwarded-for": "203.0.113.7"}
    assert httpx2.post(f"{town.url}/mcp", json={}, headers=forwarded).status_code == 200
    assert "used just now from 203.0.113.7" in run(runner, "list").stdout


def test_filters_narrow_a_list(town: Town, runner: CliRunner) -> None:
    town.sign_in("alice", "Claude Code")
    town.sign_in("bob", "Cursor")
    assert [each["user"]["subject"] for each in listed(runner, "--user", "bob@example.com")] == ["bob"]
    assert [each["user"]["subject"] for each in listed(runner, "--client", "claude code")] == ["alice"]
    assert listed(runner, "--older", "1d") == listed(runner, "--idle", "90m") == []
    assert len(listed(runner, "--older", "0s")) == 2
    assert len(listed(runner, "--limit", "1")) == 1
    assert "There are more" in run(runner, "list", "--limit", "1").stdout


@pytest.mark.parametrize("written", ["30", "d", "3 days", "-1d", "1.5h", ""])
def test_a_duration_has_a_unit(written: str, runner: CliRunner) -> None:
    result = run(runner, "list", f"--older={written}")
    assert result.exit_code == 2
    assert "30d, 12h or 90m" in result.output


def test_a_session_is_shown_by_its_id_or_the_beginning_of_it(town: Town, runner: CliRunner) -> None:
    town.sign_in()
    [session] = listed(runner)
    whole = run(runner, "show", session["id"])
    assert whole.exit_code == 0
    for text in (session["id"], "alice", "Claude Code", "127.0.0.1", "http://127.0.0.1:33418/callback", "expires"):
        assert text in whole.stdout
    assert run(runner, "show", session["id"][:8]).stdout == whole.stdout
    assert json.loads(run(runner, "show", session["id"][:8], "--json").stdout)["id"] == session["id"]
    missing = run(runner, "show", "--", "-nothing")
    assert missing.exit_code == 1
    assert "There is no session -nothing" in missing.output


@pytest.mark.parametrize("arguments", [["show"], ["end"], ["end", "--user"], ["end", "aaaa"], ["end", "--yes"]])
def test_the_short_option_for_help_is_no_id(arguments: list[str], town: Town, runner: CliRunner) -> None:
    town.sign_in()
    for written in ("-h", "--help"):
        result = run(runner, *arguments, written)
        if written == "-h" or arguments[-1] != "--user":
            assert (result.exit_code, result.stdout.split()[0]) == (0, "Usage:")
    assert len(listed(runner)) == 1


@pytest.mark.parametrize("written", ["-haaaaaaaaaaaaaaaaaaaaa", "-aaaahaaaaaaaaaaaaaaaa"])
def test_an_id_may_hold_the_letter_of_an_option(written: str, town: Town, runner: CliRunner) -> None:
    for command in ("show", "end"):
        result = run(runner, command, written)
        assert result.exit_code == 1
        assert f"There is no session {written}" in result.output


def test_what_begins_more_than_one_id_names_none(town: Town, runner: CliRunner) -> None:
    town.sign_in()
    [session] = listed(runner)
    bridge = find_sessions(None)

    async def copied() -> None:
        grant = await bridge.hall.listing.get(session["id"])
        assert grant is not None
        for end in "AB":
            await bridge.hall.grants.create(replace(grant, id=f"-twins-{end}"))

    asyncio.run(copied())
    result = run(runner, "end", "-twins")
    assert result.exit_code == 1
    assert "More than one session begins with -twins" in result.output
    assert len(listed(runner, "--limit", "200")) == 3
    assert run(runner, "end", "-twins-A").stdout == "1 session ended.\n"


@pytest.mark.parametrize("written", ["", "abc"])
def test_too_little_of_an_id_names_none(written: str, town: Town, runner: CliRunner) -> None:
    """``end "$UNSET"`` beside a single session."""
    town.sign_in()
    result = run(runner, "end", written)
    assert result.exit_code == 1
    assert "at least 4 characters" in result.output
    assert len(listed(runner)) == 1


def test_ending_a_session_ends_it_at_the_running_server_and_at_the_provider(town: Town, runner: CliRunner) -> None:
    alice, bob = town.sign_in("alice"), town.sign_in("bob")
    [session] = listed(runner, "--user", "alice")
    result = run(runner, "end", session["id"])
    assert (result.exit_code, result.stdout) == (0, "1 session ended.\n")
    assert (town.status(alice), town.status(bob)) == (401, 200)
    assert town.idp.requests_to("revoke")
    assert listed(runner, "--user", "alice") == []
    [ended] = listed(runner, "--user", "alice", "--ended")
    assert ended["ended"]["reason"] == "ended_by_operator"
    assert "ended_by_operator" in run(runner, "show", session["id"]).stdout
    assert run(runner, "end", session["id"]).stdout == "0 sessions ended.\n"


def test_ending_goes_on_while_the_provider_is_away(town: Town, runner: CliRunner) -> None:
    token = town.sign_in()
    town.idp.faults.fail(503, "revoke", times=10)
    assert run(runner, "end", "--user", "alice").stdout == "1 session ended.\n"
    assert town.status(token) == 401


def test_before_several_are_ended_the_operator_is_asked(town: Town, runner: CliRunner) -> None:
    tokens = [town.sign_in(user) for user in ("alice", "alice", "bob")]
    refused = run(runner, "end", "--client", "Claude Code", typed="n\n")
    assert refused.exit_code == 1
    assert "End 3 sessions of 2 users?" in refused.output
    assert run(runner, "end", "--client", "Claude Code").exit_code == 1, "nobody there to answer"
    assert [town.status(token) for token in tokens] == [200, 200, 200]
    assert run(runner, "end", "--user", "alice", typed="y\n").exit_code == 0
    assert [town.status(token) for token in tokens] == [401, 401, 200]
    assert run(runner, "end", "--older", "0s", "--yes").stdout == "1 session ended.\n"
    assert town.status(tokens[2]) == 401


@pytest.mark.parametrize("arguments", [[], ["--yes"], ["an-id", "--user", "alice"]])
def test_ending_needs_ids_or_a_description(arguments: list[str], runner: CliRunner) -> None:
    result = run(runner, "end", *arguments)
    assert result.exit_code == 2
    assert "Name sessions by id" in result.output


def test_an_empty_variable_ends_nothing(town: Town, runner: CliRunner) -> None:
    """``--client "$UNSET"``."""
    town.sign_in(client_name="")
    for option in ("--client", "--user"):
        assert run(runner, "end", "--yes", option, "").stdout == "0 sessions ended.\n"


def test_what_a_client_calls_itself_moves_no_cursor(town: Town, runner: CliRunner) -> None:
    town.sign_in(client_name="\x1b[2J\u202e[bold]evil[/bold]")
    output = run(runner, "list").stdout
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert "[bold]evil" in output, "it is text, not markup"


# --- whose sessions -------------------------------------------------------------------------------------------------------------


def test_the_server_may_be_named_by_its_file(
    town: Town, runner: CliRunner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.sign_in()
    made = (
        "from vestibule import auth_from_env, MultiAuth\n"
        "auth = auth_from_env()\n"
        "async def plain(scope, receive, send): ...\n"
        "app = auth.protect(plain)\n"
        "from fastmcp import FastMCP\n"
        "mcp = FastMCP('notes', auth=MultiAuth(server=auth))\n"
        "site = mcp.http_app()\n"
    )
    (folder / "notes.py").write_text(made)
    for name in ("", ":app", ":auth", ":mcp", ":site", ":plain"):
        assert len(listed(runner, "--server", f"notes.py{name}")) == 1
    monkeypatch.delenv("VESTIBULE_AUTH")
    result = run(runner, "list")
    assert result.exit_code == 1
    assert "No provider is chosen" in result.output


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"CLIENT_STORAGE": "memory://"}, "in the memory of the server's process"),
        ({"CLIENT_STORAGE": "redis://127.0.0.1:1/0"}, "the server cannot be reached; does it run"),
    ],
)
def test_a_store_out_of_reach_is_one_line(
    town: Town, runner: CliRunner, settings: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"VESTIBULE_OIDC_{name}", value)
    for command in (["list"], ["show", "x"], ["end", "--user", "alice"]):
        result = run(runner, *command)
        assert result.exit_code == 1
        assert words in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_provider_that_issues_its_own_tokens_has_no_sessions_here(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_AUTH", "jwt")
    for name, value in {"JWKS_URI": "https://i.example/jwks", "ISSUER": "https://i.example", "AUDIENCE": "us"}.items():
        monkeypatch.setenv(f"VESTIBULE_JWT_{name}", value)
    result = run(runner, "list")
    assert result.exit_code == 1
    assert "keeps no sessions" in result.output


def test_as_a_process_of_its_own(town: Town) -> None:
    token = town.sign_in()
    command = [str(Path(sys.executable).with_name("vestibule")), "sessions"]
    env = {**environment(), **{name: value for name, value in os.environ.items() if name.startswith("VESTIBULE_")}}
    shown = subprocess.run([*command, "list", "--json"], env=env, capture_output=True, text=True, check=True)
    [session] = json.loads(shown.stdout)
    ended = subprocess.run([*command, "end", session["id"]], env=env, capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("1 session ended.\n", "")
    assert town.status(token) == 401
