"""The official Python SDK's client: discovery, registration, login, call, refresh, revocation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from tests.interop.peers import IdentityProvider, ProtectedServer
from tests.interop.person import Person

pytestmark = [pytest.mark.anyio, pytest.mark.interop]

CALLBACK = "http://127.0.0.1:53682/callback"


class LoginFailed(Exception):
    """The browser came back with an error; the text is where it was sent."""


class Storage:
    """What the client keeps."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class SDKClient:
    """The SDK's OAuth client with a person at the browser."""

    def __init__(self, server: ProtectedServer, person: Person | None = None, scope: str | None = None) -> None:
        self.server, self.person, self.storage = server, person or server.provider.person(), Storage()
        self.logins = 0
        self._answer = ""
        metadata = OAuthClientMetadata(redirect_uris=[CALLBACK], client_name="Python SDK", scope=scope)
        self.auth = OAuthClientProvider(server.mcp_url, metadata, self.storage, self._redirect, self._callback)

    async def _redirect(self, url: str) -> None:
        self.logins += 1
        self._answer = await anyio.to_thread.run_sync(self.person.walk, url, CALLBACK)

    async def _callback(self) -> AuthorizationCodeResult:
        answer = {name: values[0] for name, values in parse_qs(urlsplit(self._answer).query).items()}
        if "code" not in answer:
            raise LoginFailed(self._answer)
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    @asynccontextmanager
    async def session(self, mode: str = "auto") -> AsyncIterator[Client]:
        """A connected MCP session."""
        async with (
            httpx2.AsyncClient(auth=self.auth, trust_env=False, timeout=30) as http,
            Client(streamable_http_client(self.server.mcp_url, http_client=http), mode=mode) as client,
        ):
            yield client

    def tokens(self) -> OAuthToken:
        assert self.storage.tokens is not None
        return self.storage.tokens

    async def revoke(self) -> int:
        """Revoke the refresh token (RFC 7009); returns the status."""
        assert self.storage.client is not None
        form = {"token": self.tokens().refresh_token or "", "client_id": self.storage.client.client_id or ""}
        if self.storage.client.client_secret:
            form["client_secret"] = self.storage.client.client_secret
        async with httpx2.AsyncClient(trust_env=False) as http:
            return (await http.post(self.server.metadata["revocation_endpoint"], data=form)).status_code

    async def call_with(self, token: str) -> httpx2.Response:
        """A bare `ping` with an access token."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
            return await http.post(self.server.mcp_url, headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})


async def whoami(client: Client) -> dict:
    result = await client.call_tool("whoami", {})
    assert not result.is_error, result
    assert result.structured_content is not None
    return result.structured_content


async def whole_life(client: SDKClient, mode: str = "auto") -> None:
    """Login, call, refresh, revocation."""
    async with client.session(mode) as session:
        caller = await whoami(session)
    assert caller["issuer"] == caller["host_issuer"] == client.server.provider.issuer
    assert caller["client_id"] == caller["host_client_id"] == client.storage.client.client_id  # type: ignore[union-attr]

    first = client.tokens()
    client.auth.context.token_expiry_time = 1.0  # what an hour later looks like to the SDK
    async with client.session(mode) as session:
        await whoami(session)
    second = client.tokens()
    assert client.logins == 1, "a refresh must not need the user"
    assert second.access_token != first.access_token
    assert second.refresh_token != first.refresh_token

    assert await client.revoke() == 200
    refused = await client.call_with(second.access_token)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    log = client.server.log.read_text()
    assert not [token for token in (first, second) if token.access_token in log or str(token.refresh_token) in log]


@pytest.mark.spec("RS-03", "ASM-03", "DCR-01", "TK-01", "RF-02", "RV-05")
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_login_call_refresh_and_revocation(server: ProtectedServer, mode: str) -> None:
    await whole_life(SDKClient(server), mode)


@pytest.mark.spec("ASM-01", "PRM-03")
async def test_with_a_trailing_slash_on_the_issuer(
    panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer]
) -> None:
    await whole_life(SDKClient(protect(panva_provider, path="/")))


@pytest.mark.spec("PX-10")
async def test_canaille_which_wants_a_nonce(
    canaille_provider: IdentityProvider, protect: Callable[..., ProtectedServer]
) -> None:
    await whole_life(SDKClient(protect(canaille_provider, algorithm="RS512")))


async def test_a_denial_reaches_the_client(server: ProtectedServer) -> None:
    person = server.provider.person(decision="deny")
    client = SDKClient(server, person)
    with pytest.raises(BaseException) as raised:  # noqa: PT011
        async with client.session():
            pass
    assert "'code'" in repr(raised.value) or "access_denied" in client._answer
    assert client.storage.tokens is None


async def test_the_upstream_token_is_renewed_behind_a_refresh(
    panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer]
) -> None:
    """Every refresh asks a provider that rotates: the second one fails unless the successor was kept."""
    client = SDKClient(protect(panva_provider, token_expiry_threshold_seconds=7200))
    async with client.session() as session:
        await whoami(session)
    for _ in range(3):
        client.auth.context.token_expiry_time = 1.0
        async with client.session() as session:
            await whoami(session)
    assert client.logins == 1


@pytest.mark.spec("RS-18", "RS-20")
async def test_step_up_asks_for_what_the_tool_needs(
    panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer]
) -> None:
    """The first call is refused with 403; the SDK signs in again with the scopes that the challenge names, and repeats it."""
    server = protect(
        panva_provider,
        required_scopes=["openid"],
        valid_scopes=["openid", "email"],
        tool_scopes={"delete_note": ["email"]},
    )
    client = SDKClient(server)
    async with client.session() as session:
        assert "email" not in (await whoami(session))["scopes"]
        result = await session.call_tool("delete_note", {})
        assert not result.is_error, result
        assert {"openid", "email"} <= set((await whoami(session))["scopes"])
    assert client.logins == 2
