"""Signing in to the page of connected apps: with the same provider, by the same callback, and for no app.

Nobody gets to the provider by a link from elsewhere: the button's form carries a proof that only this browser's journey fits. Nothing is
stored, and what the provider gave is not kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from vestibule import reasons
from vestibule.errors import OAuthError, SignInRefused, Unavailable, UpstreamMisconfigured, VestibuleError
from vestibule.events import Event, emit
from vestibule.grants.sign_in import SignedIn
from vestibule.net.single_flight import SingleFlight
from vestibule.policy import account_name
from vestibule.protocol.parameters import Parameters
from vestibule.server.hall import Hall
from vestibule.server.http import as_oauth_error, request_id
from vestibule.server.journey import Journey, check_came_back, complete, leave_for_upstream, read_response
from vestibule.server.page_session import PageSessions, check_proof, proof
from vestibule.server.pages import Notice
from vestibule.server.replies import connections_url, error_page

__all__ = ["Arrive", "arrivals", "leave", "sign_in_page"]

Arrive = Callable[[Request, Parameters], Awaitable[Response | None]]
"""Answers the callback, if it is of a journey that began at the page; None if it is not."""


def sign_in_page(hall: Hall, sessions: PageSessions, request: Request, notice: Notice | None) -> Response:
    """The page as a visitor sees it: one button. Several tabs share one journey."""
    journey = sessions.journey(request) or _new_journey(hall)
    response = hall.pages.sign_in(proof=proof(hall, journey.state, "sign_in"), upstream_name=hall.upstream.name, notice=notice)
    sessions.keep(response, journey)
    return response


async def leave(hall: Hall, sessions: PageSessions, request: Request, form: Parameters) -> Response:
    """The button was pressed: on to the provider.

    Raises:
        OAuthError: the form is not from the page, or the browser keeps no cookies.
        Unavailable: the provider is not known yet.
    """
    journey = sessions.journey(request)
    if journey is None:
        raise OAuthError("access_denied", reasons.LOGIN_COOKIE_MISSING, status=403)
    check_proof(hall, form, journey.state, "sign_in")
    approved = journey.approve(hall.clock.now())
    url = await leave_for_upstream(hall, approved)
    response = hall.pages.continue_to(
        url, title="Signing in", explanation="Next you sign in. Then your connected apps are shown.", kind="provider"
    )
    sessions.keep(response, approved)
    return response


def arrivals(hall: Hall, sessions: PageSessions) -> Arrive:
    """What the callback asks first."""
    completing: SingleFlight[bytes, SignedIn] = SingleFlight()

    async def arrive(request: Request, parameters: Parameters) -> Response | None:
        journey = sessions.journey_of(request, parameters.get("state"))
        if journey is None:
            return None
        try:
            check_came_back(hall, journey)
            answer = read_response(hall, parameters)
            # Browsers ask twice; the provider takes its code once.
            signed_in = await completing.share(request.scope["query_string"], partial(complete, hall, journey, answer))
            response = _opened(hall, sessions, signed_in)
        except VestibuleError as error:
            response = _refused(hall, request, error)
            if isinstance(error, Unavailable):
                return response  # the journey stays: a reload may succeed
        sessions.forget_journey(response)
        return response

    return arrive


def _new_journey(hall: Hall) -> Journey:
    """It asks for as little as a sign-in may, and for the resource that every client names: some providers' tokens follow from it."""
    return Journey(
        scopes=hall.required_scopes, forward_resource=hall.resources()[0], offline=False, started_at=hall.clock.now()
    )


def _opened(hall: Hall, sessions: PageSessions, signed_in: SignedIn) -> Response:
    """On by a page of ours: a redirect would still be the provider's navigation, which brings no SameSite=Strict cookie along."""
    if not signed_in.subject:
        raise UpstreamMisconfigured(reasons.UPSTREAM_ANSWER, "the provider does not say who signed in")
    response = hall.pages.continue_to(
        connections_url(hall), title="You are signed in", explanation="Your connected apps are shown next.", kind="web"
    )
    sessions.open(response, subject=signed_in.subject, account=account_name(signed_in.claims), issuer=signed_in.issuer)
    emit(Event(name="page_opened", request_id=request_id.get(), subject=signed_in.subject))
    return response


def _refused(hall: Hall, request: Request, error: VestibuleError) -> Response:
    """A page that says why; for an account that may not sign in, which one it was."""
    who = error if isinstance(error, SignInRefused) else None
    emit(
        Event(
            name="refused",
            request_id=request_id.get(),
            reason=error.reason.code,
            subject=who.subject if who else "",
            detail=error.detail,
        )
    )
    refusal = OAuthError("access_denied", error.reason, error.detail, status=403) if who else as_oauth_error(error)
    return error_page(hall, request, refusal, account=who.account if who else "", of_connections=True)
