"""The page of connected apps gives nobody a look at, or a button for, what is another's.

Login CSRF (RFC 9700 §4.7), forged forms, cookies of another kind or another server, other users' connections, framing, markup in what
apps say of themselves, open redirects (RFC 9700 §4.11).
"""

from __future__ import annotations

import json
from itertools import permutations

import httpx2
import pytest
from tests.attacks.test_page_injection import PAYLOADS
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, KEY, Stage, call_status, open_consent, query_of
from tests.flows.test_connections import PAGE, names, open_page, press, signed_in, text, writes
from tests.unit.pages.dom import Document

from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.server.login import cookie_name
from vestibule.testing import ScriptedUser
from vestibule.testing.user import Page

pytestmark = pytest.mark.anyio

NEIGHBOUR = "http://127.0.0.1:9501"
JOURNEY = cookie_name("page-journey", BASE, secure=False)
SESSION = cookie_name("page-session", BASE, secure=False)


async def callback_of(stage: Stage, user: ScriptedUser) -> str:
    """A sign-in to the page up to the provider's redirect, which the browser has not followed yet."""
    leaving = await press(user, await open_page(user), "sign_in")
    assert leaving.continue_link is not None
    return await user.visit(leaving.continue_link, stage.callback)


def refused(answer: httpx2.Response) -> bool:
    """A page that leads nowhere, and no session with it."""
    gives = [cookie for cookie in answer.headers.get_list("set-cookie") if "page-session" in cookie]
    return answer.status_code in (400, 403, 404) and "location" not in answer.headers and not gives


# --- signing in as somebody else ------------------------------------------------------------------------------------------------


async def test_an_attackers_sign_in_does_not_end_in_the_victims_browser(stage: Stage):
    """Login CSRF: the victim would look at, and trust, the attacker's page. With and without a sign-in of the victim's own on its way."""
    attacker, victim = stage.user("bob"), stage.user("alice")
    url = await callback_of(stage, attacker)
    assert refused(await victim.browser.get(url))
    own = await callback_of(stage, victim)
    assert refused(await victim.browser.get(url))
    assert refused(await victim.browser.get(f"{stage.callback}?code={query_of(url)['code']}&state={query_of(own)['state']}x"))
    assert len(stage.provider.requests_to("token")) == 0
    assert "Signed in as" not in text(await open_page(victim))


async def test_an_attackers_code_under_the_victims_state_is_refused(stage: Stage):
    """Code injection: our PKCE pair and the nonce tie the code to the journey (RFC 9700 §4.5)."""
    attacker, victim = stage.user("bob"), stage.user("alice")
    code, state = query_of(await callback_of(stage, attacker))["code"], query_of(await callback_of(stage, victim))["state"]
    answer = await victim.browser.get(f"{stage.callback}?code={code}&state={state}&iss={stage.provider.issuer}")
    assert refused(answer)
    assert "Signed in as" not in text(await open_page(victim))


async def test_a_callback_counts_once(stage: Stage):
    """The journey's cookie goes with the first answer; with a copy of it, the provider does not take its code twice."""
    user = stage.user()
    url = await callback_of(stage, user)
    copied = dict(user.browser.cookies)
    assert Page.read(await user.browser.get(url)).continue_link == PAGE
    assert refused(await user.browser.get(url))
    other = stage.user()
    other.browser.cookies.update(copied)
    assert refused(await other.browser.get(url))


async def test_another_site_sends_nobody_to_the_provider(stage: Stage):
    """By a link or by a form: the button's proof fits this browser only."""
    user, attacker = stage.user(), stage.user()
    for query in ("", "?action=sign_in", "?notice=signed_out", "?prompt=none&login_hint=alice"):
        answer = await user.browser.get(PAGE + query)
        assert Page.read(answer).continue_link is None
        assert "location" not in answer.headers
    foreign = (await open_page(attacker)).forms[0].hidden["csrf_token"]
    for form in ({}, {"csrf_token": ""}, {"csrf_token": "00" * 32}, {"csrf_token": "zz"}, {"csrf_token": foreign}):
        assert refused(await user.browser.post(PAGE, data={"action": "sign_in", **form}))
    assert stage.provider.requests == []


# --- one thing for another ------------------------------------------------------------------------------------------------------


