"""A real browser, headless, through consent and sign-in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.interop.peers import IdentityProvider, ProtectedServer
from tests.interop.plain_client import PlainClient
from tests.interop.windows import App, Window

pytestmark = pytest.mark.interop

CURSOR = "cursor://anysphere.cursor-mcp/oauth/callback"


@pytest.mark.spec("PX-01", "PX-02", "AZ-23", "AZ-24")
def test_allow_on_loopback(server: ProtectedServer, app: App, window: Callable[..., Window]) -> None:
    client, chromium = PlainClient(server, app.redirect_uri, "Desktop App"), window()
    words = chromium.open_consent(client.authorize_url())
    assert "Desktop App" in words
    assert "127.0.0.1" in words
    chromium.decide("approve")
    chromium.sign_in(server.provider)
    chromium.page.wait_for_selector("#done")
    tokens = client.redeem(chromium.page.url)
    assert client.call(tokens["access_token"]).status == 200
    assert len(app.visits) == 1, "the code is delivered once"
    assert chromium.complaints == []


@pytest.mark.spec("AZ-26", "PX-07")
def test_deny_on_loopback(server: ProtectedServer, app: App, window: Callable[..., Window]) -> None:
    client, chromium = PlainClient(server, app.redirect_uri), window()
    chromium.open_consent(client.authorize_url())
    chromium.decide("deny")
    chromium.page.wait_for_selector("#done")
    assert client.read(chromium.page.url)["error"] == "access_denied"
    assert not any(url.startswith(server.provider.issuer) for url in chromium.navigations)
    assert chromium.complaints == []


@pytest.mark.spec("DCR-07")
def test_allow_on_a_custom_scheme(server: ProtectedServer, window: Callable[..., Window]) -> None:
    client, chromium = PlainClient(server, CURSOR, "Cursor"), window()
    words = chromium.open_consent(client.authorize_url())
    assert "cursor" in words
    chromium.decide("approve")
    chromium.sign_in(server.provider)
    chromium.page.wait_for_selector("#continue")
    chromium.picture("back-to-the-app")
    sent = chromium.wait_for_navigation_to(CURSOR)
    assert chromium.page.get_attribute("#continue", "href") == sent
    tokens = client.redeem(sent)
    assert client.call(tokens["access_token"]).status == 200
    assert not [text for text in chromium.complaints if "Content Security Policy" in text]


@pytest.mark.spec("AZ-26")
def test_deny_on_a_custom_scheme(server: ProtectedServer, window: Callable[..., Window]) -> None:
    client, chromium = PlainClient(server, CURSOR, "Cursor"), window()
    chromium.open_consent(client.authorize_url())
    chromium.decide("deny")
    chromium.page.wait_for_selector("#continue")
    chromium.picture("denied")
    sent = chromium.wait_for_navigation_to(CURSOR)
    assert client.read(sent)["error"] == "access_denied"
    assert not [text for text in chromium.complaints if "Content Security Policy" in text]


@pytest.mark.spec("PX-01")
@pytest.mark.parametrize("action", ["approve", "deny"])
def test_with_a_live_session_at_the_provider(
    server: ProtectedServer, app: App, window: Callable[..., Window], action: str
) -> None:
    """The provider would send the browser on at once: our consent is all that stands before the code."""
    first = PlainClient(server, app.redirect_uri)
    chromium = window()
    chromium.open_consent(first.authorize_url())
    chromium.decide("approve")
    chromium.sign_in(server.provider)
    chromium.page.wait_for_selector("#done")

    second, another = PlainClient(server, app.redirect_uri, "Another App"), window()
    another.open_consent(second.authorize_url())
    assert len(app.visits) == 1, "nothing may pass before the user decided"
    another.decide(action)
    another.page.wait_for_selector("#done")
    parameters = second.read(another.page.url)
    assert ("code" in parameters, "error" in parameters) == (action == "approve", action == "deny")
    assert another.complaints == []


def test_two_tabs_at_once(server: ProtectedServer, app: App, window: Callable[..., Window]) -> None:
    """Two sign-ins side by side in one browser, decided in the other order."""
    clients = [PlainClient(server, app.redirect_uri, f"App {number}") for number in (1, 2)]
    tabs = [window() for _ in clients]
    for client, tab in zip(clients, tabs, strict=True):
        tab.open_consent(client.authorize_url())
    tabs[1].decide("approve")
    tabs[1].sign_in(server.provider)
    tabs[0].decide("approve")
    for client, tab in zip(clients, tabs, strict=True):
        tab.page.wait_for_selector("#done")
        assert client.redeem(tab.page.url)["access_token"]


@pytest.mark.spec("PX-04", "AZ-24", "AZ-25")
@pytest.mark.parametrize("redirect_uri", [None, CURSOR])
def test_over_tls(
    panva_provider: IdentityProvider,
    protect: Callable[..., ProtectedServer],
    app: App,
    window: Callable[..., Window],
    redirect_uri: str | None,
) -> None:
    """Secure pages that lead to a plain loopback address or to an app, with cookies that no other host can set."""
    server = protect(panva_provider, tls=True)
    client = PlainClient(server, redirect_uri or app.redirect_uri)
    chromium = window(ignore_https_errors=True)
    chromium.open_consent(client.authorize_url())
    (cookie,) = chromium.page.context.cookies(server.base_url)
    assert cookie["name"].startswith("__Host-")
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    chromium.decide("approve")
    chromium.sign_in(server.provider)
    answer = chromium.wait_for_navigation_to(CURSOR) if redirect_uri else chromium.wait_for_the_app(app)
    assert client.redeem(answer)["access_token"]
    assert not [text for text in chromium.complaints if "Security Policy" in text or "Mixed Content" in text]


@pytest.mark.spec("PX-01")
def test_a_remembered_consent_is_for_the_user_alone(
    panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer], app: App, window: Callable[..., Window]
) -> None:
    """It spares the user the page, but not where another site set the sign-in off."""
    server = protect(panva_provider, require_authorization_consent="remember")
    client, chromium = PlainClient(server, app.redirect_uri), window()
    chromium.open_consent(client.authorize_url())
    chromium.page.check('input[name="remember"]')
    chromium.decide("approve")
    chromium.sign_in(server.provider)
    chromium.wait_for_the_app(app)

    chromium.page.goto(client.authorize_url())
    assert client.redeem(chromium.wait_for_the_app(app, visits=2))["access_token"]

    chromium.page.goto(app.redirect_uri.replace("127.0.0.1", "localhost"))
    chromium.page.evaluate("url => { location.href = url }", client.authorize_url())
    chromium.page.wait_for_selector('button[name="action"][value="approve"]')
    assert len(app.visits) == 2


def test_neighbours_on_one_host_leave_each_other_alone(
    panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer], app: App, window: Callable[..., Window]
) -> None:
    """Cookies know no ports (RFC 6265 §8.5): sign-ins at one server must not end those at another."""
    first, second = protect(panva_provider), protect(panva_provider)
    client, chromium = PlainClient(first, app.redirect_uri), window()
    chromium.open_consent(client.authorize_url())
    for _ in range(4):
        window().open_consent(PlainClient(second, app.redirect_uri).authorize_url())
    chromium.decide("approve")
    chromium.page.wait_for_url(f"{panva_provider.issuer}/interaction/*", timeout=5000)


def test_without_scripts(server: ProtectedServer, app: App, window: Callable[..., Window]) -> None:
    client, chromium = PlainClient(server, app.redirect_uri), window(java_script_enabled=False)
    chromium.open_consent(client.authorize_url())
    chromium.decide("approve")
    chromium.page.wait_for_url(f"{server.provider.issuer}/interaction/*")
    chromium.page.fill('input[name="login"]', "alice")
    chromium.page.click("#submit")
    if chromium.page.url.startswith(server.provider.issuer):
        chromium.page.click("#submit")
    chromium.page.wait_for_url(f"{app.redirect_uri}*")
    assert client.redeem(chromium.page.url)["access_token"]


LOOKS = {
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
    "large-text": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}


@pytest.mark.parametrize("look", LOOKS)
def test_the_consent_page_fits(server: ProtectedServer, window: Callable[..., Window], look: str) -> None:
    """No sideways scrolling, both buttons reachable by keyboard, whatever the window and the name."""
    client = PlainClient(server, "https://app.example.com/oauth/callback/" + "long/" * 20, "A very long name " * 4)
    chromium = window(**LOOKS[look])
    chromium.open_consent(client.authorize_url())
    width = chromium.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    reached = set()
    for _ in range(30):
        chromium.page.keyboard.press("Tab")
        reached.add(chromium.page.evaluate("document.activeElement.value ?? ''"))
    assert {"approve", "deny"} <= reached


@pytest.mark.spec("AZ-01", "PX-06")
def test_error_pages(server: ProtectedServer, window: Callable[..., Window]) -> None:
    chromium = window()
    base = server.base_url.rstrip("/")
    for name, path in {
        "unknown-client": "/authorize?client_id=nobody&response_type=code&redirect_uri=https://evil.example/",
        "stray-callback": "/auth/callback?code=x&state=y",
    }.items():
        answer = chromium.page.goto(base + path)
        assert answer is not None
        assert 400 <= answer.status < 500
        assert chromium.page.title()
        chromium.picture(name)
