"""The page of connected apps: who sees it, what it shows, and what its buttons do."""

from __future__ import annotations

import logging
from urllib.parse import urljoin

import pytest
from tests.flows.conftest import SetStage
from tests.flows.documents import DocumentSite
from tests.flows.stage import BASE, PUBLIC, WEB_URI, Stage, call_status, lacks
from tests.unit.pages.dom import Document

from vestibule.testing import ScriptedClient, ScriptedUser
from vestibule.testing.client import StepFailed
from vestibule.testing.user import Page

pytestmark = pytest.mark.anyio

PAGE = f"{BASE}/connections"


async def open_page(user: ScriptedUser, url: str = PAGE) -> Page:
    """The page as it is for this browser now."""
    return Page.read(await user.browser.get(url))


async def press(user: ScriptedUser, page: Page, action: str, number: int = 0) -> Page:
    """Press the `number`-th button of that action, and follow where it leads on this server."""
    forms = [form for form in page.forms if ("action", action) in form.buttons]
    url = page.url.partition("?")[0]
    answer = await user.browser.post(url, data={**forms[number].hidden, "action": action})
    if answer.status_code == 303:
        answer = await user.browser.get(answer.headers["location"])
    return Page.read(answer)


async def signed_in(user: ScriptedUser, url: str = PAGE) -> Page:
    """Sign in to the page with its button; gives the page that is shown then."""
    leaving = await press(user, await open_page(user, url), "sign_in")
    assert leaving.continue_link is not None, leaving.html
    await user.visit(leaving.continue_link)
    return user.pages[-1]


def text(page: Page) -> str:
    return Document(page.html).text


def names(page: Page) -> list[str]:
    """The apps that the page lists."""
    return [heading.text for heading in Document(page.html).all("h2")]


def writes(stage: Stage) -> list[str]:
    return [verb for verb in stage.store.calls if verb in ("put_new", "swap")]


# --- signing in -----------------------------------------------------------------------------------------------------------------


async def test_a_visitor_sees_one_button_and_nobody_is_sent_to_the_provider(stage: Stage):
    user = stage.user()
    page = await open_page(user)
    assert page.status == 200
    assert [form.buttons for form in page.forms] == [[("action", "sign_in")]]
    assert page.continue_link is None
    assert "Sign in to see the apps that are connected to your account." in text(page)
    assert stage.provider.requests == []


async def test_a_sign_in_shows_who_is_there_and_stores_nothing(stage: Stage):
    user = stage.user("alice")
    page = await signed_in(user)
    assert page.url == PAGE
    assert "Signed in as alice@example.com" in text(page)
    assert "No app is connected to your account." in text(page)
    assert writes(stage) == []
    assert stage.names() == ["page_opened"]


async def test_it_asks_the_provider_for_no_more_than_the_server_requires(staged: SetStage):
    stage = await staged(valid_scopes=["email", "offline_access"])
    await signed_in(stage.user())
    asked = stage.provider.requests_to("authorize")[0].parameters
    assert asked["scope"] == "openid"
    assert asked["redirect_uri"] == stage.callback
    assert {"state", "nonce", "code_challenge"} <= asked.keys()


async def test_what_the_provider_gave_is_neither_kept_nor_taken_back(stage: Stage):
    """Many providers end every session of a user when one token of it is taken back (RFC 7009 §2.1 leaves that to them)."""
    app = await stage.signed_in()
    await signed_in(app.user)
    assert stage.provider.requests_to("revoke") == []
    assert await call_status(app) == 200


async def test_the_session_cookie_is_strict_and_short(staged: SetStage):
    stage = await staged(base_url=PUBLIC)
    user = stage.user()
    leaving = await press(user, await open_page(user, f"{PUBLIC}/connections"), "sign_in")
    assert leaving.continue_link is not None
    back = await user.visit(leaving.continue_link, stage.callback)
    answer = await user.browser.get(back)
    [session] = [cookie for cookie in answer.headers.get_list("set-cookie") if "page-session" in cookie]
    name, _, rest = session.partition("=")
    assert name.startswith("__Host-vestibule-page-session-")
    for attribute in ("HttpOnly", "Secure", "Path=/", "SameSite=strict", "Max-Age=900"):
        assert attribute in rest
    assert "Domain" not in rest
    assert lacks(rest, ["alice"])
    # A redirect would be the provider's navigation still, and a strict cookie would not come along.
    assert answer.status_code == 200
    assert Page.read(answer).continue_link == f"{PUBLIC}/connections"


async def test_a_session_ends_after_fifteen_minutes(stage: Stage):
    app = await stage.signed_in()
    page = await signed_in(app.user)
    stage.clock.advance(899)
    assert names(await open_page(app.user)) == ["Scripted client"]
    stage.clock.advance(1)
    assert names(await open_page(app.user)) == []
    late = await press(app.user, page, "disconnect")
    assert "nothing was changed" in text(late)
    assert await call_status(app) == 200