async def test_no_cookie_passes_for_one_of_another_kind(staged: SetStage):
    """All pairs: each sealed value under each other's name."""
    stage = await staged(require_authorization_consent="remember")
    app = await stage.registered()
    page = await open_consent(app.user, app.start().url)
    await app.user.browser.post(page.url, data={**page.forms[0].hidden, "action": "approve", "remember": "yes"})
    await open_consent(app.user, app.start().url)
    await signed_in(app.user)
    signed_in_cookies = dict(app.user.browser.cookies)
    other = stage.user()
    await open_page(other)
    cookies = {**signed_in_cookies, JOURNEY: other.browser.cookies[JOURNEY]}
    kinds = {name: value for name, value in cookies.items() if name.startswith("vestibule-")}
    assert {name.split("-")[1] + name.split("-")[2][:7] for name in kinds} >= {"pagejourney", "pagesession"}
    assert len(kinds) >= 4
    for (name, _), (_, value) in permutations(kinds.items(), 2):
        browser = stage.user().browser
        browser.cookies.set(name, value)
        shown = Page.read(await browser.get(PAGE))
        assert "Signed in as" not in text(shown), name
        answer = await browser.post(PAGE, data={**shown.forms[0].hidden, "action": "disconnect_all"})
        assert answer.status_code == 303
        assert "session_ended" in answer.headers["location"]
        login = name.rpartition("-login-")[2].partition("-")[2]
        assert refused(await browser.get(f"{BASE}/consent?login={login}"))


async def test_a_servers_cookies_count_nowhere_else(staged: SetStage):
    """Two servers of one operator, with one secret and one host name: a cookie is bound to its issuer, whatever it is called."""
    first = await staged()
    second = await staged(base_url=NEIGHBOUR, at=first.provider)
    user, visitor = first.user(), first.user()
    await signed_in(user)
    form = (await open_page(visitor)).forms[0].hidden
    browser = second.user().browser
    browser.cookies.set(cookie_name("page-session", NEIGHBOUR, secure=False), user.browser.cookies[SESSION])
    browser.cookies.set(cookie_name("page-journey", NEIGHBOUR, secure=False), visitor.browser.cookies[JOURNEY])
    assert refused(await browser.post(f"{NEIGHBOUR}/connections", data={**form, "action": "sign_in"}))
    assert "Sign in to see" in text(Page.read(await browser.get(f"{NEIGHBOUR}/connections")))


async def test_a_journey_to_the_page_ends_in_no_code_for_an_app(stage: Stage):
    """... and is no sign-in of an app, though both come back to the same address."""
    app = await stage.registered()
    url = await callback_of(stage, app.user)
    attempt = app.start()
    await open_consent(app.user, attempt.url)
    answer = await app.user.browser.get(url)
    assert "code=" not in str(answer.headers) + answer.text
    assert Page.read(answer).continue_link == PAGE
    assert [key async for key, _ in stage.store.scan("")] == []


async def test_a_login_for_an_app_opens_no_page(stage: Stage):
    app = await stage.registered()
    await open_page(app.user)  # a journey to the page is on its way, too
    await app.login()
    assert SESSION not in app.user.browser.cookies
    assert "Sign in to see" in text(await open_page(app.user))


async def test_an_apps_tokens_open_no_page(stage: Stage):
    app = await stage.signed_in()
    for token in (app.tokens["access_token"], app.tokens["refresh_token"]):
        browser = stage.user().browser
        browser.cookies.set(SESSION, token)
        answer = await browser.get(PAGE, headers={"authorization": f"Bearer {token}"})
        assert "Sign in to see" in text(Page.read(answer))


# --- forms ----------------------------------------------------------------------------------------------------------------------


async def test_a_forged_form_disconnects_nothing(stage: Stage):
    """None, a wrong one, that of another button, of another connection, of another session of the same user."""
    user = stage.user()
    first, second = [await stage.signed_in(user=user, client_name=name) for name in ("First", "Second")]
    page = await signed_in(user)
    one, other = [form.hidden for form in page.forms if ("action", "disconnect") in form.buttons]
    everywhere = {button[1]: form.hidden["csrf_token"] for form in page.forms for button in form.buttons}
    again = await signed_in(stage.user())
    proofs = ["", "00", "zz", "00" * 32, other["csrf_token"], everywhere["sign_out"], everywhere["disconnect_all"]]
    proofs += [form.hidden["csrf_token"] for form in again.forms]
    for proof in proofs:
        data = {"action": "disconnect", "connection": one["connection"], "csrf_token": proof}
        assert refused(await user.browser.post(PAGE, data=data)), proof
    for action in ("disconnect_all", "sign_out"):
        assert refused(await user.browser.post(PAGE, data={**one, "action": action}))
    assert await call_status(first) == await call_status(second) == 200
    assert len(names(await open_page(user))) == 2


