"""The provider away, at each step that needs it and at those that do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import Stage, decide, open_consent
from tests.outages.matrix import LATER, PROVIDER
from tests.outages.scene import call, refresh

pytestmark = [pytest.mark.anyio, pytest.mark.spec("RF-03", "AZ-29")]

HOUR = 3600


class Gone(httpx2.AsyncBaseTransport):
    """Nobody listens."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused", request=request)


def bring(stage: Stage, trouble: str) -> Callable[[], None]:
    """Bring the trouble, and return what takes it away."""
    match trouble:
        case "unreachable":
            kept = dict(stage.provider_http._mounts)
            stage.provider_http._mounts.update(dict.fromkeys(kept, Gone()))
            return lambda: stage.provider_http._mounts.update(kept)
        case "slow":
            stage.provider.faults.slow(60)
            stage.provider.faults.fail(times=None)  # and has done nothing when it answers at last
        case _:
            stage.provider.faults.fail(status=502, times=None)
    return stage.provider.faults.clear


def assert_later(answer: httpx2.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert "upstream_unavailable" in answer.text


@pytest.mark.parametrize("trouble", PROVIDER)
async def test_everybody_sees_what_the_table_says(staged: SetStage, trouble: str):
    stage = await staged()
    caller, refresher, due_call, due_refresh = [await stage.signed_in() for _ in range(4)]
    stage.clock.advance(HOUR - 100)
    for client in (caller, refresher, due_call, due_refresh):
        await client.refresh()
    stage.clock.advance(200)  # the provider's tokens have ended
    for client in (caller, refresher):
        await client.refresh()
    arriving, starting = await stage.registered(), await stage.registered()
    url = await arriving.user.visit(arriving.start().url, stage.callback)
    stage.events.clear()
    expected, end = PROVIDER[trouble], bring(stage, trouble)

    assert expected["call"] != LATER
    assert (await call(stage, caller)).status_code == 200
    assert expected["refresh"] != LATER
    renewed = await refresh(refresher)
    assert renewed.status_code == 200
    assert expected["due"] == LATER
    assert_later(await call(stage, due_call))
    assert_later(await refresh(due_refresh))
    assert expected["authorize"] != LATER
    attempt = starting.start()
    page = await open_consent(starting.user, attempt.url)
    assert (await decide(starting.user, page)).status_code == 200
    assert expected["callback"] == LATER
    assert_later(await arriving.user.browser.get(url))
    assert {"reused", "revoked"}.isdisjoint(stage.names())

    end()
    stage.clock.advance(30)
    assert (await call(stage, due_call)).status_code == 200
    assert (await due_refresh.refresh())["access_token"]
    assert (await arriving.user.visit(url, arriving.redirect_uri)).startswith(arriving.redirect_uri)
    code = starting.finish(attempt, await starting.user.visit(page.url, starting.redirect_uri))
    assert (await starting.exchange(code, attempt))["access_token"]
    assert {"reused", "revoked"}.isdisjoint(stage.names())


async def test_many_who_wait_for_a_silent_provider_ask_it_once(staged: SetStage):
    stage = await staged()
    client = await stage.signed_in()
    stage.clock.advance(HOUR - 100)
    await client.refresh()
    stage.clock.advance(200)
    bring(stage, "slow")
    before = len(stage.provider.requests)
    for answer in await asyncio.gather(*(call(stage, client) for _ in range(100))):
        assert_later(answer)
    assert len(stage.provider.requests) == before + 1


async def test_a_provider_that_rotates_and_whose_answer_is_lost_costs_a_sign_in_and_is_no_theft(staged: SetStage):
    """It has spent the refresh token that we hold (RFC 9700 §4.14.2); nobody here can know its successor."""
    stage = await staged()
    client = await stage.signed_in()
    stage.clock.advance(HOUR - 100)
    await client.refresh()
    stage.clock.advance(200)
    stage.provider.faults.slow(60, "token", times=1)
    assert_later(await refresh(client))
    stage.clock.advance(60)
    answer = await refresh(client)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert "reused" not in stage.names()
    await client.login()
    assert (await call(stage, client)).status_code == 200
