"""JSON-RPC over streamable HTTP, as far as calling a tool goes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

import httpx2

from vestibule.testing.failures import CallRefused

__all__ = ["ACCEPT", "ToolSession"]

ACCEPT: Final = "application/json, text/event-stream"
_PROTOCOL_VERSION: Final = "2025-06-18"


class ToolSession:
    """One MCP session with one server.

    Args:
        http: sends the requests.
        url: the MCP endpoint.
    """

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self._id: str | None = None

    async def call_tool(self, token: str | None, name: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call a tool, opening the session first if there is none.

        Args:
            token: the access token; None to come without.
            name: the tool.
            arguments: for it.

        Returns:
            The result, or the JSON-RPC error.

        Raises:
            CallRefused: HTTP said no.
        """
        if self._id is None:
            await self._open(token)
        answer = await self.request(token, "tools/call", {"name": name, "arguments": dict(arguments or {})})
        message = _read_message(answer)
        result: dict[str, Any] = message.get("result") or message.get("error") or {}
        return result

    async def request(
        self, token: str | None, method: str, params: Mapping[str, Any], *, notify: bool = False
    ) -> httpx2.Response:
        """Send one message; the raw answer.

        Raises:
            CallRefused: its status is not 2xx.
        """
        identity = {} if notify else {"id": secrets.randbelow(2**31)}
        message = {"jsonrpc": "2.0", "method": method, "params": dict(params), **identity}
        answer = await self._http.post(self._url, json=message, headers=self._headers(token))
        if not answer.is_success:
            raise CallRefused(answer.status_code, answer.headers.get("www-authenticate", ""))
        return answer

    async def _open(self, token: str | None) -> None:
        about = {"name": "scripted-client", "version": "1"}
        hello = {"protocolVersion": _PROTOCOL_VERSION, "capabilities": {}, "clientInfo": about}
        answer = await self.request(token, "initialize", hello)
        self._id = answer.headers.get("mcp-session-id", "")
        await self.request(token, "notifications/initialized", {}, notify=True)

    def _headers(self, token: str | None) -> dict[str, str]:
        headers = {"accept": ACCEPT, "mcp-protocol-version": _PROTOCOL_VERSION}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if self._id:
            headers["mcp-session-id"] = self._id
        return headers


def _read_message(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON-RPC answer, which comes as JSON or as the last event of a stream."""
    text = answer.text
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        events = (line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:"))
        text = [event for event in events if event][-1]
    message: dict[str, Any] = json.loads(text)
    return message