async def test_a_form_in_the_query_or_twice_disconnects_nothing(stage: Stage):
    app = await stage.signed_in()
    page = await signed_in(app.user)
    form = next(form.hidden for form in page.forms if ("action", "disconnect") in form.buttons)
    query = "&".join(f"{name}={value}" for name, value in {**form, "action": "disconnect"}.items())
    browser = app.user.browser
    assert (await browser.get(f"{PAGE}?{query}")).status_code == 200
    assert (await browser.post(f"{PAGE}?{query}", data={"x": "y"})).status_code == 400
    assert (await browser.post(PAGE, json={**form, "action": "disconnect"})).status_code == 400
    twice = f"{query}&connection=other"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await browser.post(PAGE, content=twice, headers=headers)).status_code == 400
    assert await call_status(app) == 200


async def test_another_users_connection_cannot_be_ended(stage: Stage):
    """Not with a proof for it either, which the page makes for nobody: whose it is, is looked at once more. Nothing tells that it exists."""
    bobs = await stage.signed_in("bob")
    [bobs_form] = [f.hidden for f in (await signed_in(bobs.user)).forms if ("action", "disconnect") in f.buttons]
    alice = await stage.signed_in("alice")
    await signed_in(alice.user)
    session = session_id_of(stage, alice.user)
    answers = []
    for connection in (bobs_form["connection"], "A" * 22):
        forged = proof_for(session, "disconnect", connection)
        data = {"action": "disconnect", "connection": connection, "csrf_token": forged}
        answer = await alice.user.browser.post(PAGE, data=data)
        assert refused(answer)
        answers.append((answer.status_code, answer.text.replace(answer.headers["x-request-id"], "")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert refused(await alice.user.browser.post(PAGE, data={**bobs_form, "action": "disconnect"}))
    assert await call_status(bobs) == 200


async def test_a_strangers_requests_write_nothing_and_read_nothing(stage: Stage):
    for cookies in ({}, {SESSION: "AAAA", JOURNEY: "AAAA"}):
        browser = stage.user().browser
        browser.cookies.update(cookies)
        await browser.get(PAGE)
        for action in ("sign_in", "sign_out", "disconnect", "disconnect_all", "x"):
            await browser.post(PAGE, data={"action": action, "connection": "x", "csrf_token": "00" * 32})
        await browser.get(f"{stage.callback}?code=x&state=y")
    assert stage.store.calls == []
    assert writes(stage) == []


# --- what a page may do to its visitor ------------------------------------------------------------------------------------------


async def test_no_page_of_it_can_be_framed(stage: Stage):
    """Clickjacking: a "Disconnect" under somebody else's button."""
    app = await stage.signed_in()
    answers = [await app.user.browser.get(PAGE)]
    await signed_in(app.user)
    answers += [await app.user.browser.get(PAGE), await app.user.browser.post(PAGE, data={"action": "sign_out"})]
    for answer in answers:
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("payload", [payload for payload in PAYLOADS if "\ud800" not in payload], ids=ascii)
async def test_what_an_app_says_of_itself_stays_text(stage: Stage, payload: str):
    """Name and User-Agent all the way, from registration and call to the page."""
    harmless, hostile = await stage.registered("bob", client_name="harmless"), await stage.registered(client_name=payload)
    hostile.http.headers["user-agent"] = payload.encode("utf-8").replace(b"\r\n", b" ").replace(b"\x00", b" ").decode("latin-1")
    harmless.http.headers["user-agent"] = "harmless"
    await harmless.login()
    await hostile.login()
    shown, plain = [Document((await signed_in(app.user)).html) for app in (hostile, harmless)]
    assert shown.shape == plain.shape


@pytest.mark.parametrize(
    "query",
    [
        "?notice=https://evil.example",
        "?next=https://evil.example",
        "?return_to=//evil.example",
        "?notice=<b>",
        "?notice=signed_out%00",
    ],
)
async def test_it_leads_nowhere_else(stage: Stage, query: str):
    """Open redirects, and words that a link puts into the page."""
    user = stage.user()
    answer = await user.browser.get(
        PAGE + query, headers={"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    )
    assert "evil.example" not in answer.text + str(answer.headers)
    assert not Document(answer.text).all("p", role="status")
    page = await signed_in(user)
    data = {
        **page.forms[0].hidden,
        "action": "sign_out",
        "next": "https://evil.example",
        "redirect_uri": "https://evil.example",
    }
    out = await user.browser.post(PAGE, data=data, headers={"x-forwarded-host": "evil.example"})
    assert out.headers["location"] == f"{PAGE}?notice=signed_out"


def session_id_of(stage: Stage, user: ScriptedUser) -> str:
    """What only the server knows of a session: opened with its own key."""
    opened = Sealer(KeyRing.from_secrets(KEY)).open(
        "page session", user.browser.cookies[SESSION], bound_to=stage.base_url.encode()
    )
    assert opened is not None
    return str(json.loads(opened)["id"])


def proof_for(*parts: str) -> str:
    """What only the server can make."""
    return KeyRing.from_secrets(KEY).mac("connections", json.dumps(parts).encode()).hex()
