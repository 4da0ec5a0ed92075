"""One refresh token, many uses: one rotation, one question to the provider, and when reuse ends the session."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.races.house import House, at_once, house_that_waits
from tests.races.stores import WatchedStore

from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

SEEDS = range(5)
SOON = 60  # seconds that the provider's access tokens live where a test waits for their end


@pytest.mark.spec("RF-02", "RF-08", "PX-13")
@pytest.mark.parametrize("seed", SEEDS)
async def test_fifty_refreshes_are_one_rotation_and_one_upstream_call(seed):
    house = house_that_waits(seed, access_token_seconds=SOON)
    client = await house.signed_in()
    first = client.tokens["refresh_token"]
    house.clock.advance(SOON + 1)
    answers = await at_once(*(house.refresh(client, first) for _ in range(50)))
    assert [answer.status for answer in answers] == [200] * 50
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert house.upstream_refreshes == 1
    calls = await at_once(*(house.call(answer.json()["access_token"]) for answer in answers))
    assert [call.status for call in calls] == [200] * 50
    second = answers[0].json()["refresh_token"]
    assert second != first
    assert (await house.refresh(client, second)).status == 200
    assert (await house.refresh(client, first)).error == "invalid_grant"


@pytest.mark.spec("PX-13")
@pytest.mark.parametrize("seed", SEEDS)
async def test_fifty_calls_at_the_end_of_the_upstream_token_are_one_upstream_call(seed):
    house = house_that_waits(seed, access_token_seconds=SOON)
    client = await house.signed_in()
    house.clock.advance(SOON + 1)
    token = client.tokens["access_token"]
    requests = [house.call(token) if n % 2 else house.refresh(client, client.tokens["refresh_token"]) for n in range(50)]
    answers = await at_once(*requests)
    assert [answer.status for answer in answers] == [200] * 50
    assert house.upstream_refreshes == 1


@pytest.mark.spec("RF-03", "RF-04")
async def test_reuse_of_an_older_refresh_token_ends_the_family():
    house = House()
    client = await house.signed_in()
    first = client.tokens["refresh_token"]
    second = (await house.refresh(client, first)).json()
    third = (await house.refresh(client, second["refresh_token"])).json()
    assert (await house.call(third["access_token"])).status == 200
    assert (await house.refresh(client, first)).error == "invalid_grant"
    for tokens in (second, third):
        assert (await house.call(tokens["access_token"])).status == 401
        assert (await house.refresh(client, tokens["refresh_token"])).error == "invalid_grant"


@pytest.mark.spec("RF-03")
async def test_a_retry_gets_the_same_successor_for_a_minute_and_ends_the_session_after_it():
    house = House()
    client = await house.signed_in()
    first = client.tokens["refresh_token"]
    second = (await house.refresh(client, first)).json()
    house.clock.advance(59)
    again = (await house.refresh(client, first)).json()
    assert again["refresh_token"] == second["refresh_token"]
    house.clock.advance(2)
    assert (await house.refresh(client, first)).error == "invalid_grant"
    assert (await house.call(second["access_token"])).status == 401
    assert (await house.refresh(client, second["refresh_token"])).error == "invalid_grant"


@pytest.mark.spec("RF-03")
async def test_the_minute_for_a_retry_begins_when_the_token_is_rotated_however_long_the_provider_took():
    house = House(access_token_seconds=SOON)
    client = await house.signed_in()
    first = client.tokens["refresh_token"]
    house.clock.advance(SOON + 1)
    house.idp.faults.slow(8, "token", times=1)
    second = (await house.refresh(client, first)).json()
    house.clock.advance(55)
    again = await house.refresh(client, first)
    assert (again.status, again.json()["refresh_token"]) == (200, second["refresh_token"])


@pytest.mark.spec("RF-03")
async def test_a_retry_that_comes_in_time_is_in_time_however_long_the_provider_takes():
    house = House(access_token_seconds=SOON)
    client = await house.signed_in()
    first = client.tokens["refresh_token"]
    house.clock.advance(1)
    second = (await house.refresh(client, first)).json()
    house.clock.advance(SOON - 1)
    house.idp.faults.slow(8, "token", times=1)
    again = await house.refresh(client, first)
    assert house.upstream_refreshes == 1
    assert (again.status, again.json()["refresh_token"]) == (200, second["refresh_token"])


@pytest.mark.spec("RF-01", "RF-03")
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_stranger_cannot_end_a_session_with_a_spent_token(seed):
    house = house_that_waits(seed)
    client = await house.signed_in()
    other = await house.client(client_name="Other")
    first = client.tokens["refresh_token"]
    second = (await house.refresh(client, first)).json()
    third = (await house.refresh(client, second["refresh_token"])).json()
    forged = first[:-4] + ("AAAA" if not first.endswith("AAAA") else "BBBB")
    answers = await at_once(
        *(house.refresh(other, first) for _ in range(5)), *(house.refresh(client, forged) for _ in range(5))
    )
    assert {answer.error for answer in answers} == {"invalid_grant"}
    assert (await house.call(third["access_token"])).status == 200
    assert (await house.refresh(client, third["refresh_token"])).status == 200


@pytest.mark.spec("RF-03", "RF-08")
@pytest.mark.parametrize("seed", SEEDS)
async def test_reuse_racing_the_rightful_use_leaves_one_state(seed):
    """The thief's and the owner's requests meet: whoever is first, afterwards the session is over for both."""
    house = house_that_waits(seed)
    client = await house.signed_in()
    first = client.tokens["refresh_token"]
    second = (await house.refresh(client, first)).json()["refresh_token"]
    third = (await house.refresh(client, second)).json()
    answers = await at_once(
        *(house.refresh(client, first) for _ in range(5)), *(house.refresh(client, third["refresh_token"]) for _ in range(5))
    )
    assert {answer.status for answer in answers} <= {200, 400}
    for answer in answers:
        if answer.status == 200:
            assert (await house.call(answer.json()["access_token"])).status == 401
            assert (await house.refresh(client, answer.json()["refresh_token"])).error == "invalid_grant"
    assert (await house.call(third["access_token"])).status == 401


@pytest.mark.spec("RF-03")
async def test_store_trouble_is_never_taken_for_theft():
    clock = FakeClock()
    store = WatchedStore(MemoryStore(clock))
    house = House(store=store, clock=clock)
    client = await house.signed_in()
    first = client.tokens["refresh_token"]
    store.failing = True
    for _ in range(3):
        answer = await house.refresh(client, first)
        assert (answer.status, answer.error) == (503, "temporarily_unavailable")
        assert (await house.call("unseen " + first)).status in (400, 401)
    store.failing = False
    assert (await house.refresh(client, first)).status == 200


@pytest.mark.spec("RF-03")
async def test_a_store_that_lost_the_rotation_ends_nothing():
    """A backup was restored: the token is newer than the record. It is refused, and the older one still works."""
    clock = FakeClock()
    store = MemoryStore(clock)
    house = House(store=store, clock=clock)
    client = await house.signed_in()
    first = client.tokens["refresh_token"]
    [(key, saved)] = [found async for found in store.scan("grant/")]
    second = (await house.refresh(client, first)).json()["refresh_token"]
    newest = await store.get(key)
    assert newest is not None
    assert await store.swap(key, newest.version, saved.value, 3600)
    assert (await house.refresh(client, second)).error == "invalid_grant"
    assert (await house.refresh(client, first)).status == 200


@pytest.mark.spec("PX-14")
@pytest.mark.parametrize("trouble", ["down", "busy"])
async def test_a_provider_that_is_away_costs_no_session(trouble):
    house = House(access_token_seconds=SOON)
    client = await house.signed_in()
    house.clock.advance(SOON + 1)
    house.idp.faults.fail("token", status=503 if trouble == "down" else 429, times=None)
    answers = await at_once(*(house.refresh(client, client.tokens["refresh_token"]) for _ in range(10)))
    assert {(answer.status, answer.error) for answer in answers} == {(503, "temporarily_unavailable")}
    assert (await house.call(client.tokens["access_token"])).status == 503
    house.idp.faults.clear()
    house.clock.advance(int(answers[0].header("retry-after")))
    assert (await house.refresh(client, client.tokens["refresh_token"])).status == 200


def before_it_answers(provider: Any, act: Callable[[Any], Awaitable[object]]) -> Any:
    """The provider's application, which does something between giving tokens and sending them."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def answer(message: Any) -> None:
            if scope["path"].endswith("/token") and message["type"] == "http.response.body":
                await act(json.loads(message["body"]))
            await send(message)

        await provider(scope, receive, answer)

    return app


