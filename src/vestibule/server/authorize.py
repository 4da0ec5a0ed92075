"""``GET /authorize``: the checks, in order, and the first step of a login (RFC 6749 §4.1.1, OAuth 2.1 §4.1.1)."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.clients.model import Client
from vestibule.errors import OAuthError
from vestibule.events import Event, emit
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.pkce import is_challenge
from vestibule.protocol.redirect_uris import find_registered
from vestibule.protocol.resource_indicators import choose_resource
from vestibule.protocol.scopes import parse_scope
from vestibule.server.hall import Hall
from vestibule.server.http import as_oauth_error, read_query, request_id
from vestibule.server.login import AuthorizationParams, LoginCookies
from vestibule.server.replies import ReturnAddress, error_page, is_proven, page_endpoint, redirect
from vestibule.server.route import EndpointRoute
from vestibule.upstream.parameters import FORWARDED_PARAMETERS

__all__ = ["routes"]

_MAX_FORWARDED = 256  # characters each


def routes(hall: Hall, cookies: LoginCookies) -> list[BaseRoute]:
    """The authorization endpoint."""

    async def authorize(request: Request) -> Response:
        parameters = read_query(request)
        client = await _client(hall, parameters)
        redirect_uri = _redirect_uri(hall, client, parameters)
        # From here on there is an address that the client may be answered at.
        back = ReturnAddress(redirect_uri, _state(parameters), hall.issuer)
        try:
            params = _checked(hall, client, redirect_uri, parameters)
            url = await hall.authorize(client, params)
            response = redirect(url)
            if params.login is not None:
                cookies.write(request, response, params.login)
        except OAuthError as error:
            return _refuse(hall, request, client, back, error)
        emit(Event(name="login_started", request_id=request_id.get(), client_id=client.short_id))
        return response

    return [EndpointRoute("/authorize", page_endpoint(hall, authorize), methods=["GET"])]


def _refuse(hall: Hall, request: Request, client: Client, back: ReturnAddress, error: OAuthError) -> Response:
    refusal = as_oauth_error(error)
    emit(
        Event(
            name="refused",
            request_id=request_id.get(),
            reason=refusal.reason.code,
            client_id=client.short_id,
            detail=refusal.detail,
        )
    )
    if is_proven(client, back.redirect_uri):
        return back.send(hall, back.error_url(refusal))
    return error_page(hall, request, refusal, back=back)


async def _client(hall: Hall, parameters: Parameters) -> Client:
    """An unknown client gets a page, never a redirect (RFC 6749 §4.1.2.1)."""
    client_id = parameters.get("client_id")
    if client_id is None:
        raise OAuthError("invalid_request", reasons.PARAMETER_MISSING, "client_id")
    try:
        return await hall.find_client(client_id)
    except OAuthError as error:
        raise OAuthError(error.error, error.reason, error.detail, status=400) from error


def _redirect_uri(hall: Hall, client: Client, parameters: Parameters) -> str:
    """Compared as a string with what was registered; then the operator's limit (OAuth 2.1 §2.3)."""
    found = find_registered(
        client.metadata.redirect_uris, parameters.get("redirect_uri"), loopback_spellings=client.loopback_spellings
    )
    if found is None:
        raise OAuthError("invalid_request", reasons.REDIRECT_URI_MISMATCH)
    if hall.allowed_redirect_uris is not None and not hall.allowed_redirect_uris.admits(found):
        raise OAuthError("invalid_request", reasons.REDIRECT_URI_NOT_ALLOWED)
    return found


def _state(parameters: Parameters) -> str | None:
    """Echoed even on errors; one that was sent twice cannot be."""
    values = parameters.all("state")
    return values[0] if len(values) == 1 and values[0] else None


