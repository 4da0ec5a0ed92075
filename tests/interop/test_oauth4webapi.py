"""A strict second opinion on every answer of ours: oauth4webapi."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.interop.peers import IdentityProvider, ProtectedServer, node, node_environment
from tests.interop.processes import Talk

pytestmark = pytest.mark.interop

CALLBACK = "http://127.0.0.1:53684/callback"


def opinion(server: ProtectedServer, *method: str) -> dict:
    """Everything the strict client found, or a failure with its words."""
    issuer = server.metadata["issuer"]
    with Talk([*node("strict.mjs"), issuer, server.mcp_url, CALLBACK, *method], env=node_environment()) as talk:
        authorize = talk.hear("authorize ")
        talk.say(server.provider.person().walk(authorize, CALLBACK))
        return json.loads(talk.hear("result "))


def check(found: dict, server: ProtectedServer) -> None:
    assert found["issuer"] == found["iss"] == server.base_url
    assert found["sameIssuer"]
    assert found["authorizationServers"] == [server.base_url]
    assert found["resource"] == server.mcp_url
    assert found["sameMetadata"]
    assert found["anonymous"] == 401
    assert found["tokenType"] == "bearer"
    assert found["expiresIn"] > 0
    assert found["audience"] in (server.mcp_url, [server.mcp_url])
    assert found["clientIdClaim"]
    assert found["call"] == found["callRenewed"] == {"status": 200}
    assert found["rotated"]


def check_refusals(found: dict) -> None:
    for refused in (found["nonsense"], found["callRevoked"]):
        assert refused["status"] == 401
        assert refused["challenge"]["error"] == "invalid_token"
    assert found["refreshRevoked"] == {"status": 400, "error": "invalid_grant"}


@pytest.mark.spec(
    "RS-31", "AZ-20", "ASM-01", "ASM-02", "ASM-13", "PRM-01", "PRM-03", "AT-01", "AT-02", "AT-03", "RV-01", "TK-04"
)
@pytest.mark.parametrize("path", ["", "/", "/tenant1", "/tenant1/"])
def test_public_client(panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer], path: str) -> None:
    server = protect(panva_provider, path=path)
    found = opinion(server)
    check(found, server)
    check_refusals(found)
    assert found["authMethod"] == "none"


@pytest.mark.spec("TK-19", "TK-20", "IN-03", "DCR-03")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_confidential_client(server: ProtectedServer, method: str) -> None:
    found = opinion(server, method)
    check(found, server)
    check_refusals(found)
    assert found["authMethod"] == method
    assert found["hasSecret"]
    assert found["introspected"] == {"active": True, "iss": server.base_url, "client": True}