@pytest.mark.spec("PX-13")
async def test_tokens_that_come_for_a_session_that_has_ended_are_taken_back(monkeypatch: pytest.MonkeyPatch):
    """Its end told the provider of the tokens before them, and nobody else knows these."""
    house = House(access_token_seconds=SOON)
    client = await house.signed_in()
    given: list[dict[str, str]] = []

    async def revoke(tokens: dict[str, str]) -> None:
        given.append(tokens)
        await house.revoke(client, client.tokens["refresh_token"])

    monkeypatch.setattr(house.idp, "app", before_it_answers(house.idp.app, revoke))
    house.open()
    house.clock.advance(SOON + 1)
    assert (await house.call(client.tokens["access_token"])).status == 401
    told = [request.parameters["token"] for request in house.idp.requests_to("revoke")]
    assert told[-2:] == [given[0]["refresh_token"], given[0]["access_token"]]


@pytest.mark.spec("PX-13")
async def test_a_session_whose_record_is_gone_when_its_new_tokens_come_is_over(monkeypatch: pytest.MonkeyPatch):
    """The store was emptied meanwhile, for example."""
    house = House(access_token_seconds=SOON)
    client = await house.signed_in()

    async def empty_the_store(_: object) -> None:
        for key, record in [found async for found in house.store.scan("grant/")]:
            await house.store.swap(key, record.version, None, 1)

    monkeypatch.setattr(house.idp, "app", before_it_answers(house.idp.app, empty_the_store))
    house.open()
    house.clock.advance(SOON + 1)
    assert (await house.call(client.tokens["access_token"])).status == 401
    assert house.idp.requests_to("revoke")