def _checked(hall: Hall, client: Client, redirect_uri: str, parameters: Parameters) -> AuthorizationParams:
    """Everything else that can be wrong with the request goes back to the client.

    Raises:
        OAuthError: with the error code of RFC 6749 §4.1.2.1, RFC 8707 §2 or OIDC Core §3.1.2.6.
    """
    for check in _CHECKS:
        check(client, parameters)
    resource = choose_resource([value for value in parameters.all("resource") if value], hall.resources())
    return AuthorizationParams(
        state=_state(parameters),
        scopes=list(_scopes(hall, parameters)),
        code_challenge=parameters.require("code_challenge"),
        redirect_uri=redirect_uri,
        redirect_uri_provided_explicitly=parameters.get("redirect_uri") is not None,
        resource=resource or hall.resources()[0],
        forward_resource=resource,
        forwarded=_forwarded(parameters),
    )


def _no_parameter_is_repeated(client: Client, parameters: Parameters) -> None:
    """RFC 6749 §3.1."""
    parameters.check_no_repeats()


def _no_request_object(client: Client, parameters: Parameters) -> None:
    """OIDC Core §3.1.2.6: unsupported means refused, not ignored."""
    if parameters.get("request"):
        raise OAuthError("request_not_supported", reasons.PARAMETER_INVALID, "request")
    if parameters.get("request_uri"):
        raise OAuthError("request_uri_not_supported", reasons.PARAMETER_INVALID, "request_uri")


def _response_type_is_code(client: Client, parameters: Parameters) -> None:
    response_type = parameters.get("response_type")
    if response_type is None:
        raise OAuthError("invalid_request", reasons.PARAMETER_MISSING, "response_type")
    if response_type != "code":
        raise OAuthError("unsupported_response_type", reasons.RESPONSE_TYPE)


def _response_mode_is_query(client: Client, parameters: Parameters) -> None:
    if parameters.get("response_mode") not in (None, "query"):
        raise OAuthError("invalid_request", reasons.PARAMETER_INVALID, "response_mode")


def _client_may_use_codes(client: Client, parameters: Parameters) -> None:
    if not client.allows_grant("authorization_code"):
        raise OAuthError("unauthorized_client", reasons.GRANT_TYPE_NOT_REGISTERED)


def _pkce_is_s256(client: Client, parameters: Parameters) -> None:
    """RFC 7636 §4.3: a missing method means ``plain``, which OAuth 2.1 §7.5.2 rules out."""
    challenge = parameters.get("code_challenge")
    if challenge is None or parameters.get("code_challenge_method") != "S256" or not is_challenge(challenge):
        raise OAuthError("invalid_request", reasons.PKCE_REQUIRED)


_CHECKS: tuple[Callable[[Client, Parameters], None], ...] = (
    _no_parameter_is_repeated,
    _no_request_object,
    _response_type_is_code,
    _response_mode_is_query,
    _client_may_use_codes,
    _pkce_is_s256,
)


def _scopes(hall: Hall, parameters: Parameters) -> tuple[str, ...]:
    """The required scopes and whatever else was asked for and exists.

    Clients derive scopes from metadata, add ``offline_access`` or ask for none; what is unknown here is left out of the grant and
    the answer says what is in it (RFC 6749 §3.3). A request of which nothing at all is known is refused.
    """
    asked = parse_scope(parameters.get("scope"))
    known = [scope for scope in asked if scope in hall.valid_scopes]
    if asked and not known:
        raise OAuthError("invalid_scope", reasons.SCOPE_INVALID)
    return tuple(dict.fromkeys([*hall.required_scopes, *known]))


def _forwarded(parameters: Parameters) -> dict[str, str]:
    """What the client may say to the provider."""
    values = {name: parameters.get(name) for name in sorted(FORWARDED_PARAMETERS)}
    too_long = [name for name, value in values.items() if value is not None and len(value) > _MAX_FORWARDED]
    if too_long:
        raise OAuthError("invalid_request", reasons.PARAMETER_INVALID, too_long[0])
    return {name: value for name, value in values.items() if value is not None}
