"""Reading requests strictly, and turning every refusal into the one answer that the error table has for it."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from vestibule import reasons
from vestibule.errors import OAuthError, Unavailable, UpstreamMisconfigured, UpstreamRefused, VestibuleError
from vestibule.events import Event, emit
from vestibule.protocol.parameters import Parameters, parse_parameters
from vestibule.server.route import Endpoint, check_method

__all__ = [
    "NO_STORE",
    "authorization_headers",
    "cors",
    "endpoint",
    "error_response",
    "json_response",
    "read_form",
    "read_json",
    "read_query",
    "request_id",
]

NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""RFC 6749 §5.1."""

_NOT_IN_DESCRIPTION: Final = re.compile(r"[^ !#-\[\]-~]")  # RFC 6749 §5.2

MAX_BODY = 64 * 1024
"""Bytes. The largest honest request is a registration with a key set."""

_log = logging.getLogger("vestibule.server")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request being answered: in the answer, the log and every event."""


def new_request_id() -> str:
    """Start a request: a fresh id, never one that the caller chose."""
    value = secrets.token_hex(6)
    request_id.set(value)
    return value


async def read_body(request: Request) -> bytes:
    """The body, up to :data:`MAX_BODY`.

    Raises:
        OAuthError: 413.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise OAuthError("invalid_request", reasons.REQUEST_TOO_LARGE, status=413)
    return bytes(body)


async def read_form(request: Request) -> Parameters:
    """The form of a POST. Nothing is ever taken from the query (RFC 6749 §2.3.1, §3.2).

    Raises:
        OAuthError: not a form, parameters in the query, malformed, too large.
    """
    if _media_type(request) != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", reasons.CONTENT_TYPE, "expected a form")
    if request.scope.get("query_string"):
        raise OAuthError("invalid_request", reasons.REQUEST_MALFORMED, "parameters in the query of a POST")
    return parse_parameters(await read_body(request))


async def read_json(request: Request) -> object:
    """The JSON body of a POST.

    Raises:
        OAuthError: not JSON, malformed, too deep, too large.
    """
    if _media_type(request) != "application/json":
        raise OAuthError("invalid_client_metadata", reasons.CONTENT_TYPE, "expected JSON")
    try:
        return json.loads(await read_body(request))
    except (ValueError, RecursionError) as error:
        raise OAuthError("invalid_client_metadata", reasons.REQUEST_MALFORMED, "the body is not JSON") from error


def read_query(request: Request) -> Parameters:
    """The query of a GET.

    Raises:
        OAuthError: malformed, too large.
    """
    return parse_parameters(request.scope.get("query_string", b""))


def authorization_headers(request: Request) -> list[bytes]:
    """Every ``Authorization`` header, as it came."""
    return [value for name, value in request.scope["headers"] if name == b"authorization"]


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def json_response(content: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(json.dumps(content, separators=(",", ":")).encode(), status, headers=headers, media_type="application/json")


def error_response(error: OAuthError, *, told: str = "") -> Response:
    """RFC 6749 §5.2, with the reason code and the request id in the description.

    Args:
        told: what else the caller may know; what the description must not hold is left out of it.
    """
    text = " ".join(filter(None, (error.reason.text, _NOT_IN_DESCRIPTION.sub("", told))))
    content = {"error": error.error, "error_description": f"{text} [{error.reason.code}, request {request_id.get()}]"}
    return json_response(content, status=error.status, headers={**NO_STORE, **error.headers})


def as_oauth_error(error: VestibuleError) -> OAuthError:
    """The closed table: what may reach a client, and as what.

    Transient trouble is 503 and never looks like a dead token; our own credentials being refused is our matter, never the client's.
    """
    match error:
        case OAuthError():
            return error
        case Unavailable():
            return OAuthError(
                "temporarily_unavailable",
                error.reason,
                error.detail,
                status=503,
                headers={"Retry-After": str(error.retry_after)},
            )
        case UpstreamMisconfigured():
            emit(Event(name="operator", reason=error.reason.code, request_id=request_id.get(), detail=error.detail))
            return OAuthError("server_error", error.reason, error.detail, status=502)
        case UpstreamRefused():
            return OAuthError("invalid_grant", error.reason, error.detail)
        case _:
            return OAuthError("server_error", error.reason, error.detail, status=500)


def endpoint(handler: Endpoint, *, answer: Callable[[Request, OAuthError], Response]) -> Endpoint:
    """Give `handler` a request id and let `answer` speak for whatever it raises. Nothing else leaves the server."""

    async def guarded(request: Request) -> Response:
        identity = new_request_id()
        try:
            check_method(request)
            response = await handler(request)
        except VestibuleError as error:
            refusal = as_oauth_error(error)
            _log_refusal(request, refusal)
            response = answer(request, refusal)
        except Exception as error:
            _log.exception("request %s %s failed: %s", identity, request.scope["path"], type(error).__name__)
            response = answer(request, OAuthError("server_error", reasons.INTERNAL, type(error).__name__, status=500))
        response.headers["X-Request-Id"] = identity
        return response

    return guarded


def json_endpoint(handler: Endpoint) -> Endpoint:
    """An endpoint for programs: refusals are RFC 6749 §5.2 JSON."""
    return endpoint(handler, answer=lambda _, error: error_response(error))


def _log_refusal(request: Request, error: OAuthError) -> None:
    emit(
        Event(
            name="refused",
            request_id=request_id.get(),
            reason=error.reason.code,
            detail=f"{request.scope['path']} {error.status} {error.error} {error.detail}".rstrip(),
        )
    )


_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "WWW-Authenticate, Retry-After, X-Request-Id",
}


def cors(handler: Endpoint, methods: str) -> Endpoint:
    """Let browser clients read the answers, errors too, and ask before they send (OAuth 2.1 §3.2).

    No cookie takes part in these endpoints, so any origin may ask.
    """

    async def shared(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(
                status_code=204,
                headers={
                    **_CORS,
                    "Access-Control-Allow-Methods": f"{methods}, OPTIONS",
                    "Access-Control-Allow-Headers": request.headers.get("access-control-request-headers")
                    or "authorization, content-type, mcp-protocol-version",
                    "Access-Control-Max-Age": "600",
                    "Vary": "Access-Control-Request-Headers",
                },
            )
        response = await handler(request)
        response.headers.update(_CORS)
        return response

    return shared
