"""``/consent``: our own consent, before anything is asked upstream (MCP security best practices, confused deputy).

The page is bound to the browser by the login cookie and to its own form by a token made from that login. Both can be shown and sent
any number of times: several tabs, a reload or a double click do no harm.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.clients.model import Client
from vestibule.errors import OAuthError
from vestibule.events import Event, emit
from vestibule.protocol.parameters import Parameters
from vestibule.server.hall import Hall
from vestibule.server.http import read_form, read_query, request_id
from vestibule.server.journey import leave_for_upstream
from vestibule.server.login import Login, LoginCookies
from vestibule.server.pages import ConsentClient
from vestibule.server.remember import ConsentMemory
from vestibule.server.replies import ReturnAddress, page_endpoint
from vestibule.server.route import EndpointRoute, by_method

__all__ = ["consent_url", "routes"]


def consent_url(hall: Hall, login: Login) -> str:
    """The page's own address. The handle in it is no secret: without the cookie it opens nothing."""
    return f"{hall.base_url}/consent?{urlencode({'login': login.handle})}"


def routes(hall: Hall, cookies: LoginCookies, memory: ConsentMemory) -> list[BaseRoute]:
    """The consent page and its form."""

    async def show(request: Request) -> Response:
        login = _login(hall, cookies, request, read_query(request))
        client = await _client(hall, login)
        if memory.remembers(request, login):
            response = await _approve(hall, cookies, request, login)
            memory.keep(request, response, login)
            return response
        return _page(hall, client, login)

    async def decide(request: Request) -> Response:
        login = _login(hall, cookies, request, read_query(request))
        form = await _form(request)
        _form_is_from_our_page(hall, login, form)
        await _client(hall, login)
        if form.get("action") == "approve":
            response = await _approve(hall, cookies, request, login)
            if form.get("remember") == "yes":
                memory.keep(request, response, login)
            return response
        if form.get("action") == "deny":
            return _deny(hall, cookies, login)
        raise OAuthError("invalid_request", reasons.PARAMETER_INVALID, "action")

    page = by_method(GET=page_endpoint(hall, show), POST=page_endpoint(hall, decide))
    return [EndpointRoute("/consent", page, methods=["GET", "POST"])]


async def _form(request: Request) -> Parameters:
    """The page posts to its own URL, query included; nothing is read from there but the login's handle."""
    request.scope["query_string"] = b""
    return await read_form(Request(request.scope, request.receive))


def _login(hall: Hall, cookies: LoginCookies, request: Request, parameters: Parameters) -> Login:
    login = cookies.read(request, parameters.require("login"))
    if login is None:
        raise OAuthError("access_denied", reasons.LOGIN_COOKIE_MISSING, status=403)
    if login.has_expired(hall.clock.now(), hall.lifetimes.login):
        raise OAuthError("access_denied", reasons.LOGIN_EXPIRED, status=400)
    return login


async def _client(hall: Hall, login: Login) -> Client:
    """The client must still be what the request was checked against; a document may have changed meanwhile."""
    client = await hall.find_client(login.client_id)
    if client.fingerprint.hex() != login.fingerprint:
        raise OAuthError("invalid_client", reasons.CLIENT_UNKNOWN)
    return client


def _csrf(hall: Hall, login: Login) -> str:
    """Proof that a form was sent from the page: only we can make it, only that browser's login fits it."""
    return hall.keyring.mac("consent", f"{login.handle} {login.state}".encode()).hex()


def _form_is_from_our_page(hall: Hall, login: Login, form: Parameters) -> None:
    try:
        tag = bytes.fromhex(form.get("csrf_token") or "")
    except ValueError:
        tag = b""
    if not tag or not hall.keyring.mac_fits("consent", f"{login.handle} {login.state}".encode(), tag):
        raise OAuthError("access_denied", reasons.CONSENT_FORGED, status=403)


def _page(hall: Hall, client: Client, login: Login) -> Response:
    return hall.pages.consent(
        client=ConsentClient(
            redirect_uri=login.redirect_uri,
            client_name=client.metadata.client_name,
            client_id_host=urlsplit(client.client_id).netloc if client.kind == "document" else None,
            is_configured=client.kind == "configured",
        ),
        redirect_kind=ReturnAddress(login.redirect_uri, None, hall.issuer).kind,
        scopes=login.scopes,
        resource=login.resource,
        hidden={"csrf_token": _csrf(hall, login)},
        upstream_name=hall.upstream.name,
        remembered_option=hall.consent_mode == "remember",
    )


async def _approve(hall: Hall, cookies: LoginCookies, request: Request, login: Login) -> Response:
    approved = login.approve(hall.clock.now())
    url = await leave_for_upstream(hall, approved)
    response = hall.pages.continue_to(
        url,
        title="Signing in",
        explanation="You allowed the access. Next you sign in.",
        kind="provider",
    )
    cookies.write(request, response, approved)
    emit(Event(name="consented", request_id=request_id.get(), client_id=login.client_id[:24]))
    return response


def _deny(hall: Hall, cookies: LoginCookies, login: Login) -> Response:
    """RFC 6749 §4.1.2.1: the client learns of it."""
    back = ReturnAddress(login.redirect_uri, login.client_state, hall.issuer)
    response = back.send_by_page(
        hall,
        back.error_url(OAuthError("access_denied", reasons.CONSENT_DENIED)),
        "Nothing was allowed. The app is told so now.",
    )
    cookies.delete(response, login)
    emit(Event(name="refused", request_id=request_id.get(), reason=reasons.CONSENT_DENIED.code, client_id=login.client_id[:24]))
    return response
