"""``vestibule run``: which server of a file is served, and that nobody gets in unasked."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner
from tests.interop.processes import environment, free_port, listening

from vestibule.cli import main
from vestibule.cli.ports import check_can_listen
from vestibule.cli.run import load_application
from vestibule.cli.server_file import find_server, kind_of
from vestibule.errors import ConfigurationError
from vestibule.testing import LoopbackServer
from vestibule.testing.session import ACCEPT
from vestibule.verifiers.key_pair import RSAKeyPair

FASTMCP = "from fastmcp import FastMCP\nmcp = FastMCP('notes')\n"
SDK = "from mcp.server.mcpserver import MCPServer\nmcp = MCPServer('notes', log_level='ERROR')\n"
ASGI = "async def app(scope, receive, send):\n    raise AssertionError('called')\n"
STARLETTE = "from starlette.applications import Starlette\napp = Starlette()\n"
PROTECTED = (
    "from vestibule import StaticTokenVerifier\nfrom starlette.applications import Starlette\n"
    "app = StaticTokenVerifier({'t': {'client_id': 'robot'}}, base_url='http://127.0.0.1:8000').protect(Starlette())\n"
)
OWN = (
    "from fastmcp import FastMCP\nfrom vestibule.providers.in_memory import InMemoryOAuthProvider\n"
    "mcp = FastMCP('notes', auth=InMemoryOAuthProvider('https://own.example'))\n"
)

KEYS = RSAKeyPair.generate()
ISSUER = "https://i.example"
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


def written(folder: Path, text: str, name: str = "notes_server.py") -> str:
    (folder / name).write_text(text)
    return name


@pytest.fixture
def jwt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that needs no network."""
    values = {"PUBLIC_KEY": KEYS.public_key, "ISSUER": ISSUER, "AUDIENCE": "us", "BASE_URL": "https://mcp.example.com"}
    for name, value in values.items():
        monkeypatch.setenv(f"VESTIBULE_JWT_{name}", value)
    monkeypatch.setenv("VESTIBULE_AUTH", "jwt")


@pytest.mark.parametrize(
    ("text", "kind"),
    [(FASTMCP, "fastmcp"), (SDK, "sdk"), (STARLETTE, "asgi"), (FASTMCP.replace("mcp =", "notes ="), "fastmcp")],
)
def test_a_server_is_found_by_what_it_is(text: str, kind: str, folder: Path) -> None:
    assert kind_of(find_server(written(folder, text))) == kind


def test_a_named_object_is_taken_and_a_named_function_called(folder: Path) -> None:
    text = f"{FASTMCP}other = FastMCP('other')\ndef make():\n    return FastMCP('made')\n{ASGI}"
    path = written(folder, text)
    names = [getattr(find_server(f"{path}:{name}"), "name", "") for name in ("mcp", "other", "make")]
    assert names == ["notes", "other", "made"]
    assert kind_of(find_server(f"{path}:app")) == "asgi"


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        (FASTMCP, "notes_server.py:nothing", "has no nothing"),
        (FASTMCP, "elsewhere.py", "is not a Python file"),
        (FASTMCP, "notes_server", "is not a Python file"),
        ("x = 1\n", "notes_server.py", "has no server"),
        ("x = 1\n", "notes_server.py:x", "a int is no FastMCP server"),
        ("from fastmcp import FastMCP\na, b = FastMCP('a'), FastMCP('b')\n", "notes_server.py", "has a, b: name the one"),
    ],
)
def test_a_file_without_a_server_is_explained(text: str, target: str, words: str, folder: Path) -> None:
    written(folder, text)
    with pytest.raises(ConfigurationError, match=words):
        find_server(target)


def test_what_stands_beside_the_file_can_be_imported(folder: Path) -> None:
    written(folder, FASTMCP, "beside_the_server.py")
    assert kind_of(find_server(written(folder, "from beside_the_server import mcp\n"))) == "fastmcp"


@pytest.mark.parametrize("text", [FASTMCP, SDK, STARLETTE])
def test_a_server_without_a_provider_is_not_served(text: str, folder: Path, runner: CliRunner) -> None:
    result = runner.invoke(main, ["run", written(folder, text)])
    assert result.exit_code == 1
    assert "This server asks nobody who they are" in result.output


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        (FASTMCP, "", "/notes"),
        (SDK, "", "/notes"),
        (STARLETTE, "", "/notes"),
        (ASGI, ":app", "/notes"),
        (PROTECTED, "", "/mcp"),
    ],
)
@pytest.mark.usefixtures("jwt")
def test_nobody_gets_in_unasked(text: str, name: str, path: str, folder: Path) -> None:
    with LoopbackServer(load_application(written(folder, text) + name, path)) as server:
        answer = httpx2.post(f"{server.url}{path}", json=LIST_TOOLS, headers={"accept": ACCEPT})
    assert answer.status_code == 401


