"""Every page in a real browser: it obeys its own policy, fits a phone, posts and leads on as it should.

Screenshots are kept in ``artifacts/pages`` to be looked at.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from shutil import which
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tests.unit.pages.examples import NOW, a_consent, a_continue, a_sign_in, an_error, connections

from vestibule.server.pages import LastUsed, Pages

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")
pytestmark = [pytest.mark.interop, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "pages"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

PAGES = Pages(server_name="Acme Notes")
LOOPBACK = {"redirect_uri": "http://127.0.0.1:33418/callback", "client_name": "Claude Code", "client_id_host": "claude.ai"}
CURSOR = {"redirect_uri": "cursor://anysphere.cursor-mcp/oauth/callback", "client_name": "Cursor"}
LONG = {
    "client_name": "Totally " * 20,
    "redirect_uri": f"https://claude.ai.{'long-' * 10}x.{'sub.' * 12}example/cb?{'q=1&' * 40}",
}
SIGNED_IN = {"title": "You are signed in", "explanation": "Acme Notes can now be used from the app."}
CUSTOM_URL = "cursor://anysphere.cursor-mcp/cb?code=x"
ODD_QUERY = "a=1&b=2;c='x'&amp;d=%22%3E&copy=1"

CODE = {
    "name": "Claude Code",
    "client_id_host": "claude.ai",
    "redirect_uri": LOOPBACK["redirect_uri"],
    "redirect_kind": "loopback",
    "connected_at": NOW - 600,
    "last_used": LastUsed(NOW - 300, "203.0.113.9", "claude-code/3.2.0 (cli)"),
}
UNNAMED = {
    "name": "",
    "redirect_uri": CURSOR["redirect_uri"],
    "redirect_kind": "custom",
    "scopes": (),
    "last_used": None,
    "connected_at": NOW - 40 * 86_400,
}
OVERLONG = {
    "name": LONG["client_name"],
    "redirect_uri": LONG["redirect_uri"],
    "scopes": ("x" * 90, "y" * 30),
    "last_used": LastUsed(NOW - 90_000, "2001:db8:1234:5678:9abc:def0:1234:5678", "Mozilla/5.0 " + "(long; " * 30),
}

SHOWN: dict[str, Callable[[], Response]] = {
    "consent-web": lambda: a_consent(PAGES),
    "consent-loopback": lambda: a_consent(PAGES, client=LOOPBACK, redirect_kind="loopback", remembered_option=True),
    "consent-custom": lambda: a_consent(PAGES, client=CURSOR, redirect_kind="custom", scopes=["notes:read"]),
    "consent-long": lambda: a_consent(PAGES, client=LONG, scopes=["x" * 90], warnings=["This app is new here."]),
    "error": lambda: an_error(PAGES, return_url="https://claude.ai/?error=x"),
    "sign-in": lambda: a_sign_in(PAGES),
    "signed-out": lambda: a_sign_in(PAGES, notice="signed_out", upstream_name=None),
    "connections": lambda: connections(PAGES, apps=[CODE, {}, UNNAMED]),
    "connections-one": lambda: connections(PAGES, notice="disconnected"),
    "connections-long": lambda: connections(
        PAGES, apps=[OVERLONG, OVERLONG], account="a.very.long.name@" + "sub." * 15 + "org"
    ),
    "connections-none": lambda: connections(PAGES, apps=(), notice="all_disconnected"),
    "continue-provider": lambda: a_continue(PAGES),
    "continue-loopback": lambda: a_continue(PAGES, url="http://127.0.0.1:9/cb", kind="loopback", **SIGNED_IN),
    "continue-custom": lambda: a_continue(PAGES, url=CUSTOM_URL, kind="custom", **SIGNED_IN),
}


class Site:
    """The pages behind a real HTTP server, which notes what comes back from them."""

    def __init__(self, tmp_path: Path) -> None:
        self.posts: list[tuple[dict[str, Any], dict[str, str]]] = []
        self.arrivals: list[str] = []
        (tmp_path / "error.html").write_text(
            '{% extends "builtin/error.html" %}{% block head %}<script>document.documentElement.lang = "xx"</script>{% endblock %}'
        )
        self._scripted = Pages(server_name="Acme Notes", templates=tmp_path)
        self.app = Starlette(
            routes=[
                Route("/still/{name}", self.still),
                Route("/consent", lambda _: SHOWN["consent-web"]()),
                Route("/consent", self.decided, methods=["POST"]),
                Route("/custom", lambda _: SHOWN["continue-custom"]()),
                Route("/scripted", lambda _: an_error(self._scripted)),
                Route("/arrival", self.arrival),
                Route("/favicon.ico", lambda _: Response(status_code=204)),
            ]
        )

    async def still(self, request: Request) -> Response:
        """A page that does not lead on by itself, so that it can be looked at."""
        page = SHOWN[request.path_params["name"]]()
        return Response(bytes(page.body).replace(b'http-equiv="refresh"', b'name="still"'), headers=policy(page))

    async def decided(self, request: Request) -> Response:
        form = {name: str(value) for name, value in parse(await request.body()).items()}
        self.posts.append((form, dict(request.headers)))
        return a_continue(PAGES, url=f"{request.base_url}arrival?{ODD_QUERY}", kind="loopback")

    async def arrival(self, request: Request) -> Response:
        self.arrivals.append(request.scope["query_string"].decode())
        return PlainTextResponse("arrived")


def policy(page: Response) -> dict[str, str]:
    return {name: page.headers[name] for name in ("content-type", "content-security-policy")}


def parse(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode(), strict_parsing=True))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SimpleNamespace]:
    site = Site(tmp_path)
    server = uvicorn.Server(uvicorn.Config(site.app, log_level="error", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{listener.getsockname()[1]}", posts=site.posts, arrivals=site.arrivals)
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    with browser.new_context() as context:
        yield context.new_page()


def test_pages_are_styled_fit_the_screen_and_break_no_policy(browser: Any, site: SimpleNamespace) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    for scheme, (device, width) in product(("light", "dark"), (("desktop", 1000), ("phone", 320))):
        with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 720}) as context:
            tab = context.new_page()
            complaints: list[str] = []
            tab.on("console", lambda message, complaints=complaints: complaints.append(message.text))
            for name in SHOWN:
                tab.goto(f"{site.url}/still/{name}")
                tab.screenshot(path=ARTIFACTS / f"{name}-{scheme}-{device}.png", full_page=True)
                assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
                expected = {"light": "rgb(255, 255, 255)", "dark": "rgb(27, 32, 39)"}[scheme]
                assert tab.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor") == expected
            assert not complaints


@pytest.mark.parametrize(("button", "action"), [("Allow", "approve"), ("Deny", "deny")])
def test_a_decision_is_posted_and_the_browser_led_on(tab: Any, site: SimpleNamespace, button: str, action: str) -> None:
    tab.goto(f"{site.url}/consent")
    tab.get_by_role("button", name=button).click()
    tab.wait_for_url("**/arrival?*")
    ((form, headers),) = site.posts
    assert form == {"csrf_token": "proof-1", "action": action}
    assert headers["sec-fetch-site"] == "same-origin"
    # no-referrer takes the origin of a form post away too (Fetch, "append a request Origin header").
    assert headers["origin"] == "null"
    assert "referer" not in headers
    assert site.arrivals == [
        ODD_QUERY.replace("'", "%27")
    ]  # as browsers write a query (WHATWG URL, special-query percent-encode set)


def test_the_buttons_are_reached_and_seen_by_keyboard(tab: Any, site: SimpleNamespace) -> None:
    tab.goto(f"{site.url}/consent")
    for name in ("Deny", "Allow"):
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.textContent") == name
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/arrival?*")
    assert site.posts[0][0]["action"] == "approve"


@pytest.mark.parametrize("way", ["refresh", "link"])
def test_a_custom_scheme_is_handed_over_and_the_page_stays(tab: Any, site: SimpleNamespace, way: str) -> None:
    # One way per tab: the browser's question whether to open the app holds back any further click.
    tried: list[str] = []
    session = tab.context.new_cdp_session(tab)
    session.send("Page.enable")
    session.on("Page.frameRequestedNavigation", lambda event: tried.append(event["url"]))
    tab.goto(f"{site.url}/custom" if way == "refresh" else f"{site.url}/still/continue-custom")
    if way == "link":
        tab.locator("#continue").click()
    tab.wait_for_timeout(300)
    assert tried == [CUSTOM_URL]
    assert "close this tab" in tab.inner_text("main")


def test_a_script_in_a_page_does_not_run(tab: Any, site: SimpleNamespace) -> None:
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.goto(f"{site.url}/scripted")
    assert tab.evaluate("document.documentElement.lang") == "en"
    assert any("Content Security Policy" in complaint for complaint in complaints)


def test_screen_readers_get_landmarks_headings_and_names(tab: Any, site: SimpleNamespace) -> None:
    tab.goto(f"{site.url}/still/consent-loopback")
    tree = tab.locator("body").aria_snapshot()
    for line in ("- banner", "- main", 'heading "127.0.0.1:33418 An app on this computer', 'region "Before you decide"'):
        assert line in tree, tree
    assert 'checkbox "Do not ask again' in tree
    assert 'button "Allow"' in tree


def test_a_client_can_watch_the_popup_in_which_its_user_decides(tab: Any, site: SimpleNamespace) -> None:
    tab.goto(f"{site.url.replace('127.0.0.1', 'localhost')}/arrival")  # another origin than the pages'
    with tab.expect_popup() as opened:
        tab.evaluate("url => { window.popup = window.open(url) }", f"{site.url}/consent")
    opened.value.get_by_role("button", name="Allow").click()
    opened.value.wait_for_url("**/arrival?*")
    assert tab.evaluate("window.popup.closed") is False
    assert opened.value.evaluate("window.opener !== null")
