"""The TypeScript SDK's clients, 1.x and 2.x: discovery, registration, login, call, refresh, revocation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.interop.peers import IdentityProvider, ProtectedServer, node, node_environment
from tests.interop.processes import Talk

pytestmark = pytest.mark.interop

CALLBACK = "http://localhost:53683/callback"
SDKS = pytest.mark.parametrize("script", ["sdk1.mjs", "sdk2.mjs"])


def life(script: str, server: ProtectedServer, *method: str) -> dict:
    """Run one client from its first request to the revocation of its tokens."""
    with Talk([*node(script), server.mcp_url, CALLBACK, *method], env=node_environment()) as talk:
        authorize = talk.hear("authorize ")
        talk.say(server.provider.person().walk(authorize, CALLBACK))
        return json.loads(talk.hear("result "))


def check(result: dict, server: ProtectedServer) -> None:
    assert result["caller"]["issuer"] == server.provider.issuer
    assert result["caller"]["client_id"] == result["caller"]["host_client_id"] == result["clientId"]
    assert result["refreshed"]
    assert result["rotated"]
    assert result["loginsBeforeRevocation"] == 1
    assert result["revoked"] == 200
    assert result["askedAgain"], "a revoked grant must lead to a new login"
    assert result["keptRegistration"], "a revoked grant must not cost the client its registration"


@pytest.mark.spec("RS-03", "PRM-02", "AZ-16", "AZ-20", "RF-02", "RV-01", "RV-05")
@SDKS
def test_public_client(server: ProtectedServer, script: str) -> None:
    check(life(script, server), server)


@pytest.mark.spec("TK-20", "TK-19")
@SDKS
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_confidential_client(server: ProtectedServer, script: str, method: str) -> None:
    check(life(script, server, method), server)


@pytest.mark.spec("ASM-01", "ASM-02", "PRM-03")
@SDKS
@pytest.mark.parametrize("path", ["/", "/tenant1"])
def test_spellings_of_the_issuer(
    panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer], script: str, path: str
) -> None:
    server = protect(panva_provider, path=path)
    check(life(script, server), server)


@pytest.mark.spec("PX-10")
@SDKS
def test_behind_canaille(
    canaille_provider: IdentityProvider, node_modules: Path, protect: Callable[..., ProtectedServer], script: str
) -> None:
    """SDK 2.x asks for offline_access because our metadata lists it; this provider knows no such scope."""
    server = protect(canaille_provider, algorithm="RS512")
    check(life(script, server), server)
