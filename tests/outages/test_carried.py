"""Sessions that go on without the store (``store_outage_seconds``): for whom, how long, and who sees it."""

from __future__ import annotations

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, Stage
from tests.outages.scene import call

from vestibule.testing import FakeClock, ScriptedClient

pytestmark = pytest.mark.anyio

VERBS = {"get", "put_new", "swap"}
DELAY, OUTAGE = 5, 60


@pytest.fixture
async def stage(staged: SetStage) -> Stage:
    return await staged(store_outage_seconds=OUTAGE)


async def known(stage: Stage, **options: object) -> ScriptedClient:
    """A client whose token this process has verified, and whose grant has not changed since."""
    client = await stage.signed_in(**options)
    stage.clock.advance(20)
    assert [(await call(stage, client)).status_code for _ in range(2)] == [200, 200]
    return client


async def test_it_ends_when_the_time_is_over(stage: Stage):
    client = await known(stage)
    stage.store.broken = VERBS
    for _ in range(13):
        assert (await call(stage, client)).status_code == 200
        stage.clock.advance(DELAY)
    answer = await call(stage, client)
    assert (answer.status_code, answer.json()["reason"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_it_is_seen_once_in_the_events_and_counted(stage: Stage):
    client = await known(stage)
    for outage in range(2):
        stage.events.clear()
        stage.store.broken = VERBS
        stage.clock.advance(DELAY)
        for _ in range(5):
            assert (await call(stage, client)).status_code == 200
        told = [event for event in stage.events if event.name == "operator"]
        assert [(event.reason, event.detail) for event in told] == [
            ("store_unavailable", "sessions that were verified before go on for at most 65 s")
        ], outage
        answer = await stage.http.get(f"{BASE}/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert answer.json()["sessions"]["calls"] == 5
        stage.store.broken = set()
        stage.clock.advance(DELAY)
        assert (await call(stage, client)).status_code == 200
        assert "sessions" not in (await stage.http.get(f"{BASE}/readyz")).json()


async def test_it_is_ready_as_long_as_sessions_go_on(stage: Stage):
    stage.store.broken = VERBS
    assert (await stage.http.get(f"{BASE}/readyz")).status_code == 200
    stage.clock.advance(OUTAGE - 1)
    assert (await stage.http.get(f"{BASE}/readyz")).status_code == 200
    stage.clock.advance(1)
    assert (await stage.http.get(f"{BASE}/readyz")).status_code == 503


async def test_not_for_a_token_that_this_process_has_not_verified(stage: Stage):
    client = await stage.signed_in()
    stage.clock.advance(20)
    stage.store.broken = VERBS
    assert (await call(stage, client)).status_code == 503


async def test_not_beyond_the_end_of_the_token(staged: SetStage):
    stage = await staged(store_outage_seconds=36_000, access_token_expiry_seconds=100)
    client = await known(stage)
    stage.store.broken = VERBS
    stage.clock.advance(79)
    assert (await call(stage, client)).status_code == 200
    stage.clock.advance(1)
    assert (await call(stage, client)).status_code == 401


async def test_not_beyond_the_end_of_the_providers_token(staged: SetStage):
    stage = await staged(store_outage_seconds=36_000, provider={"access_token_seconds": 100})
    client = await known(stage)
    stage.store.broken = VERBS
    stage.clock.advance(79)
    assert (await call(stage, client)).status_code == 200
    stage.clock.advance(1)
    assert (await call(stage, client)).status_code == 503


async def test_not_for_a_session_that_was_refused_before(stage: Stage):
    """Its record is gone: deleted, lost by the store, or sealed with a key that went."""
    client = await known(stage)
    [(key, record)] = [found async for found in stage.store.scan("grant/")]
    assert await stage.store.swap(key, record.version, None, 0)
    stage.clock.advance(DELAY)
    assert (await call(stage, client)).status_code == 401
    stage.store.broken = VERBS
    assert (await call(stage, client)).status_code == 503


async def test_not_for_a_session_that_ended_in_this_process(stage: Stage):
    client = await known(stage)
    await client.revoke()
    stage.store.broken = VERBS
    assert (await call(stage, client)).status_code == 503
    stage.store.broken = set()
    assert (await call(stage, client)).status_code == 401


async def test_not_for_one_that_changed_in_this_process(stage: Stage):
    client = await known(stage)
    token = client.tokens
    await client.refresh()
    client.tokens = token
    stage.store.broken = VERBS
    assert (await call(stage, client)).status_code == 503


async def test_not_for_one_that_a_later_release_has_changed(stage: Stage):
    """The store answers; only this process cannot read what is there."""
    client = await known(stage)
    records = stage.auth._built.records
    (key,) = [key async for key, _ in stage.store.scan("grant/")]
    content, version = await records.get(key)
    assert await records.swap(key, version, {**content, "format": 1_000_000}, 600)
    stage.clock.advance(DELAY)
    assert (await call(stage, client)).status_code == 503
    assert (await stage.http.get(f"{BASE}/readyz")).json()["status"] == "ok"


async def test_not_when_the_clock_was_set_back(stage: Stage):
    client = await known(stage)
    stage.store.broken = VERBS
    stage.clock.advance(-3600)
    assert (await call(stage, client)).status_code == 503


async def test_a_session_that_the_provider_ended_does_not_go_on_because_that_cannot_be_written_down(staged: SetStage):
    """The refusal is known; only that the grant has ended cannot be kept."""
    stage = await staged(store_outage_seconds=OUTAGE, token_expiry_threshold_seconds=3000)
    client = await known(stage)
    stage.provider.faults.error("token", "invalid_grant", times=None)
    stage.clock.advance(1000)
    seen = []
    ask = stage.auth._built.hall.renewal._ask_upstream

    async def ask_and_lose_the_store(grant: object) -> object:
        seen.append(grant)
        stage.store.broken = VERBS
        return await ask(grant)

    stage.auth._built.hall.renewal._ask_upstream = ask_and_lose_the_store
    assert (await call(stage, client)).status_code == 503
    assert len(seen) == 1
    stage.auth._built.hall.renewal._ask_upstream = ask
    stage.store.broken = set()
    stage.clock.advance(60)
    assert (await call(stage, client)).status_code == 401


async def test_a_renewal_that_the_store_cannot_take_keeps_nobody_waiting_and_is_not_lost(stage: Stage):
    """The provider rotates: what it answered is all there is, and it is not asked again."""
    client = await stage.signed_in()
    stage.clock.advance(3500)
    await client.refresh()
    stage.clock.advance(200)
    renewal, store = stage.auth._built.hall.renewal, stage.store
    ask, before = renewal._ask_upstream, len(stage.provider.requests_to("token"))

    async def ask_and_lose_the_store(grant: object) -> object:
        answer = await ask(grant)
        store.broken = {"put_new", "swap"}
        return answer

    renewal._ask_upstream = ask_and_lose_the_store
    began = stage.clock.now()
    assert (await call(stage, client)).status_code == 503
    assert stage.clock.now() - began < DELAY
    store.broken = set()
    answer = await call(stage, client)
    assert answer.status_code == 200
    assert len(stage.provider.requests_to("token")) == before + 1


@pytest.mark.parametrize("outage", [0, OUTAGE])
async def test_a_store_that_can_be_read_only_stops_no_call_whose_provider_is_to_be_asked_early(staged: SetStage, outage: int):
    stage = await staged(store_outage_seconds=outage, token_expiry_threshold_seconds=3000)
    client = await stage.signed_in()
    stage.clock.advance(1000)
    stage.store.broken = {"put_new", "swap"}
    before = len(stage.provider.requests_to("token"))
    assert (await call(stage, client)).status_code == 200
    assert len(stage.provider.requests_to("token")) == before, "what it answers could not be kept"
    stage.clock.advance(2600)
    assert (await call(stage, client)).status_code in (401, 503), "the provider's token has ended"


async def test_a_process_cut_off_from_the_store_notices_an_end_after_the_sum_at_the_latest(stage: Stage, staged: SetStage):
    cut_off = await staged(at=stage.provider, store=stage.store.inner, store_outage_seconds=OUTAGE)
    client = await known(stage)
    assert (await call(cut_off, client)).status_code == 200
    cut_off.store.broken = VERBS
    await client.revoke()
    stage.clock.advance(DELAY + OUTAGE - 0.1)
    assert (await call(cut_off, client)).status_code == 200
    stage.clock.advance(0.1)
    assert (await call(cut_off, client)).status_code == 503


async def test_a_reload_keeps_a_sign_in_that_the_store_could_not_take(stage: Stage):
    """The provider's code is spent by then, so nobody but this process can complete it."""
    client = await stage.registered()
    attempt = client.start()
    url = await client.user.visit(attempt.url, stage.callback)
    stage.store.broken = {"put_new"}
    assert (await client.user.browser.get(url)).status_code == 503
    assert (await client.user.browser.get(url)).status_code == 503
    stage.store.broken = set()
    code = client.finish(attempt, await client.user.visit(url, client.redirect_uri))
    assert len(stage.provider.requests_to("token")) == 1
    assert (await client.exchange(code, attempt))["access_token"]


async def test_a_reload_completes_a_sign_in_whose_writing_was_never_confirmed(stage: Stage, clock: FakeClock):
    client = await stage.registered()
    attempt = client.start()
    url = await client.user.visit(attempt.url, stage.callback)
    write = stage.store.inner.put_new

    async def lose(*arguments: object) -> bool:
        await write(*arguments)
        stage.store.broken = {"put_new"}
        await stage.store.before("put_new", "")
        return True

    stage.store.inner.put_new = lose
    assert (await client.user.browser.get(url)).status_code == 503
    stage.store.inner.put_new, stage.store.broken = write, set()
    code = client.finish(attempt, await client.user.visit(url, client.redirect_uri))
    assert (await client.exchange(code, attempt))["access_token"]


async def test_the_providers_code_is_not_spent_on_a_store_that_does_not_answer(stage: Stage):
    client = await stage.registered()
    url = await client.user.visit(client.start().url, stage.callback)
    stage.store.broken = VERBS
    assert (await client.user.browser.get(url)).status_code == 503
    assert stage.provider.requests_to("token") == []
