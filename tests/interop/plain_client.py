"""An OAuth client of the standard library only: for what needs one step at a time."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.interop.peers import ProtectedServer
from tests.interop.person import opener


@dataclass
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


def post(url: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Answer:
    """POST, whatever the status of the answer."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type, **(headers or {})})
    try:
        answer = opener().open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return Answer(answer.status or 0, answer.headers, answer.read().decode())


class PlainClient:
    """Registers itself at `server` as a public client."""

    def __init__(self, server: ProtectedServer, redirect_uri: str, name: str = "A plain client") -> None:
        self.server, self.redirect_uri, self.metadata = server, redirect_uri, server.metadata
        self._verifier, self.state = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
        document = {
            "redirect_uris": [redirect_uri],
            "client_name": name,
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
        answer = post(self.metadata["registration_endpoint"], json.dumps(document).encode(), "application/json")
        assert answer.status == 201, answer
        self.client_id = answer.json()["client_id"]

    def authorize_url(self, **further: str) -> str:
        """A fresh authorization request."""
        digest = hashlib.sha256(self._verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "resource": self.server.mcp_url,
            "state": self.state,
            **further,
        }
        return f"{self.metadata['authorization_endpoint']}?{urlencode(parameters)}"

    def read(self, callback: str) -> dict[str, str]:
        """The parameters that the browser brought back; state and issuer must fit (RFC 9207)."""
        parameters = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
        assert parameters["state"] == self.state
        assert parameters["iss"] == self.metadata["issuer"]
        return parameters

    def redeem(self, callback: str) -> dict[str, Any]:
        """Tokens for the code that the browser brought back."""
        proof = {"code_verifier": self._verifier, "redirect_uri": self.redirect_uri}
        return self.token(grant_type="authorization_code", code=self.read(callback)["code"], **proof)

    def token(self, **parameters: str) -> dict[str, Any]:
        """The token endpoint's answer, which must be a success."""
        answer = self.send("token_endpoint", **parameters)
        assert answer.status == 200, answer
        return answer.json()

    def send(self, endpoint: str, **parameters: str) -> Answer:
        """A form to one of the endpoints of the metadata."""
        form = urlencode({"client_id": self.client_id, **parameters})
        return post(self.metadata[endpoint], form.encode(), "application/x-www-form-urlencoded")

    def call(self, token: str, tool: str = "whoami") -> Answer:
        """A tool call without a session (2026-07-28)."""
        return call_tool(self.server, token, tool)


def call_tool(server: ProtectedServer, token: str, tool: str) -> Answer:
    """A tool call as the stateless wire has it."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "plain", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}, "_meta": meta}}
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    return post(server.mcp_url, json.dumps(message).encode(), "application/json", headers)
