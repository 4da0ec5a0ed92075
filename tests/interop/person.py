"""A person at a browser without scripts: follows links, fills in the first form, keeps cookies."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from html.parser import HTMLParser
from http.client import HTTPResponse
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlencode, urljoin


class Stuck(AssertionError):
    """A page that offers no way on."""


@dataclass
class Step:
    """One answer on the way."""

    method: str
    url: str
    status: int
    headers: Message
    body: str


@dataclass
class _Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Page(HTMLParser):
    """Forms, and the link that a page asks to continue with."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self.onward: str | None = None
        self._open = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and values.get("id") == "continue":
            self.onward = values["href"]
        if tag == "form":
            self._open = values.get("method", "get").lower() == "post"
            if self._open:
                self.forms.append(_Form(values.get("action", "")))
        if self._open and tag in ("input", "button") and values.get("name"):
            self._control(tag, values)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False

    def _control(self, tag: str, values: Mapping[str, str]) -> None:
        form, kind = self.forms[-1], values.get("type", "submit" if tag == "button" else "text")
        if kind == "submit":
            form.buttons.append((values["name"], values.get("value", "")))
        elif kind not in ("checkbox", "radio"):
            form.fields[values["name"]] = values.get("value", "")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object) -> None:
        return None


def opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Opens addresses on loopback: past any proxy, whatever certificate a test made for itself."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    https = urllib.request.HTTPSHandler(context=unverified)
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), https, *handlers)


class Person:
    """Walks through consent and sign-in.

    Args:
        decision: value of the consent form's ``action`` button.
        knows: what to type into fields, by name.
        presses: names of buttons to prefer where a form has several.
    """

    def __init__(
        self, decision: str = "approve", knows: Mapping[str, str] | None = None, presses: Mapping[str, str] | None = None
    ) -> None:
        self._knows = dict(knows or {"login": "alice"})
        self._presses = {"action": decision, **(presses or {})}
        # A browser treats loopback as secure: cookies marked Secure are kept and sent there without TLS.
        jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self._opener = opener(urllib.request.HTTPCookieProcessor(jar), _NoRedirect())
        self.steps: list[Step] = []

    def walk(self, url: str, until: str, limit: int = 30) -> str:
        """Go from `url` until the browser is sent to an address that starts with `until`; returns that address."""
        data: dict[str, str] | None = None
        for _ in range(limit):
            if url.startswith(until):
                return url
            step = self.open(url, data)
            url, data = self._next(step)
        raise Stuck(f"still walking after {limit} pages: {[step.url for step in self.steps]}")

    def open(self, url: str, form: Mapping[str, str] | None = None) -> Step:
        """One request, no redirect followed."""
        body = urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(url, data=body)
        if form is not None:
            origin = "/".join(url.split("/")[:3])
            request.add_header("Origin", origin)
            request.add_header("Sec-Fetch-Site", "same-origin")
        try:
            answer: HTTPResponse | urllib.error.HTTPError = self._opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode("utf-8", "replace")
            step = Step(request.get_method(), url, answer.status or 0, answer.headers, text)
        self.steps.append(step)
        return step

    def _next(self, step: Step) -> tuple[str, dict[str, str] | None]:
        location = step.headers.get("Location")
        if step.status in (301, 302, 303) and location:
            return urljoin(step.url, location), None
        page = _Page(step.body)
        if page.onward:
            return urljoin(step.url, page.onward), None
        if step.status == 200 and page.forms:
            form = page.forms[-1]
            return urljoin(step.url, form.action), self._filled(form)
        words = re.sub(r"<style.*?</style>|<[^>]*>|\s+", " ", step.body, flags=re.DOTALL)
        raise Stuck(f"{step.method} {step.url}: {step.status} {words[:2000]}")

    def _filled(self, form: _Form) -> dict[str, str]:
        typed = {name: self._knows[name] for name in form.fields if name in self._knows}
        wanted = [button for button in form.buttons if self._presses.get(button[0]) == button[1]]
        return {**form.fields, **typed, **dict((wanted or form.buttons)[:1])}
