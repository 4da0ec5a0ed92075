"""What a type checker says about the ten lines that everybody writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]

_SERVER = """
from fastmcp import FastMCP

from vestibule import RemoteAuthProvider, get_access_token, require_scopes
from vestibule.providers.in_memory import InMemoryOAuthProvider
from vestibule.verifiers.static import StaticTokenVerifier

whole = FastMCP("x", auth=InMemoryOAuthProvider("http://127.0.0.1:8000"))
remote = FastMCP("x", auth=RemoteAuthProvider(StaticTokenVerifier({}), ["https://idp.example.com"], "https://mcp.example.com"))


@whole.tool(auth=require_scopes("admin"))
def wipe() -> str:
    token = get_access_token()
    return token.client_id if token else ""


@whole.resource("secret://x", auth=[require_scopes("read"), require_scopes("admin")])
def secret() -> str:
    return ""
"""


def test_a_provider_fits_where_fastmcp_names_its_own_class(tmp_path: Path) -> None:
    program = tmp_path / "server.py"
    program.write_text(_SERVER)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", _ROOT / ".mypy_cache/hosts", program]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