@pytest.mark.parametrize("text", [FASTMCP, SDK])
@pytest.mark.usefixtures("jwt")
def test_the_public_host_name_is_let_through(text: str, folder: Path) -> None:
    """Servers know the address they are bound to; the guard knows the public URL (otherwise 421 for everybody)."""
    token = KEYS.create_token(subject="robot", issuer=ISSUER, audience="us")
    headers = {"accept": ACCEPT, "host": "mcp.example.com", "authorization": f"Bearer {token}"}
    start = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }
    with LoopbackServer(load_application(written(folder, text), "/mcp")) as server:
        answer = httpx2.post(f"{server.url}/mcp", json=start, headers=headers)
    assert answer.status_code == 200


@pytest.mark.usefixtures("jwt")
def test_a_provider_of_the_servers_own_is_left_alone(folder: Path) -> None:
    with LoopbackServer(load_application(written(folder, OWN), "/mcp")) as server:
        document = httpx2.get(f"{server.url}/.well-known/oauth-authorization-server").json()
    assert document["issuer"] == "https://own.example"


@pytest.mark.parametrize("path", ["mcp", "/", ""])
def test_the_path_is_one(path: str, folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="--path"):
        load_application(written(folder, FASTMCP), path)


@pytest.mark.parametrize("access_log", [False, True])
def test_the_command_serves_and_logs_no_code(folder: Path, access_log: bool) -> None:
    port, log = free_port(), folder / "log"
    program = "from vestibule.cli import main; main()"
    command = [sys.executable, "-c", program, "run", written(folder, OWN), "--transport", "http", "--port", str(port)]
    command += ["--access-log"] if access_log else []
    with listening(command, port=port, log=log, env=environment(VESTIBULE_HOME=str(folder / "home"))):
        answer = httpx2.get(f"http://127.0.0.1:{port}/auth/callback?code=the-code-of-somebody&state=their-state")
    assert answer.status_code == 403
    written_log = log.read_text()
    assert f"serving http://127.0.0.1:{port}/mcp" in written_log
    assert "sessions of https://own.example are kept in" in written_log
    assert "https://own.example/auth/callback" in written_log
    assert "may name these hosts: 127.0.0.1, [::1], localhost, own.example" in written_log
    assert ('"GET /auth/callback HTTP/1.1" 403' in written_log) == access_log
    assert "the-code-of-somebody" not in written_log
    assert "their-state" not in written_log


def test_a_server_file_that_fails_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "server.py"
    file.write_text("import os\n\nstore = os.environ['NO_SUCH_VARIABLE']\n")
    with pytest.raises(ConfigurationError, match=r"server\.py, line 3: KeyError: 'NO_SUCH_VARIABLE'"):
        find_server(str(file))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    "command", [["demo"], ["demo", "--serve"], ["run", "notes_server.py"], ["run", "notes_server.py", "--host", "localhost"]]
)
def test_a_port_that_is_in_use_is_told_before_anything_starts(
    command: list[str], taken: int, folder: Path, runner: CliRunner
) -> None:
    written(folder, OWN)
    result = runner.invoke(main, [*command, "--port", str(taken)])
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert f"Port {taken} of " in line
    assert "is in use: stop what listens there, or choose another with --port." in line
    assert "serving http" not in result.output


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("192.0.2.1", "--host 192.0.2.1 is no address of this machine"),
        ("no-such-host.invalid", "is neither an address nor a name"),
        ("a" * 300, "is neither an address nor a name"),
    ],
)
def test_a_host_that_is_not_this_machine_is_told(host: str, words: str, folder: Path, runner: CliRunner) -> None:
    written(folder, OWN)
    result = runner.invoke(main, ["run", "notes_server.py", "--host", host])
    assert result.exit_code == 1
    assert words in result.stderr


def test_a_kind_of_address_that_this_machine_lacks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where IPv6 is off, and localhost stands for ::1 too."""
    real = socket.socket

    class Lacking(real):
        def __init__(self, family: int = -1, kind: int = -1, protocol: int = -1, fileno: int | None = None) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, kind, protocol, fileno)

    def both(host: object, port: int, *_: object, **__: object) -> list[Any]:
        rest = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(socket.AF_INET6, *rest, ("::1", port, 0, 0)), (socket.AF_INET, *rest, ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "socket", Lacking)
    monkeypatch.setattr(socket, "getaddrinfo", both)
    check_can_listen("localhost", 0)
