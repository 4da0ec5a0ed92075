"""The pages that people see: consent, errors, the way on, and their connected apps.

Owns their words, looks and headers; knows nothing of requests, cookies or grants. Plain HTML and CSS: no script, nothing
loaded from anywhere. Every value is escaped by the template engine, whoever it came from. Imports protocol and what is below it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from vestibule.errors import ConfigurationError
from vestibule.protocol.visible_text import shortened
from vestibule.server.pages.connected import ConnectedApp, LastUsed, Notice, moment
from vestibule.server.pages.links import LinkKind, LinkRule, contact_url, destination
from vestibule.server.pages.rendering import environment, headers
from vestibule.server.pages.style import content_security_policy, stylesheet

__all__ = ["ConnectedApp", "ConsentClient", "LastUsed", "LinkKind", "Notice", "Pages"]

_NAMES = ("consent", "error", "continue", "sign_in", "connections")
_NAME_LIMIT = 80  # characters of a self-chosen name: enough to recognise it, too few to write a message in


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentClient:
    """What the consent page says about a client.

    Attributes:
        redirect_uri: where the answer will go; the one thing about a public client that is not mere assertion.
        client_name: the name it gave itself, if any.
        client_id_host: host of its metadata document, for a client named by URL.
        is_configured: the operator set it up, so its name can be trusted.
    """

    redirect_uri: str
    client_name: str | None = None
    client_id_host: str | None = None
    is_configured: bool = False


class Pages:
    """Renders every page, with strict headers.

    Args:
        server_name: what people know the server by; shown on top of every page.
        templates: a directory whose files are taken before the built-in ones (``base.html``, ``consent.html``,
            ``error.html``, ``continue.html``, ``sign_in.html``, ``connections.html``, ``pages.css``). A built-in one can be extended as ``builtin/consent.html``.
        colours: CSS colour literals by name, see :func:`vestibule.server.pages.style.stylesheet`.
        csp: Content-Security-Policy: None for the built-in one, an empty string for no header, otherwise as given.
        contact: whom to ask, shown to somebody who may not sign in: an e-mail address, a URL, or words.
        schemes: private-use schemes admitted as link targets besides those of known apps.

    Raises:
        ConfigurationError: a template does not parse, or a colour or scheme is not valid.
    """

    def __init__(
        self,
        *,
        server_name: str,
        templates: Path | None = None,
        colours: Mapping[str, str] | None = None,
        csp: str | None = None,
        contact: str | None = None,
        schemes: Collection[str] = (),
    ) -> None:
        from jinja2 import TemplateError  # here, not above: programs that only verify tokens have no pages

        self._links = LinkRule(schemes)
        engine = environment(templates)
        try:
            style = stylesheet(engine.get_template("pages.css").render(), colours or {})
            self._templates = {name: engine.get_template(f"{name}.html") for name in _NAMES}
        except TemplateError as error:
            raise ConfigurationError(f"templates: {error.message} ({type(error).__name__})") from error
        self._shared: dict[str, Any] = {"server_name": server_name, "style": Markup("<style>{}</style>").format(Markup(style))}  # noqa: S704 own file
        self._contact = {"contact": contact or "", "contact_url": contact_url(contact or "")}
        self._headers = headers(content_security_policy(style) if csp is None else csp)

    def consent(
        self,
        *,
        client: ConsentClient,
        redirect_kind: LinkKind,
        scopes: Sequence[str],
        resource: str,
        hidden: Mapping[str, str],
        upstream_name: str | None = None,
        remembered_option: bool = False,
        warnings: Sequence[str] = (),
    ) -> Response:
        """Ask the user whether `client` may have access. Posts ``action=approve`` or ``action=deny`` to its own URL.

        Args:
            client: who asks.
            redirect_kind: whether its redirect URI is a web address, a loopback address or an app's own scheme.
            scopes: what it asks for.
            resource: URL of the protected resource (RFC 8707).
            hidden: form fields to send along, such as the proof against forgery.
            upstream_name: where the user signs in next.
            remembered_option: offer a checkbox, ``remember=yes``.
            warnings: further sentences to read before deciding.

        Raises:
            OAuthError: no page may link to the redirect URI.
        """
        values = {
            "client_name": _shortened(client.client_name or ""),
            "client_id_host": client.client_id_host,
            "is_configured": client.is_configured,
            "redirect_uri": self._links.check(client.redirect_uri),
            "destination": destination(client.redirect_uri),
            "redirect_kind": redirect_kind,
            "scopes": scopes,
            "resource": resource,
            "hidden": hidden,
            "upstream_name": upstream_name,
            "remembered_option": remembered_option,
            "warnings": warnings,
        }
        return self._page("consent", 200, values)

    def error(
        self,
        *,
        status: int,
        title: str,
        what_happened: str,
        what_to_do: str,
        request_id: str,
        reason_code: str,
        return_url: str | None = None,
        return_label: str = "Back to the app",
        account: str = "",
    ) -> Response:
        """Say what happened and what to do next.

        Args:
            status: HTTP status.
            title: the headline.
            what_happened: for people, without secrets.
            what_to_do: the next step.
            request_id: the id that the log carries too.
            reason_code: code from :mod:`vestibule.reasons`.
            return_url: where a link may lead back to. One that no page may link to is left out: an error page must not fail.
            return_label: text of that link.
            account: who is signed in, where that is what is wrong: then the page says so, and whom to ask.
        """
        values = {
            "title": title,
            "what_happened": what_happened,
            "what_to_do": what_to_do,
            "request_id": request_id,
            "reason_code": reason_code,
            "return_url": return_url if return_url and self._links.admits(return_url) else None,
            "return_label": return_label,
            "account": _shortened(account),
            **self._contact,
        }
        return self._page("error", status, values)

    def continue_to(self, url: str, *, title: str, explanation: str, kind: Literal["provider"] | LinkKind) -> Response:
        """Send the browser on, from a page instead of by a redirect.

        A redirect after a form post falls under the posting page's ``form-action`` all along its chain, and one to an app's
        scheme leaves an empty tab behind. A page that refreshes at once, with a link beside it, does neither.

        Args:
            url: where to; may hold a code.
            title: the headline.
            explanation: one sentence on what is going on.
            kind: ``"provider"`` for the way to sign in, otherwise where the client gets its answer.

        Raises:
            OAuthError: no page may link to `url`.
        """
        values = {
            "url": self._links.check(url),
            "destination": destination(url),
            "title": title,
            "explanation": explanation,
            "kind": kind,
        }
        return self._page("continue", 200, values)

    def sign_in(self, *, proof: str, upstream_name: str | None, notice: Notice | None = None) -> Response:
        """Ask a visitor of the page of connected apps to sign in. Posts ``action=sign_in`` to the page.

        Args:
            proof: for the form, against forgery.
            upstream_name: where the user signs in.
            notice: what has just happened.
        """
        return self._page("sign_in", 200, {"proof": proof, "upstream_name": upstream_name, "notice": notice})

    def connections(
        self,
        *,
        account: str,
        apps: Sequence[ConnectedApp],
        proofs: Mapping[str, str],
        now: float,
        more: int = 0,
        notice: Notice | None = None,
    ) -> Response:
        """Show the connected apps. Posts ``action=disconnect`` with ``connection``, ``disconnect_all`` or ``sign_out`` to the page.

        Args:
            account: who is signed in, as far as that is known.
            apps: the newest first.
            proofs: for the forms that are about no single app, by their action.
            now: seconds since the epoch.
            more: how many there are besides.
            notice: what has just happened.
        """
        values = {
            "account": _shortened(account),
            "apps": [replace(app, name=_shortened(app.name)) for app in apps],
            "proofs": proofs,
            "moment": lambda at: moment(at, now),
            "more": more,
            "notice": notice,
        }
        return self._page("connections", 200, values)

    def _page(self, name: str, status: int, values: dict[str, Any]) -> Response:
        return HTMLResponse(self._templates[name].render(self._shared | values), status, self._headers)


def _shortened(name: str) -> str:
    return shortened(name, _NAME_LIMIT)
