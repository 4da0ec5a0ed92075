"""A real browser at the page of connected apps: sign in, look, disconnect one, and what then becomes of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.interop.peers import IdentityProvider, ProtectedServer
from tests.interop.plain_client import PlainClient
from tests.interop.windows import App, Window

pytestmark = pytest.mark.interop

SIGN_IN = 'button[value="sign_in"]'


def connect(server: ProtectedServer, window: Window, app: App, name: str) -> tuple[PlainClient, dict[str, Any]]:
    """Another app of the same user; the provider may know its user already."""
    client, visits = PlainClient(server, app.redirect_uri, name), len(app.visits)
    window.open_consent(client.authorize_url())
    window.decide("approve")
    window.wait_for("#done, input[name=login]")
    if window.page.query_selector("#done") is None:
        window.sign_in(server.provider)
    return client, client.redeem(window.wait_for_the_app(app, visits + 1))


def open_page(server: ProtectedServer, window: Window) -> None:
    """Open the page and sign in with its button; the provider may ask for what it has not been allowed to say yet."""
    window.page.goto(f"{server.base_url.rstrip('/')}/connections")
    window.picture("asked-to-sign-in")
    window.page.click(SIGN_IN)
    window.wait_for("body:not(:has(button[value=sign_in])) button")
    if window.page.url.startswith(server.provider.issuer):
        if window.page.query_selector('input[name="login"]'):
            window.sign_in(server.provider)
        else:
            window.share(server.provider)
    window.page.wait_for_selector('button[value="sign_out"]')


def apps(window: Window) -> list[str]:
    return window.page.locator("h2").all_inner_texts()


def test_one_of_two_apps_is_disconnected_and_the_other_goes_on(
    panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer], app: App, window: Callable[..., Window]
) -> None:
    """... also with the provider's token, which is renewed at every look: what is shared at the provider must not end."""
    server, chromium = protect(panva_provider, token_expiry_threshold_seconds=3600, revocation_delay_seconds=0), window()
    notes, notes_tokens = connect(server, chromium, app, "Notes")
    mail, mail_tokens = connect(server, chromium, app, "Mail")
    open_page(server, chromium)
    chromium.picture("two")
    assert apps(chromium) == ["Mail", "Notes"]
    assert "alice" in chromium.page.inner_text(".account")

    chromium.page.get_by_role("button", name="Disconnect", exact=True).nth(1).click()
    expect(chromium.page.get_by_role("status")).to_contain_text("The app is disconnected.")
    chromium.picture("one-left")
    assert apps(chromium) == ["Mail"]

    refused = notes.call(notes_tokens["access_token"])
    assert (refused.status, "grant_ended" in refused.body) == (401, True)
    refresh = notes.send("token_endpoint", grant_type="refresh_token", refresh_token=notes_tokens["refresh_token"])
    assert (refresh.status, refresh.json()["error"]) == (400, "invalid_grant")
    assert mail.call(mail_tokens["access_token"]).status == 200
    renewed = mail.token(grant_type="refresh_token", refresh_token=mail_tokens["refresh_token"])
    assert mail.call(renewed["access_token"]).status == 200
    assert chromium.complaints == []


def test_all_are_disconnected_in_two_steps_and_the_user_signs_out(
    server: ProtectedServer, app: App, window: Callable[..., Window]
) -> None:
    chromium = window()
    client, tokens = connect(server, chromium, app, "Notes")
    connect(server, chromium, app, "Mail")
    open_page(server, chromium)
    everything = chromium.page.get_by_role("button", name="Disconnect all apps")
    expect(everything).to_be_hidden()
    chromium.page.get_by_text("Disconnect all…").click()
    chromium.picture("all")
    everything.click()
    expect(chromium.page.get_by_role("status")).to_contain_text("All apps are disconnected.")
    chromium.picture("none-left")
    assert client.call(tokens["access_token"]).status == 401
    chromium.page.get_by_role("button", name="Sign out").click()
    expect(chromium.page.get_by_role("status")).to_contain_text("You are signed out of this page.")
    chromium.picture("signed-out")
    chromium.page.go_back()
    chromium.page.reload()
    expect(chromium.page.locator(SIGN_IN)).to_be_visible()
    assert chromium.complaints == []


