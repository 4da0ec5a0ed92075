"""One code, many redemptions: who wins, and what a second use ends (design, promises 1 and 2)."""

from __future__ import annotations

import pytest
from tests.flows.stage import query_of
from tests.races.house import House, at_once, house_that_waits
from tests.races.stores import WatchedStore

from vestibule.protocol.pkce import new_verifier
from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

SEEDS = range(5)


@pytest.mark.spec("TK-03", "TK-11", "AZ-21")
@pytest.mark.parametrize("seed", SEEDS)
async def test_of_fifty_redemptions_one_succeeds_and_its_grant_lives(seed):
    house = house_that_waits(seed)
    client = await house.client()
    code, attempt = await house.code(client)
    answers = await at_once(*(house.redeem(client, code, attempt) for _ in range(50)))
    won = [answer for answer in answers if answer.status == 200]
    lost = [answer for answer in answers if answer.status != 200]
    assert len(won) == 1
    assert {(answer.status, answer.error) for answer in lost} == {(400, "invalid_grant")}
    tokens = won[0].json()
    assert (await house.call(tokens["access_token"])).status == 200
    assert (await house.refresh(client, tokens["refresh_token"])).status == 200


@pytest.mark.spec("TK-05", "TK-11")
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_replay_among_calls_ends_the_grant_or_nothing(seed):
    """Whether the call or the replay came first is open; that both halves of the grant agree about it is not."""
    house = house_that_waits(seed)
    client = await house.client()
    code, attempt = await house.code(client)
    tokens = (await house.redeem(client, code, attempt)).json()
    *_, replay = await at_once(*(house.call(tokens["access_token"]) for _ in range(10)), house.redeem(client, code, attempt))
    assert (replay.status, replay.error) == (400, "invalid_grant")
    alive = (await house.call(tokens["access_token"])).status == 200
    assert ((await house.refresh(client, tokens["refresh_token"])).status == 200) == alive


@pytest.mark.spec("TK-05")
async def test_a_second_post_before_any_use_ends_nothing():
    """Some clients post a code twice: within ten seconds and before a token was used that is taken for what it is."""
    house = House()
    client = await house.client()
    code, attempt = await house.code(client)
    tokens = (await house.redeem(client, code, attempt)).json()
    house.clock.advance(9)
    assert (await house.redeem(client, code, attempt)).error == "invalid_grant"
    assert (await house.call(tokens["access_token"])).status == 200


@pytest.mark.spec("TK-05", "RF-04")
@pytest.mark.parametrize("how", ["called", "refreshed", "late"])
async def test_a_replay_after_use_or_too_late_ends_the_grant(how):
    house = House()
    client = await house.client()
    code, attempt = await house.code(client)
    tokens = (await house.redeem(client, code, attempt)).json()
    if how == "called":
        assert (await house.call(tokens["access_token"])).status == 200
    elif how == "refreshed":
        tokens = (await house.refresh(client, tokens["refresh_token"])).json()
    else:
        house.clock.advance(11)
    replay = await house.redeem(client, code, attempt)
    assert (replay.status, replay.error) == (400, "invalid_grant")
    assert (await house.call(tokens["access_token"])).status == 401
    assert (await house.refresh(client, tokens["refresh_token"])).error == "invalid_grant"


@pytest.mark.spec("TK-05", "TK-06", "TK-07", "TK-09")
@pytest.mark.parametrize("wrong", ["client", "verifier", "redirect_uri", "guessed"])
async def test_an_invalid_replay_ends_nothing_whenever_it_comes(wrong):
    """Cloudflare workers-oauth-provider 0.3.0 #144, #148: revoking before checking gave anyone a logout weapon."""
    house = House()
    client, other = await house.client(), await house.client(client_name="Other")
    code, attempt = await house.code(client)
    tokens = (await house.redeem(client, code, attempt)).json()
    assert (await house.call(tokens["access_token"])).status == 200
    changes = {
        "client": {"client_id": other.registration["client_id"]},
        "verifier": {"code_verifier": new_verifier()},
        "redirect_uri": {"redirect_uri": "http://127.0.0.1:33418/elsewhere"},
        "guessed": {"code": code[:-4] + ("AAAA" if not code.endswith("AAAA") else "BBBB")},
    }[wrong]
    for seconds in (0, 30):
        house.clock.advance(seconds)
        answer = await house.redeem(client, code, attempt, **changes)
        assert (answer.status, answer.error) == (400, "invalid_grant")
    assert (await house.call(tokens["access_token"])).status == 200
    assert (await house.refresh(client, tokens["refresh_token"])).status == 200


@pytest.mark.spec("TK-03", "AZ-29")
async def test_a_failing_store_spends_no_code_and_ends_nothing():
    clock = FakeClock()
    store = WatchedStore(MemoryStore(clock))
    house = House(store=store, clock=clock)
    client = await house.client()
    code, attempt = await house.code(client)
    store.failing = True
    answer = await house.redeem(client, code, attempt)
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert answer.header("retry-after")
    store.failing = False
    assert (await house.redeem(client, code, attempt)).status == 200


@pytest.mark.spec("PX-05")
@pytest.mark.parametrize("seed", SEEDS)
async def test_parallel_callbacks_of_one_state_make_one_grant(seed):
    house = house_that_waits(seed)
    client = await house.client()
    attempt = client.start()
    url = await client.user.visit(attempt.url, house.base_url + "/auth/callback")
    answers = await at_once(*(client.user.browser.get(url) for _ in range(10)))
    codes = [found for a in answers if (found := query_of(a.headers.get("location", "")).get("code"))]
    assert all(answer.status_code < 500 for answer in answers)
    assert await house.grants() == 1
    assert len(set(codes)) == 1
    assert len(codes) == 10, "whichever answer the browser shows, it is the good one"
    tokens = (await house.redeem(client, codes[0], attempt)).json()
    assert (await house.call(tokens["access_token"])).status == 200
    house.clock.advance(3601)  # a provider that had seen its code twice would have ended the session
    assert (await house.refresh(client, tokens["refresh_token"])).status == 200


@pytest.mark.spec("PX-05")
async def test_a_callback_that_comes_again_later_makes_nothing_new():
    house = House()
    client = await house.client()
    attempt = client.start()
    url = await client.user.visit(attempt.url, house.base_url + "/auth/callback")
    browser, cookies = client.user.browser, dict(client.user.browser.cookies)
    code = query_of((await browser.get(url)).headers["location"])["code"]
    browser.cookies.update(cookies)  # as if the login's cookie had not been taken back
    assert "code" not in query_of((await browser.get(url)).headers["location"])
    assert await house.grants() == 1
    assert (await house.redeem(client, code, attempt)).status == 200


@pytest.mark.spec("PX-05")
@pytest.mark.parametrize("seed", SEEDS)
async def test_parallel_approvals_lead_to_one_and_the_same_login(seed):
    house = house_that_waits(seed)
    client = await house.client()
    attempt = client.start()
    browser = client.user.browser
    consent = (await browser.get(attempt.url)).headers["location"]
    page = await browser.get(consent)
    token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    form = {"csrf_token": token, "action": "approve"}
    answers = await at_once(*(browser.post(consent, data=form) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    states = {found for a in answers if (found := a.text.partition("state=")[2].partition("&")[0])}
    assert len(states) == 1
    returned_to = await client.user.visit(consent, client.redirect_uri)
    assert (await house.redeem(client, client.finish(attempt, returned_to), attempt)).status == 200
    assert await house.grants() == 1
