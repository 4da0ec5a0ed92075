"""The official conformance suite drives our authorization server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.interop import setup
from tests.interop.peers import IdentityProvider, ProtectedServer, node_environment
from tests.interop.plain_client import PlainClient
from tests.interop.processes import Talk, free_port

pytestmark = pytest.mark.interop

# The suite's own scenarios need no network beyond loopback; the CIMD flag is asked for, as a public server would show it.
OPTIONS = {"enable_cimd": True}


def results_of(server: ProtectedServer, folder: Path) -> dict[str, str]:
    """Status of every check, by its id."""
    port = free_port()
    client = PlainClient(server, f"http://127.0.0.1:{port}/callback")
    script = setup.node_modules() / "@modelcontextprotocol/conformance/dist/index.js"
    target = ["--url", server.base_url, "--client-id", client.client_id, "--resource", server.mcp_url]
    output = ["-p", str(port), "-o", str(folder / "results"), "--spec-version", "2026-07-28"]
    command = [str(setup.node_modules() / "node/bin/node"), str(script), "authorization", *target, *output]
    with Talk(command, env=node_environment()) as suite:
        authorize = client.metadata["authorization_endpoint"]
        query = suite.hear(authorize)
        suite.hear("Callback server started")
        person = server.provider.person()
        person.open(person.walk(authorize + query, client.redirect_uri))
        assert suite.finish() == 0, suite.heard
    files = (folder / "results").glob("*/checks.json")
    return {check["id"]: check["status"] for file in files for check in json.loads(file.read_text())}


def check(results: dict[str, str]) -> None:
    assert results == {
        "authorization-server-metadata": "SUCCESS",
        "authorization-server-metadata-cimd": "SUCCESS",
        "authorization-code-grant": "SUCCESS",
    }


@pytest.mark.spec("ASM-01", "ASM-03", "ASM-04", "ASM-10", "AZ-16", "AZ-20", "TK-01", "TK-02")
@pytest.mark.parametrize("path", ["", "/"])
def test_three_of_three(
    panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer], tmp_path: Path, path: str
) -> None:
    check(results_of(protect(panva_provider, path=path, **OPTIONS), tmp_path))


def test_three_of_three_behind_canaille(
    canaille_provider: IdentityProvider, node_modules: Path, protect: Callable[..., ProtectedServer], tmp_path: Path
) -> None:
    check(results_of(protect(canaille_provider, algorithm="RS512", **OPTIONS), tmp_path))
