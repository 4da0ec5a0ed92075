"""The demo's walk: an MCP client of the official SDK, a user with a browser, and what must hold at each step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from vestibule.cli.trace import Trace
from vestibule.testing import ScriptedUser

__all__ = ["Walk"]

_CALLBACK = "http://127.0.0.1:53682/callback"  # nothing listens there: the scripted browser stops before it


class _Memory:
    """What the client keeps between requests."""

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


class Walk:
    """Walks discovery, registration, consent, sign-in, call, step-up, refresh and revocation.

    Args:
        mcp_url: the protected endpoint.
        trace: where every exchange is printed.
    """

    def __init__(self, mcp_url: str, trace: Trace) -> None:
        self._url = mcp_url
        self._trace = trace
        self._user = ScriptedUser("alice")
        trace.watch(self._user.browser)
        self._memory = _Memory()
        self._answer = ""
        metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(_CALLBACK)], client_name="Demo client")
        self._auth = OAuthClientProvider(mcp_url, metadata, self._memory, self._open_browser, self._await_code)
        self._all_held = True

    async def all_steps(self) -> bool:
        """Walk. True if everything held."""
        async with self._connected() as client:
            await self._sign_in_and_call(client)
            await self._step_up(client)
            await self._refresh(client)
            await self._revoke()
        await self._user.aclose()
        return self._all_held

    async def _sign_in_and_call(self, client: Client) -> None:
        self._trace.title("A tool call by a client that nobody knew")
        answer = await client.call_tool("whoami", {})
        said = answer.structured_content or {}
        self._must(
            said.get("subject") == "alice", f"the tool knows who is signed in: {said.get('subject')}, {said.get('email')}"
        )

    async def _step_up(self, client: Client) -> None:
        self._trace.title("A tool that needs one more scope")
        answer = await client.call_tool("delete_note", {"name": "old"})
        scope = (self._memory.tokens.scope if self._memory.tokens else "") or ""
        self._must(not answer.is_error and "notes:write" in scope.split(), f"the user allowed more: {scope}")

    async def _refresh(self, client: Client) -> None:
        self._trace.title("An hour later")
        before = self._memory.tokens
        self._auth.context.token_expiry_time = 1.0  # the client's own clock: its access token has ended
        answer = await client.call_tool("whoami", {})
        after = self._memory.tokens
        rotated = before is not None and after is not None and before.refresh_token != after.refresh_token
        self._must(not answer.is_error and rotated, "the refresh token was rotated, and nobody was asked")

    async def _revoke(self) -> None:
        self._trace.title("The user disconnects")
        tokens, client = self._memory.tokens, self._memory.client
        if tokens is None or client is None:
            self._must(False, "there is a session to end")
            return
        base = self._url.removesuffix("/mcp")
        async with self._trace.watch(httpx2.AsyncClient(trust_env=False)) as http:
            form = {"token": tokens.refresh_token or "", "client_id": client.client_id or ""}
            revoked = await http.post(f"{base}/revoke", data=form)
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            refused = await http.post(self._url, json=call, headers={"Authorization": f"Bearer {tokens.access_token}"})
        self._must(revoked.is_success and refused.status_code == 401, "the access token ended with the session")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        http = self._trace.watch(httpx2.AsyncClient(auth=self._auth, trust_env=False, timeout=30))
        async with http, Client(streamable_http_client(self._url, http_client=http)) as client:
            yield client

    async def _open_browser(self, url: str) -> None:
        self._answer = await self._user.visit(url, _CALLBACK)

    async def _await_code(self) -> AuthorizationCodeResult:
        answer = {name: values[0] for name, values in parse_qs(urlsplit(self._answer).query).items()}
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    def _must(self, held: bool, text: str) -> None:
        self._all_held = self._all_held and held
        (self._trace.held if held else self._trace.failed)(text)
