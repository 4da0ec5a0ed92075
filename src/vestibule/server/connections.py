"""``/connections``: a signed-in user sees which apps are connected, and disconnects any of them.

Every button is a form with a proof that only this session of the page, and this connection, fits; a disconnect is all that is written.
"""

from __future__ import annotations

from typing import Final, get_args
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.grants.model import Grant
from vestibule.protocol.client_documents import looks_like_document_url
from vestibule.protocol.parameters import Parameters
from vestibule.server.hall import Hall
from vestibule.server.http import read_form, read_query
from vestibule.server.page_session import PageSession, PageSessions, check_proof, proof
from vestibule.server.page_sign_in import leave, sign_in_page
from vestibule.server.pages import ConnectedApp, LastUsed, Notice
from vestibule.server.replies import ReturnAddress, connections_url, page_endpoint, redirect
from vestibule.server.route import EndpointRoute, by_method

__all__ = ["routes"]

_ACTIONS: Final = frozenset({"sign_in", "disconnect", "disconnect_all", "sign_out"})
_MAX_SHOWN: Final = 100


def routes(hall: Hall, sessions: PageSessions) -> list[BaseRoute]:
    """The page and its forms."""

    async def show(request: Request) -> Response:
        notice = _notice(read_query(request))
        session = await sessions.current(request)
        if session is None:
            return sign_in_page(hall, sessions, request, notice)
        return await _page(hall, session, notice)

    async def act(request: Request) -> Response:
        form = await read_form(request)
        form.check_no_repeats()
        action = _action(form)
        if action == "sign_in":
            return await leave(hall, sessions, request, form)
        session = await sessions.current(request)
        if session is None:
            return _back(hall, "session_ended")
        check_proof(hall, form, session.id, action, form.get("connection") or "")
        if action == "disconnect":
            return await _disconnect(hall, session, form.require("connection"))
        if action == "disconnect_all":
            return await _disconnect_all(hall, session)
        response = _back(hall, "signed_out")
        await sessions.close(response, session)
        return response

    page = by_method(GET=page_endpoint(hall, show, of_connections=True), POST=page_endpoint(hall, act, of_connections=True))
    return [EndpointRoute("/connections", page, methods=["GET", "POST"])]


def _action(form: Parameters) -> str:
    action = form.require("action")
    if action not in _ACTIONS:
        raise OAuthError("invalid_request", reasons.PARAMETER_INVALID, "action")
    return action


async def _page(hall: Hall, session: PageSession, notice: Notice | None) -> Response:
    grants = await _grants(hall, session)
    return hall.pages.connections(
        account=session.account,
        apps=[_app(hall, session, grant) for grant in grants[:_MAX_SHOWN]],
        more=max(len(grants) - _MAX_SHOWN, 0),
        proofs={action: proof(hall, session.id, action, "") for action in ("disconnect_all", "sign_out")},
        now=hall.clock.now(),
        notice=notice,
    )


async def _grants(hall: Hall, session: PageSession) -> list[Grant]:
    return [grant for grant in await hall.listing.of_user(session.subject) if session.may_see(grant)]


def _app(hall: Hall, session: PageSession, grant: Grant) -> ConnectedApp:
    used = grant.last_used
    is_document = looks_like_document_url(grant.client_id, allow_loopback_http=True)
    return ConnectedApp(
        connection=grant.id,
        proof=proof(hall, session.id, "disconnect", grant.id),
        name=grant.client_name,
        client_id_host=urlsplit(grant.client_id).netloc if is_document else "",
        redirect_uri=grant.redirect_uri,
        redirect_kind=ReturnAddress(grant.redirect_uri, None, hall.issuer).kind,
        scopes=grant.scopes,
        resource=grant.resource,
        connected_at=grant.created_at,
        last_used=LastUsed(used.at, used.address, used.agent) if used else None,
    )


async def _disconnect(hall: Hall, session: PageSession, grant_id: str) -> Response:
    """End one connection of this user. One that has ended meanwhile is as wanted; another user's does not exist here.

    Raises:
        OAuthError: the user has no such connection.
    """
    grant = await hall.grants.load(grant_id)
    if grant is None or not session.may_see(grant):
        raise OAuthError("access_denied", reasons.CONNECTION_UNKNOWN, status=404)
    await hall.end_grant(grant.id)
    return _back(hall, "disconnected")


async def _disconnect_all(hall: Hall, session: PageSession) -> Response:
    for grant in await _grants(hall, session):
        await hall.end_grant(grant.id)
    return _back(hall, "all_disconnected")


def _back(hall: Hall, notice: Notice) -> Response:
    """To the page again, so that a reload repeats nothing."""
    return redirect(connections_url(hall, notice=notice))


def _notice(parameters: Parameters) -> Notice | None:
    """What the page has to say besides; only words of ours."""
    name = parameters.get("notice")
    return next((notice for notice in get_args(Notice) if notice == name), None)