async def test_a_clock_that_is_set_back_makes_no_session_longer(stage: Stage):
    user = stage.user()
    await signed_in(user)
    stage.clock.advance(-60)
    assert "Signed in as" not in text(await open_page(user))


async def test_signing_out_ends_the_session_for_a_copy_of_its_cookie_too(stage: Stage):
    user = stage.user()
    page = await signed_in(user)
    copied = dict(user.browser.cookies)
    out = await press(user, page, "sign_out")
    assert "You are signed out of this page. Your apps stay connected." in text(out)
    other = stage.user()
    other.browser.cookies.update(copied)
    assert "Signed in as" not in text(await open_page(other))


async def test_any_replica_serves_the_page_and_knows_who_signed_out(staged: SetStage):
    stage = await staged()
    other = await staged(at=stage.provider, store=stage.store)
    app = await stage.signed_in(client_name="Notes")
    page = await signed_in(app.user)
    elsewhere = other.user()
    elsewhere.browser.cookies.update(dict(app.user.browser.cookies))
    assert names(await open_page(elsewhere)) == ["Notes"]
    await press(app.user, page, "sign_out")
    assert names(await open_page(elsewhere)) == []


async def test_a_server_below_a_path_has_its_page_there(staged: SetStage):
    stage = await staged(base_url=f"{BASE}/notes")
    app = await stage.signed_in()
    page = await signed_in(app.user, f"{BASE}/notes/connections?notice=signed_out")
    assert page.url == f"{BASE}/notes/connections"
    assert {urljoin(f"{page.url}?notice=disconnected", form.action) for form in page.forms} == {page.url}
    assert "The app is disconnected." in text(await press(app.user, page, "disconnect"))
    assert await call_status(app) == 401


async def test_two_tabs_and_a_second_click_are_harmless(stage: Stage):
    user = stage.user()
    first, second = await open_page(user), await open_page(user)
    assert (await press(user, first, "sign_in")).continue_link
    leaving = await press(user, second, "sign_in")
    assert leaving.continue_link is not None
    await user.visit(leaving.continue_link)
    assert "Signed in as alice" in text(user.pages[-1])


async def test_a_page_that_was_left_open_still_signs_in(stage: Stage):
    user = stage.user()
    page = await open_page(user)
    stage.clock.advance(1800)
    leaving = await press(user, page, "sign_in")
    assert leaving.continue_link is not None
    await user.visit(leaving.continue_link)
    assert "Signed in as alice" in text(user.pages[-1])


async def test_a_sign_in_that_takes_too_long_is_refused(stage: Stage):
    user = stage.user()
    leaving = await press(user, await open_page(user), "sign_in")
    assert leaving.continue_link is not None
    back = await user.visit(leaving.continue_link, stage.callback)
    stage.clock.advance(601)
    answer = await user.browser.get(back)
    assert answer.status_code == 400
    assert "login_expired" in answer.text
    assert f'href="{PAGE}"' in answer.text


async def test_a_browser_without_cookies_gets_the_page_about_them(stage: Stage):
    user = stage.user()
    page = await open_page(user)
    user.browser.cookies.clear()
    answer = await press(user, page, "sign_in")
    assert answer.status == 403
    assert "login_cookie_missing" in answer.html


async def test_an_account_that_may_not_sign_in_is_told_so(staged: SetStage):
    stage = await staged(
        sign_in_policy=lambda claims: claims.get("email") == "alice@example.com", operator_contact="it@example.com"
    )
    page = await signed_in(stage.user("bob"))
    assert page.status == 403
    assert "You are signed in as bob@example.com." in text(page)
    assert "it@example.com" in text(page)
    assert "sign_in_refused" in stage.reasons()


async def test_a_user_who_cancels_at_the_provider_can_go_back(stage: Stage):
    user = stage.user()
    leaving = await press(user, await open_page(user), "sign_in")
    assert leaving.continue_link is not None
    answer = await user.browser.post(leaving.continue_link, data={"action": "deny"})
    page = Page.read(await user.browser.get(answer.headers["location"]))
    assert "upstream_cancelled" in page.html
    assert f'href="{PAGE}"' in page.html


async def test_a_provider_that_is_down_is_not_the_end(stage: Stage):
    user = stage.user()
    leaving = await press(user, await open_page(user), "sign_in")
    assert leaving.continue_link is not None
    back = await user.visit(leaving.continue_link, stage.callback)
    stage.provider.faults.fail("token", times=1)
    answer = await user.browser.get(back)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "upstream_unavailable" in answer.text
    again = Page.read(await user.browser.get(back))  # a reload
    assert again.continue_link == PAGE


async def test_a_store_that_is_down_is_503(stage: Stage):
    user = stage.user()
    await signed_in(user)
    stage.store.broken = {"get"}
    answer = await user.browser.get(PAGE)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"


async def test_the_page_can_be_switched_off(staged: SetStage):
    stage = await staged(connections_page=False)
    assert (await stage.http.get(PAGE)).status_code == 404
    assert await call_status(await stage.signed_in()) == 200


# --- what it shows --------------------------------------------------------------------------------------------------------------


