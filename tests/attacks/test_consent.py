"""Nobody gets a code without a click of this user, in this browser, for this client.

GHSA-c2jp-c369-7pvx, CVE-2026-27124 / GHSA-rww4-4w9c-7733, GHSA-6x8h-498w-gv8c, fastmcp PR3519 and #6530, CVE-2026-54618, CVE-2026-15015;
state that is left out, blank or another browser's: CVE-2026-73419, CVE-2026-81888, GHSA-xc49-mgwh-9pjv.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx2
import pytest
from tests.flows.stage import query_of
from tests.races.house import House

from vestibule.testing import ScriptedClient, ScriptedUser

pytestmark = pytest.mark.anyio

CALLBACK = "http://127.0.0.1:8000/auth/callback"
OWN = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}


async def consent_page(client: ScriptedClient, headers: Mapping[str, str] = OWN, **changes: str) -> tuple[str, httpx2.Response]:
    """Open an authorization request in the client's browser: the consent page's URL, and what it shows."""
    browser = client.user.browser
    sent = await browser.get(client.start(**changes).url, headers=dict(headers))
    url = sent.headers["location"]
    return url, await browser.get(url, headers=dict(headers))


async def approve(client: ScriptedClient, url: str, page: httpx2.Response, **form: str) -> httpx2.Response:
    token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    return await client.user.browser.post(url, data={"csrf_token": token, "action": "approve", **form})


def asks(page: httpx2.Response) -> bool:
    return 'name="csrf_token"' in page.text


@pytest.mark.spec("PX-01", "PX-02", "AZ-26")
async def test_a_live_session_at_the_provider_gives_another_client_nothing():
    """GHSA-c2jp: the provider remembers its consent, so an attacker's client silently got the victim's code."""
    house = House()
    victim = await house.signed_in(client_name="Honest")
    attacker = await house.client(user=victim.user, client_name="Attacker", redirect_uri="https://evil.example/cb")
    asked = len(house.idp.requests_to("authorize"))
    for prompt in ("", "none", "login"):
        answer = await victim.user.browser.get(attacker.start(prompt=prompt).url, headers=OWN)
        assert "code=" not in answer.headers.get("location", "")
        if prompt != "none":
            page = await victim.user.browser.get(answer.headers["location"], headers=OWN)
            assert asks(page)
            assert "evil.example" in page.text
            assert "Attacker" in page.text
    assert len(house.idp.requests_to("authorize")) == asked, "the browser was sent upstream without a click"
    assert await house.grants() == 1


@pytest.mark.spec("PX-05")
async def test_a_callback_in_another_browser_is_refused_before_the_provider_is_asked():
    """CVE-2026-27124: approved by the attacker, completed in the victim's browser, or the other way round."""
    house = House()
    client = await house.client()
    url = await client.user.visit(client.start().url, CALLBACK)
    async with ScriptedUser("bob", apps=house.apps) as other:
        for cookies in ({}, {"vestibule-login-x": "AAAA"}):
            other.browser.cookies.update(cookies)
            answer = await other.browser.get(url)
            assert answer.status_code == 403
            assert "location" not in answer.headers
    assert await house.grants() == 0
    assert len(house.idp.requests_to("token")) == 0


@pytest.mark.spec("PX-05", "PX-06")
async def test_a_login_of_this_browser_with_another_browsers_state_is_refused():
    """Login CSRF: the victim has a login of their own on its way, and gets the attacker's callback."""
    house = House()
    victim, attacker = await house.client(), await house.client()
    await victim.user.visit(victim.start().url, CALLBACK)
    url = await attacker.user.visit(attacker.start().url, CALLBACK)
    answer = await victim.user.browser.get(url)
    assert answer.status_code == 403
    assert await house.grants() == 0


@pytest.mark.spec("PX-06")
@pytest.mark.parametrize("state", ["", "&state=", "&state=undefined", "&state=null", "&state=x&state=y"])
async def test_a_callback_without_its_state_is_a_page(state):
    """CVE-2026-81888: an omitted state passed."""
    house = House()
    client = await house.client()
    url = await client.user.visit(client.start().url, CALLBACK)
    answer = await client.user.browser.get(f"{CALLBACK}?code={query_of(url)['code']}{state}")
    assert answer.status_code in (400, 403)
    assert "location" not in answer.headers
    assert await house.grants() == 0