def test_without_scripts_and_by_keyboard(server: ProtectedServer, app: App, window: Callable[..., Window]) -> None:
    chromium = window(java_script_enabled=False)
    page = chromium.page
    page.goto(f"{server.base_url.rstrip('/')}/connections")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.provider.issuer}/interaction/*")
    page.fill('input[name="login"]', "carol")
    page.click("#submit")
    chromium.share(server.provider)
    page.wait_for_selector('button[value="sign_out"]')
    assert "No app is connected to your account." in page.inner_text("main")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(SIGN_IN)).to_be_visible()


def test_over_tls_the_session_is_strict_and_of_this_host(
    panva_provider: IdentityProvider, protect: Callable[..., ProtectedServer], window: Callable[..., Window]
) -> None:
    """A strict cookie that is set on the way back from another site is there when the page is shown, and for no link from elsewhere."""
    server, chromium = protect(panva_provider, tls=True), window(ignore_https_errors=True)
    open_page(server, chromium)
    [cookie] = [each for each in chromium.page.context.cookies(server.base_url) if "page-session" in each["name"]]
    assert cookie["name"].startswith("__Host-")
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
    assert not [each for each in chromium.page.context.cookies(server.base_url) if "page-journey" in each["name"]]
    address = f"{server.base_url.rstrip('/')}/connections"
    chromium.page.goto(panva_provider.config_url.replace("127.0.0.1", "localhost"))  # another site
    chromium.page.evaluate("url => { location.href = url }", address)
    expect(chromium.page.locator(SIGN_IN)).to_be_visible()
    chromium.page.goto(address)
    expect(chromium.page.locator('button[value="sign_out"]')).to_be_visible()
    assert not [text for text in chromium.complaints if "Security Policy" in text]


def test_another_sites_form_disconnects_nothing(server: ProtectedServer, app: App, window: Callable[..., Window]) -> None:
    """With the right proof even, which no other site can know: the session does not come along."""
    chromium = window()
    client, tokens = connect(server, chromium, app, "Notes")
    open_page(server, chromium)
    form = {
        name: chromium.page.locator(f'.apps input[name="{name}"]').first.get_attribute("value")
        for name in ("csrf_token", "connection")
    }
    chromium.page.goto(app.redirect_uri.replace("127.0.0.1", "localhost"))
    post = """([url, fields]) => {
        const form = Object.assign(document.createElement("form"), {method: "post", action: url});
        for (const [name, value] of Object.entries(fields))
            form.append(Object.assign(document.createElement("input"), {name, value}));
        document.body.append(form);
        form.submit();
    }"""
    chromium.page.evaluate(post, [f"{server.base_url.rstrip('/')}/connections", {**form, "action": "disconnect"}])
    expect(chromium.page.get_by_role("status")).to_contain_text("nothing was changed")
    assert client.call(tokens["access_token"]).status == 200


LOOKS = {
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
    "large-text": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_fits(server: ProtectedServer, app: App, window: Callable[..., Window], look: str) -> None:
    """No sideways scrolling, every button reachable by keyboard, whatever the window and the name."""
    chromium = window(**LOOKS[look])
    for name in ("Notes", "Averylongname" * 6):
        connect(server, chromium, app, name)
    open_page(server, chromium)
    chromium.picture("list")
    width = chromium.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    reached = set()
    for _ in range(12):
        chromium.page.keyboard.press("Tab")
        reached.add(chromium.page.evaluate("document.activeElement.value ?? document.activeElement.tagName"))
    assert {"sign_out", "disconnect", "SUMMARY"} <= reached


def test_screen_readers_get_headings_and_buttons_that_tell_their_app(
    server: ProtectedServer, app: App, window: Callable[..., Window]
) -> None:
    chromium = window()
    connect(server, chromium, app, "Notes")
    open_page(server, chromium)
    tree = chromium.page.locator("body").aria_snapshot()
    for line in ('heading "Your connected apps" [level=1]', 'heading "Notes" [level=2]', "- listitem", "- term: Last used"):
        assert line in tree, tree
    button = chromium.page.locator('button[value="disconnect"]').first
    expect(button).to_have_accessible_description("Notes")
