"""An MCP client, scripted: each step of its OAuth dance as one method, so that a test can do them well or badly."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2

from vestibule.protocol.pkce import challenge_for, new_verifier
from vestibule.testing.failures import CallRefused, StepFailed
from vestibule.testing.session import ACCEPT, ToolSession
from vestibule.testing.user import ScriptedUser, web_client

__all__ = ["Attempt", "CallRefused", "ScriptedClient", "StepFailed"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An authorization request on its way.

    Attributes:
        url: what the browser opens.
        state: sent with it.
        verifier: of its PKCE pair.
    """

    url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


class ScriptedClient:
    """Discovers, registers, signs its user in, calls tools, refreshes and revokes.

    Args:
        resource_url: the MCP endpoint, e.g. ``http://127.0.0.1:8000/mcp``.
        user: who sits at the browser.
        redirect_uri: where codes come to; nothing listens there.
        client_name: what the consent page shows.
        auth_method: registered ``token_endpoint_auth_method``: ``none``, ``client_secret_basic`` or ``client_secret_post``.
        apps: ASGI apps by base URL, for tests without a network.

    Attributes:
        resource: the protected resource metadata, after :meth:`discover`.
        server: the authorization server metadata, after :meth:`discover`.
        registration: the registration's answer, after :meth:`register`.
        tokens: the last answer of the token endpoint.
        session: the MCP session, for calls with another token.
    """

    def __init__(
        self,
        resource_url: str,
        *,
        user: ScriptedUser | None = None,
        redirect_uri: str = "http://127.0.0.1:33418/callback",
        client_name: str = "Scripted client",
        auth_method: str = "none",
        apps: Mapping[str, Any] | None = None,
    ) -> None:
        self.resource_url = resource_url
        self.user = user or ScriptedUser(apps=apps)
        self.redirect_uri = redirect_uri
        self.client_name = client_name
        self.auth_method = auth_method
        self.http = web_client(apps)
        self.resource: dict[str, Any] = {}
        self.server: dict[str, Any] = {}
        self.registration: dict[str, Any] = {}
        self.tokens: dict[str, Any] = {}
        self.session = ToolSession(self.http, resource_url)

    async def login(self, scope: str | None = None) -> dict[str, Any]:
        """Everything up to the tokens: what is not done yet of discovery and registration, then the sign-in."""
        if not self.server:
            await self.discover()
        if not self.registration:
            await self.register()
        attempt = self.start(scope=scope)
        returned_to = await self.user.visit(attempt.url, self.redirect_uri)
        return await self.exchange(self.finish(attempt, returned_to), attempt)

    async def discover(self) -> dict[str, Any]:
        """From the challenge to the server's metadata (RFC 9728 §5, RFC 8414 §3); returns the latter."""
        answer = await self.http.post(self.resource_url, json={}, headers={"accept": ACCEPT})
        self.resource = await self._get_json("resource metadata", _resource_metadata_url(answer, self.resource_url))
        issuer = urlsplit(self.resource["authorization_servers"][0])
        path = issuer.path.rstrip("/")
        location = f"{issuer.scheme}://{issuer.netloc}/.well-known/oauth-authorization-server{path}"
        self.server = await self._get_json("server metadata", location)
        return self.server

    async def register(self, **metadata: object) -> dict[str, Any]:
        """Dynamic registration (RFC 7591 §3.1); `metadata` replaces or adds members."""
        document = {
            "redirect_uris": [self.redirect_uri],
            "client_name": self.client_name,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": self.auth_method,
            **metadata,
        }
        answer = await self.http.post(self.server["registration_endpoint"], json=document)
        self.registration = _read("register", answer, 201)
        return self.registration

    def start(self, scope: str | None = None, **extra: str) -> Attempt:
        """An authorization request with PKCE, state and resource; `extra` replaces or adds parameters, an empty one drops it."""
        verifier, state = new_verifier(), secrets.token_urlsafe(16)
        parameters = {
            "response_type": "code",
            "client_id": self.registration["client_id"],
            "redirect_uri": self.redirect_uri,
            "code_challenge": challenge_for(verifier),
            "code_challenge_method": "S256",
            "state": state,
            "resource": self.resource.get("resource", ""),
            "scope": scope or "",
            **extra,
        }
        query = urlencode({name: value for name, value in parameters.items() if value})
        return Attempt(f"{self.server['authorization_endpoint']}?{query}", state, verifier)

    def finish(self, attempt: Attempt, returned_to: str) -> str:
        """The code of the URL that the browser came back to, after the checks of state and issuer (RFC 9207 §2.4).

        Raises:
            StepFailed: the server sent an error.
        """
        answer = dict(parse_qsl(urlsplit(returned_to).query))
        if answer.get("state") != attempt.state:
            raise StepFailed("callback", 0, "state is another one")
        if answer.get("iss", self.server["issuer"]) != self.server["issuer"]:
            raise StepFailed("callback", 0, "iss is another one")
        if "code" not in answer:
            raise StepFailed("callback", 0, answer.get("error", "no code"))
        return answer["code"]

    async def exchange(self, code: str, attempt: Attempt, **extra: str) -> dict[str, Any]:
        """Redeem a code; `extra` replaces or adds parameters."""
        parameters = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": attempt.verifier,
            **extra,
        }
        return await self._request_tokens("exchange", parameters)

    async def refresh(self, **extra: str) -> dict[str, Any]:
        """Refresh with the last refresh token; `extra` replaces or adds parameters."""
        parameters = {"grant_type": "refresh_token", "refresh_token": self.tokens.get("refresh_token", ""), **extra}
        return await self._request_tokens("refresh", parameters)

    async def revoke(self, token: str | None = None) -> None:
        """Revoke a token, by default the refresh token (RFC 7009)."""
        parameters = {"token": token or self.tokens["refresh_token"]}
        answer = await self.post_form(self.server["revocation_endpoint"], parameters)
        if answer.status_code != 200:
            raise StepFailed("revoke", answer.status_code, _error_of(answer))

    async def post_form(self, url: str, parameters: Mapping[str, str]) -> httpx2.Response:
        """POST a form with this client's authentication; the raw answer, for tests that look closely."""
        client_id, secret = self.registration["client_id"], self.registration.get("client_secret")
        if self.auth_method == "client_secret_basic":
            return await self.http.post(url, data=dict(parameters), auth=(client_id, secret or ""))
        with_secret = {"client_secret": secret} if secret and self.auth_method == "client_secret_post" else {}
        return await self.http.post(url, data={"client_id": client_id, **with_secret, **parameters})

    async def call_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call a tool with the access token, if there is one; see :meth:`~vestibule.testing.session.ToolSession.call_tool`."""
        return await self.session.call_tool(self.tokens.get("access_token"), name, arguments)

    async def aclose(self) -> None:
        """Close both HTTP clients."""
        await self.http.aclose()
        await self.user.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def _request_tokens(self, step: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        self.tokens = _read(step, await self.post_form(self.server["token_endpoint"], parameters), 200)
        return self.tokens

    async def _get_json(self, step: str, url: str) -> dict[str, Any]:
        return _read(step, await self.http.get(url), 200)


def _resource_metadata_url(answer: httpx2.Response, resource_url: str) -> str:
    """From the challenge, else the place where it always is (RFC 9728 §3.1)."""
    _, found, rest = answer.headers.get("www-authenticate", "").partition('resource_metadata="')
    if found:
        return rest.partition('"')[0]
    parts = urlsplit(resource_url)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path.rstrip('/')}"


def _read(step: str, answer: httpx2.Response, status: int) -> dict[str, Any]:
    if answer.status_code != status:
        raise StepFailed(step, answer.status_code, _error_of(answer))
    members: dict[str, Any] = answer.json()
    return members


def _error_of(answer: httpx2.Response) -> str:
    try:
        return str(answer.json().get("error", ""))
    except (ValueError, AttributeError):
        return ""