@pytest.mark.spec("PX-05")
async def test_a_login_that_was_not_approved_cannot_be_completed():
    """CVE-2026-54618, CVE-2026-15015: authorize approved by itself. Without a click there is no state to come back with."""
    house = House()
    client = await house.client()
    url, page = await consent_page(client)
    assert asks(page)
    assert "state=" not in url + page.text
    answer = await client.user.browser.get(f"{CALLBACK}?code=x&state={query_of(url)['login']}")
    assert answer.status_code == 403
    assert await house.grants() == 0


@pytest.mark.spec("PX-03")
async def test_a_forged_consent_form_is_refused():
    """PR3519: without, with a wrong, and with another login's token."""
    house = House()
    client = await house.client()
    url, _ = await consent_page(client)
    _, other = await consent_page(client)
    foreign = other.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    for form in ({}, {"csrf_token": ""}, {"csrf_token": "00"}, {"csrf_token": "zz"}, {"csrf_token": foreign}):
        answer = await client.user.browser.post(url, data={"action": "approve", **form})
        assert answer.status_code == 403
        assert "state=" not in answer.text
    assert len(house.idp.requests_to("authorize")) == 0


@pytest.mark.spec("PX-04")
async def test_a_consent_cannot_be_given_from_another_browser():
    house = House()
    client = await house.client()
    url, page = await consent_page(client)
    async with ScriptedUser("bob", apps=house.apps) as other:
        token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
        answer = await other.browser.post(url, data={"csrf_token": token, "action": "approve"})
        assert answer.status_code == 403
        assert (await other.browser.get(url)).status_code == 403


@pytest.mark.spec("PX-04")
async def test_on_https_the_cookies_are_bound_to_the_host():
    """``__Host-``: no other host of the domain can set or read them."""
    house = House(base_url="https://mcp.example.com", options={"require_authorization_consent": "remember"})
    client = await house.client(redirect_uri="https://app.example/cb")
    url, page = await consent_page(client)
    answer = await approve(client, url, page, remember="yes")
    for cookie in answer.headers.get_list("set-cookie"):
        name, attributes = cookie.partition("=")[0], cookie.lower()
        assert name.startswith("__Host-")
        assert "httponly" in attributes
        assert "secure" in attributes
        assert "path=/" in attributes
        assert "domain=" not in attributes
        assert "samesite=" + ("strict" if "consent" in name else "lax") in attributes


@pytest.fixture
async def remembered() -> tuple[House, ScriptedClient]:
    """A browser that remembers one consent."""
    options = {"require_authorization_consent": "remember", "valid_scopes": ["extra"], "allowed_hosts": ["other.example"]}
    house = House(options=options)
    client = await house.client()
    await client.register(redirect_uris=[client.redirect_uri, "https://app.example/other"])
    url, page = await consent_page(client)
    await approve(client, url, page, remember="yes")
    return house, client


async def test_what_was_remembered_is_not_asked_again(remembered):
    """Without this, the tests below would pass with a memory that never works."""
    _, client = remembered
    _, page = await consent_page(client)
    assert not asks(page)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "none", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-mode": "navigate"},
        {"referer": "http://127.0.0.1:8000/"},
        {},
    ],
)
async def test_a_request_that_another_site_set_off_is_asked_again(remembered, headers):
    """GHSA-6x8h: an authorization server in the middle rode on a consent that was silently remembered."""
    _, client = remembered
    _, page = await consent_page(client, headers)
    assert asks(page)


@pytest.mark.parametrize("changes", [{"scope": "extra"}, {"redirect_uri": "https://app.example/other"}])
async def test_a_changed_request_is_asked_again(remembered, changes):
    """GHSA-6x8h, #6530: not on the client id alone."""
    _, client = remembered
    _, page = await consent_page(client, **changes)
    assert asks(page)


async def test_another_client_with_the_same_name_is_asked_again(remembered):
    house, client = remembered
    twin = await house.client(user=client.user)
    _, page = await consent_page(twin)
    assert asks(page)


async def test_a_memory_is_of_one_browser_and_cannot_be_made_up(remembered):
    house, client = remembered
    async with ScriptedUser("bob", apps=house.apps) as other:
        client.user = other
        other.browser.cookies.set("vestibule-consent", "AAAA")
        _, page = await consent_page(client)
        assert asks(page)
