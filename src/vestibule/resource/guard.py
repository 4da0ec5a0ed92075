"""The guard: every request to the protected path passes these checks, in this order, or does not pass."""

from __future__ import annotations

import json
import logging
import posixpath
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vestibule import reasons
from vestibule.errors import OAuthError, Unavailable, UpstreamMisconfigured, VestibuleError
from vestibule.events import Event, emit
from vestibule.protocol.bearer import challenge, read_bearer
from vestibule.protocol.scopes import ScopeHierarchy
from vestibule.reasons import Reason
from vestibule.resource.addresses import AllowedHosts, AllowedOrigins
from vestibule.resource.component_scopes import ComponentScopes
from vestibule.resource.identity import Host, current_provider, find_host
from vestibule.resource.step_up import ToolScopes, read_operations
from vestibule.tokens import AccessToken

__all__ = ["Guard", "Protection", "rejection"]

MAX_INSPECTED_BODY = 4 * 1024 * 1024
"""Bytes of a JSON-RPC body that are read to find the tool, where tools have scopes of their own."""

_log = logging.getLogger("vestibule.resource")

rejection: ContextVar[Reason | None] = ContextVar("vestibule_rejection", default=None)
"""Why ``verify_token`` last said None in this context."""


class TokenCheck(Protocol):
    """What the guard asks of a provider."""

    def __call__(self, token: str) -> Awaitable[AccessToken | None]:
        """The token's meaning, or None; the reason goes into :data:`rejection`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """How one resource is protected.

    Attributes:
        path: of the resource within the application, without a trailing slash (empty: the root).
        verify: the token check.
        audience: the ``resource`` that a token must carry; None where the check sees to the audience.
        required_scopes: what every request needs.
        challenge_scopes: those scopes as clients must ask for them.
        metadata_url: of the RFC 9728 document, None where there is none.
        to_challenge: scopes as clients must ask for them.
        provider: whose protection it is, for whoever has to find it from within a call.
    """

    path: str
    verify: TokenCheck
    hosts: AllowedHosts
    origins: AllowedOrigins
    audience: str | None = None
    required_scopes: tuple[str, ...] = ()
    challenge_scopes: tuple[str, ...] = ()
    metadata_url: str | None = None
    hierarchy: ScopeHierarchy = field(default_factory=ScopeHierarchy)
    tool_scopes: ToolScopes = field(default_factory=ToolScopes)
    to_challenge: Callable[[list[str]], list[str]] = field(default=lambda scopes: scopes)
    provider: object | None = None


class _Refused(Exception):
    """One refusal at the resource."""

    def __init__(
        self, status: int, reason: Reason, error: str | None, *, scopes: Iterable[str] = (), retry_after: int | None = None
    ) -> None:
        self.status = status
        self.reason = reason
        self.error = error
        self.scopes = tuple(scopes)
        self.retry_after = retry_after


class Guard:
    """ASGI middleware in front of an MCP server.

    Args:
        app: what is protected.
        protection: called once, at the first request: a host tells its paths only after it has built its middleware.
        whole_tree: protect everything below the path too (an application of unknown routes), not only the path itself.
    """

    def __init__(self, app: ASGIApp, *, protection: Callable[[], Protection], whole_tree: bool = True) -> None:
        self._app = app
        self._make_protection = protection
        self._protection: Protection | None = None
        self._whole_tree = whole_tree
        self._host: Host | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        protection = self._protection
        if protection is None:
            protection = self._protection = self._make_protection()
        if not _is_protected(_route_path(scope), protection.path, self._whole_tree):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # no MCP transport uses them
        else:
            await self._guarded(protection, scope, receive, send)

    async def _guarded(self, protection: Protection, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _Headers(scope["headers"])
        origin = headers.get(b"origin")
        try:
            _host_is_ours(protection, headers)
            _origin_is_allowed(protection, origin)
            if origin is not None:
                if _is_preflight(scope, headers):
                    await _answer_preflight(send, origin, headers)
                    return
                send = _with_cors(send, origin)
            token = await _token_is_good(protection, headers)
            held = protection.hierarchy.expand(token.scopes)
            _scopes_suffice(protection, protection.required_scopes, held)
            _drop_trailing_slash(scope, protection.path)
            host = self._host = self._host or find_host()
            current_provider.set(protection.provider)
            with host.bind(scope, token, held):
                receive = await self._operation_is_allowed(protection, host, scope, headers, held, receive)
                await self._app(scope, receive, send)
        except _Refused as refusal:  # never of a guard further in: that one answers its own
            await _refuse(send, protection, refusal)

    async def _operation_is_allowed(
        self, protection: Protection, host: Host, scope: Scope, headers: _Headers, held: frozenset[str], receive: Receive
    ) -> Receive:
        """Scopes per tool: the body is read, checked, and handed on as it came."""
        if scope["method"] != "POST" or not (protection.tool_scopes or ComponentScopes.in_use):
            return receive
        body = await _read_body(receive)
        try:
            operations = read_operations(body, headers.text(b"mcp-method"), headers.text(b"mcp-name"))
        except OAuthError as error:
            raise _Refused(400, error.reason, "invalid_request") from error
        of_components = await host.component_scopes(self._app, scope, operations) if ComponentScopes.in_use else ()
        needed = (*protection.required_scopes, *protection.tool_scopes.required(operations), *of_components)
        _scopes_suffice(protection, needed, held)
        return _replay(body, receive)


# --- the checks ---------------------------------------------------------------------------------------------------------------


def _host_is_ours(protection: Protection, headers: _Headers) -> None:
    host = headers.text(b"host")
    if host is None or host not in protection.hosts:
        raise _Refused(421, reasons.HOST_NOT_ALLOWED, None)


def _origin_is_allowed(protection: Protection, origin: bytes | None) -> None:
    if origin is not None and origin.decode("latin-1") not in protection.origins:
        raise _Refused(403, reasons.ORIGIN_NOT_ALLOWED, None)


async def _token_is_good(protection: Protection, headers: _Headers) -> AccessToken:
    """Missing, unreadable, refused and "cannot tell right now" are four different answers."""
    try:
        text = read_bearer(headers.all(b"authorization"))
    except OAuthError as error:
        raise _Refused(error.status, error.reason, error.error) from error
    if text is None:
        raise _Refused(401, reasons.TOKEN_MISSING, None, scopes=protection.challenge_scopes)
    rejection.set(None)
    token = await _verified(protection, text)
    if token is None or not _looks_like_a_token(token):
        raise _no(protection, rejection.get() or reasons.TOKEN_NOT_ACCEPTED)
    if protection.audience is not None and token.resource != protection.audience:
        raise _no(protection, reasons.TOKEN_AUDIENCE)
    return token


async def _verified(protection: Protection, text: str) -> AccessToken | None:
    try:
        return await protection.verify(text)
    except UpstreamMisconfigured as error:
        emit(Event(name="operator", reason=error.reason.code, detail=error.detail))
        raise _Refused(502, error.reason, "server_error") from error
    except Unavailable as error:
        raise _Refused(503, error.reason, "temporarily_unavailable", retry_after=error.retry_after) from error
    except VestibuleError as error:
        raise _no(protection, error.reason) from error
    except Exception as error:
        _log.exception("the token verifier failed: %s", type(error).__name__)
        raise _Refused(503, reasons.INTERNAL, "temporarily_unavailable", retry_after=5) from error


def _looks_like_a_token(value: object) -> bool:
    """A verifier of a user's own may return the host's token class; anything else, truthy or not, is a "no"."""
    return all(hasattr(value, name) for name in ("token", "client_id", "scopes"))


def _no(protection: Protection, reason: Reason) -> _Refused:
    if reason is reasons.SCOPE_MISSING:
        return _Refused(403, reason, "insufficient_scope", scopes=protection.challenge_scopes)
    return _Refused(401, reason, "invalid_token", scopes=protection.challenge_scopes)


def _scopes_suffice(protection: Protection, needed: Iterable[str], held: frozenset[str]) -> None:
    """403 with everything that is needed at once (RFC 6750 §3.1, SEP-2350)."""
    needed = tuple(dict.fromkeys(needed))
    if not held.issuperset(needed):
        raise _Refused(403, reasons.SCOPE_MISSING, "insufficient_scope", scopes=protection.to_challenge(list(needed)))


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, reasons.BODY_UNREADABLE, "invalid_request")
        body += message.get("body", b"")
        if len(body) > MAX_INSPECTED_BODY:
            raise _Refused(413, reasons.BODY_TOO_LARGE, "invalid_request")
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body once more, then goes on as before."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


# --- paths --------------------------------------------------------------------------------------------------------------------


def _route_path(scope: Scope) -> str:
    """The path within the application: a server mounted below a prefix sees the prefix in ``root_path``."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


