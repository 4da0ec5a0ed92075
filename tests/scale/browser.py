"""The way of a browser through a sign-in, with a user who reloads what does not come."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2
from tests.scale.answers import digest
from tests.scale.wire import PATIENCE, Wire

from vestibule.testing.user import Page, web_client

_NAVIGATION = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
_STEPS, _RELOADS = 12, 60
_PAUSE = 0.3  # seconds of the machine


@dataclass
class Journey:
    """One way through a sign-in.

    Attributes:
        answer: what the client got in the end: a code, or an error.
        upstream_code: name of the provider's code.
        disturbed: something on the way did not come at once, so that the sign-in may have to be begun anew.
        stranded: where it ended instead.
    """

    answer: dict[str, str] = field(default_factory=dict)
    upstream_code: str = ""
    disturbed: bool = False
    stranded: str = ""


class Browser:
    """A browser with its cookies."""

    def __init__(self, wire: Wire, provider_url: str, user: str) -> None:
        self._wire = wire
        self._provider_url = provider_url
        self._user = user
        self._http = web_client(None)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def visit(self, url: str, redirect_uri: str) -> Journey:
        """From an authorization request to the client's redirect URI."""
        journey = Journey()
        method, data = "GET", dict[str, str]()
        for _ in range(_STEPS):
            if url.startswith(redirect_uri):
                journey.answer = dict(parse_qsl(urlsplit(url).query))
                return journey
            if urlsplit(url).path == "/auth/callback":
                journey.upstream_code = digest(dict(parse_qsl(urlsplit(url).query)).get("code", ""))
            page = await self._load(journey, method, url, data)
            if page is None:
                break
            if page.is_redirect:
                method, url, data = "GET", urljoin(url, page.headers["location"]), {}
                continue
            following = self._following(Page.read(page))
            if following is None:
                journey.stranded = f"{urlsplit(url).path} with {page.status_code}"
                break
            method, url, data = following
        return journey

    def _following(self, page: Page) -> tuple[str, str, dict[str, str]] | None:
        """What the user does on a page. At the provider, what its login page would send."""
        form = page.form_with_button("action", "approve")
        if form is not None:
            return "POST", urljoin(page.url, form.action) if form.action else page.url, {**form.hidden, "action": "approve"}
        if page.continue_link is None:
            return None
        at_provider = page.continue_link.startswith(self._provider_url)
        return ("POST", page.continue_link, {"user": self._user}) if at_provider else ("GET", page.continue_link, {})

    async def _load(self, journey: Journey, method: str, url: str, data: dict[str, str]) -> httpx2.Response | None:
        for _ in range(_RELOADS):
            response = await self._once(method, url, data)
            if response is not None and response.status_code < 500:
                journey.disturbed |= "," in response.headers.get("x-tried", "")
                return response
            journey.disturbed = True
            await asyncio.sleep(_PAUSE)
        journey.stranded = f"{urlsplit(url).path} does not come"
        return None

    async def _once(self, method: str, url: str, data: dict[str, str]) -> httpx2.Response | None:
        headers = dict(_NAVIGATION)
        if method == "POST":
            parts = urlsplit(url)
            headers |= {"origin": f"{parts.scheme}://{parts.netloc}", "sec-fetch-site": "same-origin"}
        try:
            async with asyncio.timeout(PATIENCE):
                response = await self._http.request(method, url, data=data or None, headers=headers)
        except (TimeoutError, httpx2.TransportError):
            return None
        self._wire.look_at(response)
        return response
