"""Answers that go to the client through the user's browser (RFC 6749 §4.1.2), and pages where that must not be."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from vestibule.clients.model import Client
from vestibule.clients.pinned import PINNED_DOCUMENTS
from vestibule.errors import OAuthError
from vestibule.protocol.redirect_uris import is_loopback
from vestibule.server.hall import Hall
from vestibule.server.http import NO_STORE, endpoint, request_id
from vestibule.server.pages import LinkKind
from vestibule.server.route import Endpoint

__all__ = ["ReturnAddress", "connections_url", "error_page", "is_proven", "page_endpoint", "redirect"]

_BROWSER_HEADERS = {**NO_STORE, "Referrer-Policy": "no-referrer"}


def redirect(url: str) -> Response:
    """303: a browser must not repeat a form at the next address (RFC 9700 §4.12); never cached, no referrer."""
    return RedirectResponse(url, 303, headers=_BROWSER_HEADERS)


@dataclass(frozen=True, slots=True)
class ReturnAddress:
    """Where a client's answer goes: its redirect URI, its state, our issuer (RFC 9207)."""

    redirect_uri: str
    state: str | None
    issuer: str

    def url(self, **parameters: str) -> str:
        """The redirect URI with `parameters` added to the query it already has (RFC 6749 §3.1.2)."""
        if self.state is not None:
            parameters["state"] = self.state
        parameters["iss"] = self.issuer
        base, _, existing = self.redirect_uri.partition("?")
        return f"{base}?{existing + '&' if existing else ''}{urlencode(parameters)}"

    def error_url(self, error: OAuthError) -> str:
        """The error answer (RFC 6749 §4.1.2.1)."""
        return self.url(error=error.error, error_description=f"{error.reason.text} [{error.reason.code}, {request_id.get()}]")

    @property
    def kind(self) -> LinkKind:
        """What kind of address the answer goes to."""
        if is_loopback(self.redirect_uri):
            return "loopback"
        return "web" if self.redirect_uri.startswith("https://") else "custom"

    def send(self, hall: Hall, url: str) -> Response:
        """To the client at once, where a redirect arrives; through a page of ours for an app's own scheme.

        A provider's page may forbid forms to lead to anything but the web (CSP ``form-action`` covers the whole chain of redirects),
        which would strand the user on the way to ``cursor://``.
        """
        return self.send_by_page(hall, url) if self.kind == "custom" else redirect(url)

    def send_by_page(self, hall: Hall, url: str, explanation: str = "The app gets its answer now.") -> Response:
        """Through a page that goes on by itself. After a form of ours always so, for our own ``form-action 'self'``."""
        return hall.pages.continue_to(url, title="Back to your app", explanation=explanation, kind=self.kind)


def connections_url(hall: Hall, **parameters: str) -> str:
    """The page of a user's connected apps."""
    return f"{hall.base_url}/connections{'?' if parameters else ''}{urlencode(parameters)}"


def page_endpoint(hall: Hall, handler: Endpoint, *, of_connections: bool = False) -> Endpoint:
    """An endpoint for people: refusals are pages."""
    return endpoint(handler, answer=lambda request, error: error_page(hall, request, error, of_connections=of_connections))


def error_page(
    hall: Hall,
    request: Request,
    error: OAuthError,
    *,
    back: ReturnAddress | None = None,
    account: str = "",
    of_connections: bool = False,
) -> Response:
    """What happened, what to do next, and the request id; with a way back to the app where that is safe.

    Args:
        back: where the app waits for its answer.
        account: who is signed in, where that is what is wrong.
        of_connections: no app waits, the user comes from the page of connected apps.
    """
    return_url = connections_url(hall) if of_connections else None
    response = hall.pages.error(
        status=error.status,
        title=_title(error, "That cannot be done" if of_connections else "This sign-in cannot go on"),
        what_happened=error.reason.text,
        what_to_do=error.reason.remedy,
        request_id=request_id.get(),
        reason_code=error.reason.code,
        return_url=back.error_url(error) if back else return_url,
        return_label="Back to the app" if back else "To your connected apps",
        account=account,
    )
    response.headers.update(error.headers)
    return response


def _title(error: OAuthError, refused: str) -> str:
    if error.status >= 500:
        return "Not available right now" if error.status == 503 else "Something went wrong"
    return refused


def is_proven(client: Client, redirect_uri: str) -> bool:
    """Whether an error may go to the redirect URI without the user having done anything (RFC 9700 §4.11.2).

    Anyone can register any https address, or publish a document that names it, which would make us a redirector to it. A configured
    client, a well-known one, or a program on the user's own machine is no stranger.
    """
    return client.kind == "configured" or client.client_id in PINNED_DOCUMENTS or is_loopback(redirect_uri)
