"""The way back from the provider: who came, in which browser, and what they get (RFC 6749 §4.1.2).

Nothing is stored before the provider has confirmed the code, so that nobody can fill the store by calling here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.errors import OAuthError, SignInRefused, Unavailable, UpstreamMisconfigured, UpstreamRefused, VestibuleError
from vestibule.events import Event, emit
from vestibule.grants.data_key import DataKey
from vestibule.grants.model import Code, Grant, nobody
from vestibule.grants.sign_in import SignedIn
from vestibule.grants.tokens import CodeToken, new_grant_id
from vestibule.net.cache import TTLCache
from vestibule.net.single_flight import SingleFlight
from vestibule.protocol.parameters import Parameters
from vestibule.server.hall import Hall
from vestibule.server.http import as_oauth_error, read_query, request_id
from vestibule.server.journey import AuthorizationResponse, check_came_back, complete, read_response
from vestibule.server.login import Login, LoginCookies
from vestibule.server.page_sign_in import Arrive
from vestibule.server.replies import ReturnAddress, error_page, page_endpoint
from vestibule.server.route import EndpointRoute

__all__ = ["routes"]


Unkept = TTLCache[tuple[str, str], tuple[Grant, CodeToken]]
"""Sign-ins that the store could not keep, by state and the provider's code. That code is spent: a reload succeeds only with these."""

_MAX_UNKEPT = 1000


def routes(hall: Hall, cookies: LoginCookies, at_page: Arrive | None = None) -> list[BaseRoute]:
    """The redirect URI that is registered with the provider.

    Args:
        at_page: takes the sign-ins that are for the page of connected apps.
    """
    finishing: SingleFlight[bytes, str] = SingleFlight()
    unkept: Unkept = TTLCache(_MAX_UNKEPT, hall.clock)

    async def callback(request: Request) -> Response:
        parameters = read_query(request)
        page = await at_page(request, parameters) if at_page else None
        return page or await to_client(request, parameters)

    async def to_client(request: Request, parameters: Parameters) -> Response:
        login = _login(hall, cookies, request, parameters)
        back = ReturnAddress(login.redirect_uri, login.client_state, hall.issuer)
        try:
            # Browsers ask twice (a reload, a preview). A provider that sees its code a second time ends the session (RFC 6749 §4.1.2),
            # so the same request at the same time is one exchange, with one code for whoever asks.
            code = await finishing.share(request.scope["query_string"], partial(_finish, hall, login, parameters, unkept))
            response = back.send(hall, back.url(code=code))
        except UpstreamMisconfigured as error:
            _tell(login, error)
            response = error_page(hall, request, as_oauth_error(error), back=back)
        except Unavailable as error:
            _tell(login, error)
            return error_page(hall, request, as_oauth_error(error), back=back)  # the login stays: a reload may succeed
        except UpstreamRefused as error:
            _tell(login, error)
            response = _refused(hall, request, back, error)
        except OAuthError as error:
            _tell(login, error)
            response = back.send(hall, back.error_url(error))
        cookies.delete(response, login)
        return response

    return [EndpointRoute(hall.redirect_path, page_endpoint(hall, callback), methods=["GET"])]


def _login(hall: Hall, cookies: LoginCookies, request: Request, parameters: Parameters) -> Login:
    """The approved login of this browser that the state names (RFC 9700 §4.7; CVE-2026-27124)."""
    state = parameters.get("state")
    if state is None:
        raise OAuthError("invalid_request", reasons.LOGIN_STATE, "no state")
    login = cookies.find(request, state)
    if login is None:
        raise OAuthError("access_denied", reasons.LOGIN_COOKIE_MISSING, status=403)
    check_came_back(hall, login)
    return login


async def _finish(hall: Hall, login: Login, parameters: Parameters, unkept: Unkept) -> str:
    """Complete the login; gives the code for the client."""
    answer = read_response(hall, parameters)
    attempt = login.state, answer.code
    grant, code = unkept.get(attempt) or await _signed_in(hall, login, answer)
    try:
        await _keep(hall, grant)
    except Unavailable:
        unkept.put(attempt, (grant, code), hall.lifetimes.code)
        raise
    unkept.discard(attempt)
    emit(
        Event(
            name="signed_in",
            request_id=request_id.get(),
            client_id=login.client_id[:24],
            subject=grant.subject,
            grant_id=grant.id,
        )
    )
    return code.text


async def _signed_in(hall: Hall, login: Login, answer: AuthorizationResponse) -> tuple[Grant, CodeToken]:
    """The grant of whoever comes back, and the code for it.

    The store is asked before the provider's code is spent: if it does not answer, whoever has to try again still can.
    """
    if await hall.grants.load(new_grant_id(login.state)) is not None:
        raise _completed_before()
    signed_in = await complete(hall, login, answer)
    code = CodeToken.new(hall.keyring, new_grant_id(login.state))
    return _grant(hall, login, signed_in, code), code


async def _keep(hall: Hall, grant: Grant) -> None:
    """Write the grant. An earlier try may have done so, if only its answer was lost."""
    if await hall.grants.create(await hall.listing.add(grant)):
        return
    kept = await hall.grants.load(grant.id)
    if kept is None or kept.code.digest != grant.code.digest:
        raise _completed_before()


def _completed_before() -> OAuthError:
    return OAuthError("access_denied", reasons.LOGIN_STATE, "the sign-in was completed before")


def _grant(hall: Hall, login: Login, signed_in: SignedIn, code: CodeToken) -> Grant:
    now = hall.clock.now()
    key = DataKey.new(code.grant_id) if hall.locks_upstream_tokens else None
    grant = Grant(
        id=code.grant_id,
        client_id=login.client_id,
        redirect_uri=login.redirect_uri,
        scopes=signed_in.scopes,
        resource=login.resource,
        client_name=login.client_name,
        subject=signed_in.subject or nobody(code.grant_id),
        claims=signed_in.claims,
        identity=signed_in.identity,
        issuer=hall.issuer,
        created_at=now,
        expires_at=now + hall.lifetimes.code,
        code=Code(
            digest=code.digest,
            expires_at=now + hall.lifetimes.code,
            challenge=login.code_challenge,
            redirect_uri=login.redirect_uri,
            wrapped_key=key.wrap(code.secret) if key else "",
            ring_key=code.ring_key,
        ),
        data_key=key,
        upstream=signed_in.session,
        forward_resource=login.forward_resource,
    )
    return replace(grant, expires_at=grant.lives_until(now, hall.lifetimes.code))


def _tell(login: Login, error: VestibuleError) -> None:
    """Every login that ends here is told with the request id that its page shows."""
    emit(
        Event(
            name="refused",
            request_id=request_id.get(),
            reason=error.reason.code,
            client_id=login.client_id[:24],
            subject=error.subject if isinstance(error, SignInRefused) else "",
            detail=error.detail,
        )
    )


def _refused(hall: Hall, request: Request, back: ReturnAddress, error: UpstreamRefused) -> Response:
    """An account that may not sign in gets a page that says so; everything else goes back to the client."""
    refusal = OAuthError("access_denied", error.reason, error.detail, status=403)
    if isinstance(error, SignInRefused):
        return error_page(hall, request, refusal, back=back, account=error.account)
    return back.send(hall, back.error_url(refusal))