@lru_cache(maxsize=256)
def _is_protected(path: str, protected: str, whole_tree: bool) -> bool:
    """Also for a path that some server further in may yet read as the protected one."""
    plain = posixpath.normpath("/" + unquote(path).lower().replace("\\", "/").lstrip("/"))
    target = protected.lower() or "/"
    return plain == target or (whole_tree and (target == "/" or plain.startswith(target + "/")))


def _drop_trailing_slash(scope: MutableMapping[str, Any], path: str) -> None:
    """``/mcp/`` is ``/mcp``: a redirect would cost clients their POST body or their token."""
    if scope["path"].endswith("/") and path and _route_path(scope) == path + "/":
        scope["path"] = scope["path"][:-1]


# --- answers ------------------------------------------------------------------------------------------------------------------


class _Headers:
    """The request's headers: few are looked at, so nothing is built for the others."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    def get(self, name: bytes) -> bytes | None:
        for key, value in self._raw:
            if key == name:
                return value
        return None

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self._raw if key == name]

    def text(self, name: bytes) -> str | None:
        value = self.get(name)
        return None if value is None else value.decode("latin-1")


_EXPOSED: Final = b"WWW-Authenticate, Retry-After, X-Request-Id, Mcp-Session-Id, Mcp-Protocol-Version"


async def _refuse(send: Send, protection: Protection, refusal: _Refused) -> None:
    """The answer to a request that did not pass: a challenge, and the same in a small JSON body."""
    request_id = secrets.token_hex(6)
    reason = refusal.reason
    emit(Event(name="rejected", request_id=request_id, reason=reason.code, detail=str(refusal.status)))
    description = f"{reason.text} {reason.remedy}" if refusal.error else None
    content = {
        "error": refusal.error,
        "error_description": description or reason.text,
        "reason": reason.code,
        "request_id": request_id,
    }
    body = json.dumps({key: value for key, value in content.items() if value}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request_id.encode()),
    ]
    if refusal.status in (400, 401, 403) and reason is not reasons.ORIGIN_NOT_ALLOWED:
        value = challenge(
            error=refusal.error, description=description, scopes=refusal.scopes, resource_metadata=protection.metadata_url
        )
        headers.append((b"www-authenticate", value.encode("ascii")))
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_preflight(scope: Scope, headers: _Headers) -> bool:
    return scope["method"] == "OPTIONS" and headers.get(b"access-control-request-method") is not None


async def _answer_preflight(send: Send, origin: bytes, headers: _Headers) -> None:
    """A browser asks without the token (Fetch §4.8); the request itself will need it."""
    answer = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
        (b"access-control-allow-headers", headers.get(b"access-control-request-headers") or b"authorization"),
        (b"access-control-max-age", b"600"),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})


def _with_cors(send: Send, origin: bytes) -> Send:
    """Let the page read the answer, a refusal too."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", ()) if not pair[0].lower().startswith(b"access-control-")]
            added = [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", _EXPOSED),
                (b"vary", b"Origin"),
            ]
            message = {**message, "headers": [*kept, *added]}
        await send(message)

    return sent
