"""``vestibule run`` with every host, at a path and a public URL that the host does not know by itself."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx2
import pytest
from tests.interop.processes import environment, free_port, listening

from vestibule.testing.session import ACCEPT
from vestibule.verifiers.key_pair import RSAKeyPair

_ROOT = Path(__file__).parents[2]
_SERVERS = {
    "fastmcp": "from fastmcp import FastMCP\nmcp = FastMCP('notes')\n",
    "sdk-newer": "from mcp.server.mcpserver import MCPServer\nmcp = MCPServer('notes')\n",
    "sdk-older": "from mcp.server.fastmcp import FastMCP\nmcp = FastMCP('notes')\n",
}
_HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


@pytest.mark.parametrize("kind", ["fastmcp-newer", "fastmcp-older", "sdk-newer", "sdk-older"])
def test_a_server_is_served_behind_the_configured_provider(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    python = request.getfixturevalue("older_python") if kind.endswith("older") else sys.executable
    (tmp_path / "notes.py").write_text(_SERVERS.get(kind) or _SERVERS["fastmcp"])
    keys, port, log = RSAKeyPair.generate(), free_port(), tmp_path / "log"
    jwt = {
        "PUBLIC_KEY": keys.public_key,
        "ISSUER": "https://i.example",
        "AUDIENCE": "us",
        "BASE_URL": "https://mcp.example.com",
    }
    variables = {f"VESTIBULE_JWT_{name}": value for name, value in jwt.items()}
    env = environment(PYTHONPATH=str(_ROOT / "src"), VESTIBULE_HOME=str(tmp_path), VESTIBULE_AUTH="jwt", **variables)
    program = "from vestibule.cli import main; main()"
    command = [python, "-c", program, "run", "notes.py", "--port", str(port), "--path", "/notes"]
    token = keys.create_token(subject="robot", issuer="https://i.example", audience="us")
    headers = {"accept": ACCEPT, "host": "mcp.example.com"}
    with listening(command, port=port, log=log, env=env, cwd=tmp_path), httpx2.Client(trust_env=False) as http:
        url = f"http://127.0.0.1:{port}/notes"
        without = http.post(url, json=_HELLO, headers=headers)
        with_token = http.post(url, json=_HELLO, headers={**headers, "authorization": f"Bearer {token}"})
    assert (without.status_code, with_token.status_code) == (401, 200), log.read_text()[-2000:]