async def test_it_lists_the_users_own_apps_the_newest_first(stage: Stage):
    alice = stage.user("alice")
    await stage.signed_in(user=alice, client_name="First")
    stage.clock.advance(60)
    await stage.signed_in(user=alice, client_name="Second", redirect_uri=WEB_URI)
    await stage.signed_in("bob", client_name="Bob's")
    assert names(await signed_in(alice)) == ["Second", "First"]
    assert names(await signed_in(stage.user("bob"))) == ["Bob's"]


async def test_it_says_since_when_and_last_used_from_where_by_what(stage: Stage):
    app = await stage.signed_in(client_name="Notes", redirect_uri=WEB_URI)
    stage.clock.advance(3 * 3600)
    app.http.headers["user-agent"] = "notes-app/2.1"
    await app.refresh()
    assert await call_status(app) == 200
    stage.clock.advance(2 * 3600)
    shown = text(await signed_in(app.user))
    assert "Connected" in shown
    assert "5 hours ago" in shown
    assert "2 hours ago" in shown
    assert "127.0.0.1" in shown
    assert "notes-app/2.1" in shown
    assert "app.example" in shown
    assert f"{BASE}/mcp with openid" in shown


async def test_looking_at_the_page_writes_nothing(stage: Stage):
    app = await stage.signed_in()
    stage.store.calls.clear()
    await open_page(stage.user())
    await signed_in(app.user)
    await open_page(app.user)
    assert writes(stage) == []


async def test_a_published_app_is_shown_with_its_publisher(staged: SetStage):
    with DocumentSite() as site:
        stage = await staged()
        app = stage.client()
        await app.discover()
        app.registration = {"client_id": site.client_id}
        await app.login()
        shown = text(await signed_in(app.user))
        assert f"described at {site.host}" in shown
        assert "Published" in shown


# --- what its buttons do --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protection", ["server", "client"])
async def test_disconnecting_ends_that_app_and_no_other(staged: SetStage, protection: str):
    stage = await staged(upstream_token_protection=protection)
    user = stage.user()
    first = await stage.signed_in(user=user, client_name="First")
    stage.clock.advance(1)
    second = await stage.signed_in(user=user, client_name="Second")
    page = await press(user, await signed_in(user), "disconnect", names(await open_page(user)).index("First"))
    assert "The app is disconnected." in text(page)
    assert names(page) == ["Second"]
    assert await call_status(first) == 401
    with pytest.raises(StepFailed, match="invalid_grant"):
        await first.refresh()
    assert await call_status(second) == 200
    assert (await second.refresh())["access_token"]
    assert "revoked" in stage.names()


async def test_disconnecting_twice_is_once(stage: Stage):
    app = await stage.signed_in()
    page = await signed_in(app.user)
    await press(app.user, page, "disconnect")
    assert "The app is disconnected." in text(await press(app.user, page, "disconnect"))
    assert stage.names().count("revoked") == 1


async def test_all_can_be_disconnected_at_once(stage: Stage):
    user = stage.user()
    apps = [await stage.signed_in(user=user, client_name=name) for name in ("First", "Second", "Third")]
    bobs = await stage.signed_in("bob")
    page = await press(user, await signed_in(user), "disconnect_all")
    assert "All apps are disconnected." in text(page)
    assert "No app is connected to your account." in text(page)
    assert [await call_status(app) for app in apps] == [401, 401, 401]
    assert await call_status(bobs) == 200


async def test_more_apps_than_are_shown_are_counted_and_end_with_all(stage: Stage):
    user = stage.user()
    app = await stage.registered(user=user)
    for _ in range(102):
        await app.login()
    page = await signed_in(user)
    assert len(names(page)) == 100
    assert "2 older connections are not shown." in text(page)
    await press(user, page, "disconnect_all")
    assert "No app is connected" in text(await open_page(user))


async def test_a_disconnected_app_that_comes_again_has_to_ask(stage: Stage):
    app = await stage.signed_in()
    await press(app.user, await signed_in(app.user), "disconnect")
    await app.login()
    assert await call_status(app) == 200
    assert "consented" in stage.names()[-3:]


async def test_an_unknown_action_changes_nothing(stage: Stage):
    app = await stage.signed_in()
    page = await signed_in(app.user)
    form = next(form for form in page.forms if ("action", "disconnect") in form.buttons)
    for action in ("", "delete", "DISCONNECT"):
        answer = await app.user.browser.post(PAGE, data={**form.hidden, "action": action})
        assert answer.status_code == 400
    assert await call_status(app) == 200


async def test_no_secret_is_in_a_page_an_event_or_the_log(stage: Stage, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    app: ScriptedClient = await stage.signed_in()
    page = await signed_in(app.user)
    await press(app.user, page, "disconnect")
    values = [*app.tokens.values(), *dict(app.user.browser.cookies).values()]
    secrets = [str(value) for value in values if len(str(value)) > 20]
    proofs = [form.hidden["csrf_token"] for form in page.forms]
    assert lacks(page.html, secrets)
    assert lacks(repr(stage.events) + caplog.text, [*secrets, *proofs])
