"""Protected servers on every host, each a process of its own; FastMCP 3.x and SDK 1.x live in a second virtual environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest
from tests.interop.processes import environment, free_port, listening

from vestibule.testing import ScriptedClient, ScriptedUser

_ROOT = Path(__file__).parents[2]
_SERVER = Path(__file__).parent / "server.py"
_OLDER = _ROOT / ".venv-hosts3"
_OLDER_WANTED = "fastmcp>=3.2,<4 mcp>=1.27,<2"
_NEWER_KINDS = ("fastmcp", "fastmcp-mounted", "fastmcp-protected", "sdk", "starlette")
_OLDER_KINDS = ("fastmcp", "fastmcp-mounted", "fastmcp-protected", "sdk")


@dataclass(frozen=True, slots=True)
class Host:
    """A running server.

    Attributes:
        name: e.g. ``sdk 1.x``.
        origin: where it runs.
        resource: its MCP endpoint.
        token_class: of the host's own ``get_access_token``.
    """

    name: str
    origin: str
    resource: str
    token_class: str

    @property
    def is_mcp(self) -> bool:
        """Whether a real MCP server is behind the guard."""
        return self.name != "starlette"

    @property
    def is_fastmcp(self) -> bool:
        return self.name.startswith("fastmcp")


def _older_python() -> Path:
    """The interpreter of the second environment, made once.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be had.
    """
    _OLDER.mkdir(exist_ok=True)
    stamp, python = _OLDER / "stamp", _OLDER / "bin/python"
    with (_OLDER / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not stamp.exists() or stamp.read_text() != _OLDER_WANTED:
            subprocess.run([sys.executable, "-m", "venv", _OLDER], check=True, capture_output=True)
            install = [python, "-m", "pip", "install", "--quiet", "--editable", _ROOT, *_OLDER_WANTED.split()]
            subprocess.run(install, check=True, capture_output=True, timeout=600)
            stamp.write_text(_OLDER_WANTED)
    return python


@pytest.fixture(scope="session")
def older_python() -> str:
    """Runs with FastMCP 3.x and SDK 1.x; the tests are skipped where that cannot be had, but not in CI."""
    try:
        return str(_older_python())
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no environment with FastMCP 3.x: {error}")


@pytest.fixture(
    scope="session",
    params=[*((kind, True) for kind in _NEWER_KINDS), *((kind, False) for kind in _OLDER_KINDS)],
    ids=lambda param: f"{param[0]}-{'newer' if param[1] else 'older'}",
)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Each host in turn, one at a time."""
    kind, newer = request.param
    python = sys.executable if newer else request.getfixturevalue("older_python")
    port, log = free_port(), tmp_path_factory.mktemp("host") / "log"
    command = [python, str(_SERVER), kind, str(port)]
    origin = f"http://127.0.0.1:{port}"
    path = "/api/mcp" if kind == "fastmcp-mounted" else "/mcp"
    with listening(command, port=port, log=log, env=environment(PYTHONPATH=str(_ROOT / "src"))):
        yield Host(kind, origin, origin + path, _TOKEN_CLASSES[kind.partition("-")[0]])


_TOKEN_CLASSES = {
    "fastmcp": "fastmcp.server.auth.auth.AccessToken",
    "sdk": "mcp.server.auth.provider.AccessToken",
    "starlette": "vestibule.tokens.AccessToken",
}


class People:
    """Opens clients for users at one server, and closes them."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._clients: list[ScriptedClient] = []

    async def sign_in(self, name: str, scope: str | None = None) -> ScriptedClient:
        """A client of its own for `name`, with tokens."""
        client = ScriptedClient(self._host.resource, user=ScriptedUser(name))
        self._clients.append(client)
        await client.discover()
        await client.register()
        await self.sign_in_again(client, scope)
        return client

    async def sign_in_again(self, client: ScriptedClient, scope: str | None = None) -> None:
        """New tokens for the same user at the same client."""
        attempt = client.start(scope=scope, login_hint=client.user.name)
        returned_to = await client.user.visit(attempt.url, client.redirect_uri)
        await client.exchange(client.finish(attempt, returned_to), attempt)

    async def aclose(self) -> None:
        for client in self._clients:
            await client.aclose()


@pytest.fixture
async def people(host: Host) -> AsyncIterator[People]:
    """Users of the host."""
    opened = People(host)
    yield opened
    await opened.aclose()
