"""``/admin/sessions``: sessions in hand, for the operator's own programs. There only where ``admin_token`` is set.

The token is compared before anything of the request but its method is read. It opens nothing else, and no token of a session opens this.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.errors import ConfigurationError, OAuthError
from vestibule.grants.description import describe
from vestibule.grants.model import Grant
from vestibule.grants.session_filter import SessionFilter
from vestibule.keys.keyring import check_secret_strength
from vestibule.protocol.bearer import read_bearer
from vestibule.protocol.parameters import Parameters
from vestibule.server.hall import Hall
from vestibule.server.http import NO_STORE, authorization_headers, endpoint, error_response, json_response, read_query
from vestibule.server.route import Endpoint, EndpointRoute, by_method

__all__ = ["ADMIN_PATH", "check_admin_token", "routes"]

ADMIN_PATH: Final = "/admin/sessions"

_FILTERS: Final = frozenset({"user", "client", "idle_seconds", "older_than_seconds"})
_LIMIT, _MOST = 100, 1000
_BEARER: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 §2.1
_SECONDS: Final = re.compile(r"[0-9]{1,10}")


class _SessionRoute(EndpointRoute):
    """A route of a path that an id ends."""

    def may_match(self, path: str) -> bool:
        return ADMIN_PATH in path


def check_admin_token(token: str, public_url: str) -> None:
    """Check that the token cannot be guessed, and can be sent as a bearer token.

    Raises:
        ConfigurationError: otherwise; on a loopback URL a weak one is only warned of.
    """
    check_secret_strength(token, public_url, "admin_token")
    if _BEARER.fullmatch(token) is None:
        raise ConfigurationError("admin_token may hold letters, digits and -._~+/ only, as bearer tokens do (RFC 6750 §2.1).")


def routes(hall: Hall, admin_token: str) -> list[BaseRoute]:
    """The addresses of all sessions and of one."""

    async def list_sessions(request: Request) -> Response:
        """Some of those that the query describes."""
        query = _query(request, {*_FILTERS, "limit"})
        limit = _limit(query)
        found = await hall.listing.find(_filter(query), limit + 1)
        return _answer({"sessions": [describe(grant) for grant in found[:limit]], "truncated": len(found) > limit})

    async def end_sessions(request: Request) -> Response:
        """All that the query describes, which must not be everybody's for want of a word."""
        query = _query(request, _FILTERS)
        if not any(name in query for name in _FILTERS):
            raise OAuthError("invalid_request", reasons.PARAMETER_MISSING, f"one of {', '.join(sorted(_FILTERS))}")
        ids = [grant.id for grant in await hall.listing.find(_filter(query))]
        await hall.listing.end_all(ids, reasons.ENDED_BY_OPERATOR)
        return _answer({"ended": len(ids)})

    async def show_session(request: Request) -> Response:
        return _answer(describe(await _named(hall, request)))

    async def end_session(request: Request) -> Response:
        """To end what has ended is no error: a program may have to ask twice."""
        grant = await _named(hall, request)
        await hall.listing.end_all([grant.id], reasons.ENDED_BY_OPERATOR)
        return Response(status_code=204, headers=NO_STORE)

    def at(path: str, route: type[EndpointRoute], **handlers: Endpoint) -> BaseRoute:
        endpoints = {name: _for_the_operator(admin_token, handler) for name, handler in handlers.items()}
        return route(path, by_method(**endpoints), methods=list(endpoints))

    return [
        at(ADMIN_PATH, EndpointRoute, GET=list_sessions, DELETE=end_sessions),
        at(f"{ADMIN_PATH}/{{id}}", _SessionRoute, GET=show_session, DELETE=end_session),
    ]


def _for_the_operator(admin_token: str, handler: Endpoint) -> Endpoint:
    """`handler` for who has the token; everyone else learns that they have not, whatever they sent by one of its methods."""
    expected = hashlib.sha256(admin_token.encode()).digest()

    async def guarded(request: Request) -> Response:
        presented = hashlib.sha256(_presented(request).encode()).digest()
        if not hmac.compare_digest(presented, expected):
            raise OAuthError("invalid_token", reasons.ADMIN_TOKEN, status=401, headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return endpoint(guarded, answer=_refusal)


def _refusal(request: Request, error: OAuthError) -> Response:
    """A program's author is told which parameter is wrong: who comes that far is the operator."""
    return error_response(error, told=f"({error.detail})" if error.status == 400 else "")


def _presented(request: Request) -> str:
    try:
        return read_bearer(authorization_headers(request)) or ""
    except OAuthError:
        return ""


def _query(request: Request, known: set[str] | frozenset[str]) -> Parameters:
    """The query, with nothing in it that is not known: a filter that is misspelt would end or show too much."""
    query = read_query(request)
    query.check_no_repeats()
    unknown = sorted(set(query) - known)
    if unknown:
        raise OAuthError("invalid_request", reasons.PARAMETER_INVALID, f"unknown: {unknown[0][:40]!a}")
    empty = [name for name in query if query.get(name) is None]
    if empty:
        raise OAuthError("invalid_request", reasons.PARAMETER_INVALID, f"{empty[0]} is empty")
    return query


def _filter(query: Parameters) -> SessionFilter:
    return SessionFilter(
        user=query.get("user"),
        client=query.get("client"),
        idle_for=_seconds(query, "idle_seconds"),
        older_than=_seconds(query, "older_than_seconds"),
    )


def _seconds(query: Parameters, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if _SECONDS.fullmatch(text) is None:
        raise OAuthError("invalid_request", reasons.PARAMETER_INVALID, f"{name} is no whole number")
    return int(text)


def _limit(query: Parameters) -> int:
    limit = _seconds(query, "limit")
    if limit is None:
        return _LIMIT
    if not 1 <= limit <= _MOST:
        raise OAuthError("invalid_request", reasons.PARAMETER_INVALID, f"limit is from 1 to {_MOST}")
    return limit


async def _named(hall: Hall, request: Request) -> Grant:
    grant = await hall.listing.get(request.path_params["id"])
    if grant is None:
        raise OAuthError("invalid_request", reasons.GRANT_UNKNOWN, status=404)
    return grant


def _answer(content: dict[str, object]) -> Response:
    return json_response(content, headers=NO_STORE)
