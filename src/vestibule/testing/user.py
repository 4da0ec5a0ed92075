"""A user with a browser, scripted: cookies, redirects, forms and the one link that our pages have."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from typing import Any, Final, Literal, Self
from urllib.parse import urljoin, urlsplit

import httpx2

__all__ = ["Page", "ScriptedUser", "UnexpectedPage", "web_client"]

_MAX_STEPS = 30
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class Form:
    """A form of a page.

    Attributes:
        action: where it goes; empty for the page's own URL.
        hidden: its hidden fields.
        buttons: name and value of its buttons.
    """

    action: str
    hidden: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    """A page that the user saw.

    Attributes:
        url: its address.
        status: its HTTP status.
        headers: its headers.
        html: its text.
        forms: its forms.
        continue_link: where its ``<a id="continue">`` leads.
    """

    url: str = field(repr=False)
    status: int
    headers: Mapping[str, str] = field(repr=False)
    html: str = field(repr=False)
    forms: list[Form]
    continue_link: str | None

    @classmethod
    def read(cls, response: httpx2.Response) -> Self:
        """The page of an HTTP answer."""
        reader = _PageReader()
        reader.feed(response.text)
        link = None if reader.continue_link is None else urljoin(str(response.url), reader.continue_link)
        return cls(str(response.url), response.status_code, response.headers, response.text, reader.forms, link)

    def form_with_button(self, name: str, value: str) -> Form | None:
        """The form that has this button."""
        return next((form for form in self.forms if (name, value) in form.buttons), None)


class UnexpectedPage(AssertionError):
    """The user met a page that leads nowhere.

    Attributes:
        page: which.
    """

    def __init__(self, page: Page) -> None:
        super().__init__(f"stranded at {urlsplit(page.url).path} with HTTP {page.status}")
        self.page = page


class ScriptedUser:
    """Walks a sign-in as a person with a browser would.

    Args:
        name: who to be at the development provider.
        decision: what to press on the consent page.
        apps: ASGI apps by base URL, for tests without a network; any other URL goes over the network.

    Attributes:
        pages: every page that was seen, the last one last.
    """

    def __init__(
        self,
        name: str = "alice",
        *,
        decision: Literal["approve", "deny"] = "approve",
        apps: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.decision = decision
        self.pages: list[Page] = []
        self.browser = web_client(apps)

    async def visit(self, url: str, redirect_uri: str | None = None) -> str:
        """Open `url` and go on until the browser is sent to `redirect_uri`, which is not fetched.

        Args:
            url: where to start, usually an authorization request.
            redirect_uri: of the client; None to stop at the first page that is neither consent, sign-in nor interstitial.

        Returns:
            The URL that the browser was sent to, with code or error; without `redirect_uri` the last page's.

        Raises:
            UnexpectedPage: a page leads nowhere, or the browser is sent around for ever.
        """
        response: httpx2.Response | str = await self._go("GET", url, {}, redirect_uri)
        for _ in range(_MAX_STEPS):
            if isinstance(response, str):
                return response
            page = Page.read(response)
            self.pages.append(page)
            following = self._following(page)
            if following is None and redirect_uri is None:
                return page.url
            if following is None:
                break
            response = await self._go(*following, redirect_uri)
        raise UnexpectedPage(self.pages[-1])

    async def aclose(self) -> None:
        """Close the browser."""
        await self.browser.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def _following(self, page: Page) -> tuple[str, str, dict[str, str]] | None:
        """What the user does on the page: method, URL and form. None: there is nothing to do."""
        for name, value in (("user", self.name), ("action", self.decision)):
            form = page.form_with_button(name, value)
            if form is not None:
                return "POST", urljoin(page.url, form.action) if form.action else page.url, {**form.hidden, name: value}
        return None if page.continue_link is None else ("GET", page.continue_link, {})

    async def _go(self, method: str, url: str, data: dict[str, str], stop_at: str | None) -> httpx2.Response | str:
        """Follow redirects as far as a page, or to the client's redirect URI, whose URL is returned."""
        for _ in range(_MAX_STEPS):
            if stop_at is not None and _without_query(url) == _without_query(stop_at):
                return url
            response = await self._send(method, url, data)
            if response.status_code not in _REDIRECTS:
                return response
            url = urljoin(url, response.headers["location"])
            if response.status_code not in (307, 308):
                method, data = "GET", {}
        raise UnexpectedPage(Page.read(response))

    async def _send(self, method: str, url: str, data: dict[str, str]) -> httpx2.Response:
        if method == "GET":
            return await self.browser.get(url, headers=_NAVIGATION)
        parts = urlsplit(url)
        # What browsers send with a form of the page itself; it tells a forged form from a real one.
        origin = {"origin": f"{parts.scheme}://{parts.netloc}", "sec-fetch-site": "same-origin"}
        return await self.browser.post(url, data=data, headers={**_NAVIGATION, **origin})


_NAVIGATION: Final = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def web_client(apps: Mapping[str, Any] | None) -> httpx2.AsyncClient:
    """An HTTP client with a cookie jar that follows no redirects, for which some base URLs are ASGI apps in this process."""
    transports = {base_url: httpx2.ASGITransport(app=app) for base_url, app in (apps or {}).items()}
    return httpx2.AsyncClient(verify=_tls(), mounts=transports, follow_redirects=False, timeout=30, trust_env=False)


@cache
def _tls() -> ssl.SSLContext:
    """Read once: the trusted certificates are most of what a new client costs."""
    return httpx2.create_ssl_context()


def _without_query(url: str) -> str:
    return url.partition("?")[0]


class _PageReader(HTMLParser):
    """Collects forms and the link to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.continue_link: str | None = None
        self._form: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                self._form = Form(attributes.get("action", ""))
                self.forms.append(self._form)
            case "a" if attributes.get("id") == "continue":
                self.continue_link = attributes.get("href")
            case "input" if self._form is not None and attributes.get("type") == "hidden":
                self._form.hidden[attributes.get("name", "")] = attributes.get("value", "")
            case "button" if self._form is not None:
                self._form.buttons.append((attributes.get("name", ""), attributes.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
