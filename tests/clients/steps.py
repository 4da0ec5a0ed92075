"""The requests that all clients send much alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.clients.transcript import Login, Request

PRM = "/.well-known/oauth-protected-resource"
SERVER = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"

ACCEPT = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}}

ENDPOINTS = {name: name for name in ("authorization_endpoint", "token_endpoint", "registration_endpoint")}
TOKENS = {"access_token": "access_token", "refresh_token": "refresh_token"}

UNCHALLENGED = Request(
    "POST", "{resource}", ACCEPT, json=INITIALIZE, status=401, headed={"www-authenticate": 'resource_metadata="{base}/'}
)
"""The first request of nearly everyone: it comes without a token, to be told where to get one."""


def read(path: str, **expected: Any) -> Request:
    """A document at the host's root."""
    return Request("GET", "{base}" + path, {"accept": "application/json"}, **expected)


DISCOVERY = (
    UNCHALLENGED,
    read(f"{PRM}/mcp", answer={"resource": "{resource}", "authorization_servers": ["{issuer}"]}),
    read(SERVER, answer={"issuer": "{issuer}", "code_challenge_methods_supported": ["S256"]}, keep=ENDPOINTS),
)
"""RFC 9728 and RFC 8414, with what clients stop at: another resource than the one called, another issuer, no S256."""


def register(
    *redirect_uris: str, url: str = "{registration_endpoint}", expect: Mapping[str, Any] | None = None, **members: Any
) -> Request:
    """A dynamic registration; what was registered comes back as it was sent, redirect URIs to the letter."""
    document = {
        "client_name": "A client",
        "redirect_uris": list(redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        **members,
    }
    document = {name: value for name, value in document.items() if value is not None}
    echoed = {"redirect_uris": list(redirect_uris), "client_id": ..., **(expect or {})}
    kept: dict[str, str] = {name: name for name in ("client_id", "client_secret") if name in echoed}
    return Request("POST", url, json=document, status=201, answer=echoed, keep=kept)


def authorize(redirect_uri: str, *, client_id: str = "{client_id}", **more: str) -> dict[str, str]:
    """The parameters of an authorization request; an empty one is left out."""
    parameters = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "code_challenge": "{challenge}",
        "code_challenge_method": "S256",
        "state": "{state}",
        "resource": "{resource}",
        **more,
    }
    return {name: value for name, value in parameters.items() if value}


def login(redirect_uri: str, *, keep: str = "code", **more: str) -> Login:
    """An authorization request that goes well."""
    return Login(authorize(redirect_uri, **more), lands=redirect_uri, keep=keep)


def redeem(redirect_uri: str, **more: str) -> Request:
    """A code at the token endpoint; an empty parameter is left out."""
    form = {
        "grant_type": "authorization_code",
        "code": "{code}",
        "redirect_uri": redirect_uri,
        "code_verifier": "{verifier}",
        "client_id": "{client_id}",
        "resource": "{resource}",
        **more,
    }
    return _tokens(form)


def refresh(**more: str) -> Request:
    """A refresh token at the token endpoint; an empty parameter is left out."""
    form = {"grant_type": "refresh_token", "refresh_token": "{refresh_token}", "client_id": "{client_id}", **more}
    return _tokens(form)


def refused(request: Request, status: int, error: str) -> Request:
    """The same request where it must not succeed."""
    return replace(request, status=status, answer={"error": error, "error_description": ...}, without=tuple(TOKENS), keep={})


def call(token: str = "{access_token}", **expected: Any) -> Request:
    """A tool call."""
    headers = {**ACCEPT, "authorization": f"Bearer {token}"}
    return Request("POST", "{resource}", headers, json=CALL, **({"answer": {"result": ...}} | expected))


def sign_in(redirect_uri: str, *, scope: str = "") -> tuple[Login | Request, ...]:
    """The ordinary way from a client id to a call."""
    return login(redirect_uri, scope=scope), redeem(redirect_uri), call()


def _tokens(form: dict[str, str]) -> Request:
    present = {name: value for name, value in form.items() if value}
    answer = {"access_token": ..., "refresh_token": ..., "token_type": "Bearer", "expires_in": ..., "scope": ...}
    return Request("POST", "{token_endpoint}", form=present, answer=answer, keep=TOKENS)
