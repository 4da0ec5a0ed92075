"""RemoteAuthProvider: the document, the challenge, and everything else from the verifier."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from vestibule import RemoteAuthProvider, get_access_token
from vestibule.errors import ConfigurationError
from vestibule.verifiers.static import StaticTokenVerifier

pytestmark = pytest.mark.anyio

BASE = "https://mcp.example.com"
TOKENS = {
    "good": {"client_id": "app", "sub": "alice", "scopes": ["read"]},
    "narrow": {"client_id": "app", "sub": "bob", "scopes": []},
}


class PrefixingVerifier(StaticTokenVerifier):
    """One whose scopes have another form on the wire."""

    @property
    def scopes_supported(self) -> list[str]:
        return self.get_challenge_scopes()

    def get_challenge_scopes(self, required_scopes: list[str] | None = None) -> list[str]:
        return [f"api://x/{scope}" for scope in (self.required_scopes if required_scopes is None else required_scopes)]


def remote(verifier: StaticTokenVerifier | None = None, **options: Any) -> RemoteAuthProvider:
    chosen = verifier or StaticTokenVerifier(TOKENS, required_scopes=["read"])
    return RemoteAuthProvider(chosen, ["https://idp.example.com/tenant/"], BASE, **options)


async def show(request: Request) -> Response:
    caller = get_access_token()
    return PlainTextResponse(str(caller.subject if caller else None))


def client(provider: RemoteAuthProvider) -> httpx2.AsyncClient:
    app = provider.protect(Starlette(routes=[Route("/mcp", show, methods=["POST"])]))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE)


@pytest.mark.spec("PRM-01")
@pytest.mark.parametrize("place", ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"])
async def test_the_document_is_at_both_places_for_everybody(place: str) -> None:
    async with client(remote(resource_name="Files", resource_documentation=AnyHttpUrl("https://docs.example.com/x"))) as http:
        answer = await http.get(place, headers={"origin": "https://anywhere.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json() == {
        "resource": f"{BASE}/mcp",
        "authorization_servers": ["https://idp.example.com/tenant/"],
        "scopes_supported": ["read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Files",
        "resource_documentation": "https://docs.example.com/x",
    }


@pytest.mark.parametrize("issuer", ["https://idp.example.com", "https://idp.example.com/", "https://idp.example.com/a//b/"])
async def test_an_issuer_is_repeated_byte_for_byte(issuer: str) -> None:
    provider = RemoteAuthProvider(StaticTokenVerifier(TOKENS), [issuer], BASE)
    async with client(provider) as http:
        document = (await http.get("/.well-known/oauth-protected-resource/mcp")).json()
    assert document["authorization_servers"] == [issuer]


@pytest.mark.spec("RS-01", "RS-03", "RS-04")
async def test_nobody_comes_in_without_a_token() -> None:
    async with client(remote()) as http:
        answer = await http.post("/mcp")
    assert answer.status_code == 401
    expected = f'Bearer scope="read", resource_metadata="{BASE}/.well-known/oauth-protected-resource/mcp"'
    assert answer.headers["www-authenticate"] == expected


async def test_the_verifier_decides_who_comes_in() -> None:
    async with client(remote()) as http:
        good = await http.post("/mcp", headers={"authorization": "Bearer good"})
        bad = await http.post("/mcp", headers={"authorization": "Bearer bad"})
    assert (good.status_code, good.text) == (200, "alice")
    assert bad.status_code == 401
    assert bad.json()["reason"] == "token_not_accepted"


@pytest.mark.spec("RS-19")
async def test_a_token_without_a_required_scope_is_good_but_not_enough() -> None:
    async with client(remote()) as http:
        answer = await http.post("/mcp", headers={"authorization": "Bearer narrow"})
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="read"' in answer.headers["www-authenticate"]


async def test_scopes_are_named_as_the_verifier_says_that_clients_must_ask_for_them() -> None:
    async with client(remote(PrefixingVerifier(TOKENS, required_scopes=["read"]))) as http:
        challenge = (await http.post("/mcp")).headers["www-authenticate"]
        refusal = (await http.post("/mcp", headers={"authorization": "Bearer narrow"})).headers["www-authenticate"]
        document = (await http.get("/.well-known/oauth-protected-resource/mcp")).json()
    assert 'scope="api://x/read"' in challenge
    assert 'scope="api://x/read"' in refusal
    assert document["scopes_supported"] == ["api://x/read"]


async def test_what_is_given_wins_over_the_verifier() -> None:
    async with client(remote(scopes_supported=["read", "write"], challenge_scopes=["read", "profile"])) as http:
        challenge = (await http.post("/mcp")).headers["www-authenticate"]
        document = (await http.get("/.well-known/oauth-protected-resource/mcp")).json()
    assert 'scope="read profile"' in challenge
    assert document["scopes_supported"] == ["read", "write"]


async def test_the_resource_may_live_at_another_base() -> None:
    provider = remote(resource_base_url="https://api.example.com/v1/")
    paths = [route.path for route in provider.get_well_known_routes("/mcp")]
    assert paths == ["/.well-known/oauth-protected-resource/v1/mcp", "/.well-known/oauth-protected-resource"]


@pytest.mark.parametrize("servers", [[], (), "https://idp.example.com", ["ftp://idp.example.com"], [""]])
def test_authorization_servers_are_a_list_of_issuers(servers: Any) -> None:
    with pytest.raises(ConfigurationError, match="authorization_servers"):
        RemoteAuthProvider(StaticTokenVerifier(TOKENS), servers, BASE)
