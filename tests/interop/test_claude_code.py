"""Claude Code signs in with its own command line, in a terminal and a home of its own; no account is needed for that."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.interop import setup
from tests.interop.peers import IdentityProvider, ProtectedServer, node_environment
from tests.interop.plain_client import call_tool
from tests.interop.processes import Talk

pytestmark = pytest.mark.interop


class ClaudeCode:
    """One installation: home, browser, credentials."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._home, self._browsed = folder, folder / "home", folder / "opened"
        self._home.mkdir()
        shim = folder / "browser"
        shim.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" > {self._browsed}.new && mv {self._browsed}.new {self._browsed}\n')
        shim.chmod(0o755)
        quiet = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "TERM": "xterm"}
        self._env = node_environment(HOME=str(self._home), BROWSER=str(shim), **quiet)
        self._command = str(setup.node_modules() / ".bin/claude")

    def mcp(self, *arguments: str) -> str:
        """One ``claude mcp`` command; returns what it prints."""
        done = subprocess.run(
            [self._command, "mcp", *arguments],
            env=self._env,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def login(self, server: ProtectedServer) -> str:
        """``claude mcp login`` in a terminal; returns the authorization request that it opened in the browser."""
        command = [self._command, "mcp", "login", "interop"]
        with Talk(command, env=self._env, cwd=self._folder, terminal=True) as talk:
            request = self._opened()
            redirect_uri = parse_qs(urlsplit(request).query)["redirect_uri"][0]
            person = server.provider.person()
            person.open(person.walk(request, redirect_uri))
            talk.hear("Authenticated with")
        return request

    def _opened(self, seconds: float = 30.0) -> str:
        """What the browser was started with."""
        deadline = time.monotonic() + seconds
        while not self._browsed.exists():
            assert time.monotonic() < deadline, "no browser was opened"
            time.sleep(0.05)
        request = self._browsed.read_text().strip()
        self._browsed.unlink()
        return request

    @property
    def _credentials_file(self) -> Path:
        return self._home / ".claude/.credentials.json"

    def credentials(self) -> dict:
        """What it keeps about the one server."""
        (entry,) = json.loads(self._credentials_file.read_text())["mcpOAuth"].values()
        return entry

    def forget_access_token(self) -> None:
        """What an hour later looks like."""
        document = json.loads(self._credentials_file.read_text())
        (entry,) = document["mcpOAuth"].values()
        entry.update(accessToken="not.a.token", expiresAt=1)
        self._credentials_file.write_text(json.dumps(document))


@pytest.fixture
def claude(node_modules: Path, tmp_path: Path) -> Iterator[ClaudeCode]:
    return ClaudeCode(tmp_path)


@pytest.mark.spec("RS-03", "PRM-01", "CI-02", "DCR-01", "AZ-03", "AZ-20", "RF-02")
@pytest.mark.parametrize(
    ("enable_cimd", "named"), [(True, "https://claude.ai/oauth/claude-code-client-metadata"), (False, "vc_")]
)
def test_login_refresh_and_logout(
    panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer], claude: ClaudeCode, enable_cimd: bool, named: str
) -> None:
    """Named by the URL of its document, of which a copy is at hand where there is no way out, and by registration."""
    server = protect(panva_provider, enable_cimd=enable_cimd)
    claude.mcp("add", "-t", "http", "interop", server.mcp_url)
    request = claude.login(server)
    assert parse_qs(urlsplit(request).query)["client_id"][0].startswith(named)

    entry = claude.credentials()
    assert entry["issuer"] == server.base_url
    called = call_tool(server, entry["accessToken"], "whoami")
    assert called.status == 200
    assert server.provider.issuer in called.body
    assert "Connected" in claude.mcp("get", "interop")

    claude.forget_access_token()
    assert "Connected" in claude.mcp("get", "interop")
    renewed = claude.credentials()
    assert renewed["accessToken"] not in ("not.a.token", entry["accessToken"])
    assert renewed["refreshToken"] != entry["refreshToken"]

    claude.mcp("logout", "interop")
    assert "Needs authentication" in claude.mcp("get", "interop")
    assert call_tool(server, renewed["accessToken"], "whoami").status == 401, "its log-out revokes (RFC 7009)"
