"""``/healthz`` and ``/readyz``: true about each dependency, cheap for us, and silent about everything else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, PUBLIC, FaultyStore, KnownProxy, Stage
from tests.outages.scene import call

from vestibule import OIDCConfiguration, reasons
from vestibule.errors import Unavailable
from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

VERBS = {"get", "put_new", "swap"}
READYZ = f"{BASE}/readyz"


async def readyz(stage: Stage) -> tuple[int, dict[str, Any]]:
    answer = await stage.http.get(f"{stage.base_url}/readyz")
    assert answer.headers["cache-control"] == "no-store"
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    return answer.status_code, answer.json()


async def test_everything_works(stage: Stage):
    await stage.signed_in()
    assert await readyz(stage) == (
        200,
        {
            "status": "ok",
            "store": {"reading": {"status": "ok"}, "writing": {"status": "ok"}},
            "provider": {"status": "ok", "discovered": True, "answered": "2027-01-15T08:00:00Z"},
            "keys": {"status": "ok", "unreadable_records": 0},
        },
    )


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_head_and_any_host_and_no_other_method(stage: Stage, path: str):
    for host in ("10.0.0.7:8000", "mcp.example.com"):
        assert (await stage.http.head(BASE + path, headers={"host": host})).status_code == 200
    assert (await stage.http.post(BASE + path)).status_code == 405


async def test_they_hang_below_the_public_url(staged: SetStage):
    stage = await staged(base_url=f"{PUBLIC}/notes")
    for path in ("/healthz", "/readyz"):
        assert (await stage.http.get(f"{PUBLIC}/notes{path}")).status_code == 200
        assert (await stage.http.get(PUBLIC + path)).status_code == 404


async def test_the_process_answers_whatever_else_does_not(stage: Stage):
    stage.store.broken = VERBS
    stage.provider.faults.fail(times=None)
    answer = await stage.http.get(f"{BASE}/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


# --- the store --------------------------------------------------------------------------------------------------------------------


async def test_a_store_that_cannot_be_read(stage: Stage):
    stage.store.broken = VERBS
    status, report = await readyz(stage)
    failing = {"status": "failing", "since": "2027-01-15T08:00:00Z", "reason": "store_unavailable"}
    assert (status, report["status"], report["store"]["reading"]) == (503, "unready", failing)
    assert "out of order" not in json.dumps(report)
    stage.clock.advance(3600)
    assert (await readyz(stage))[1]["store"]["reading"] == failing, "since when it fails, not when it was looked at"
    stage.store.broken = set()
    stage.clock.advance(1)
    assert (await readyz(stage))[0] == 200


async def test_nothing_is_written_for_anybody_who_asks(stage: Stage):
    for _ in range(100):
        assert (await readyz(stage))[1]["store"]["writing"] == {"status": "untried"}
        stage.clock.advance(10)
    assert set(stage.store.calls) == {"get"}


async def test_that_reading_works_does_not_hide_that_writing_does_not(stage: Stage):
    client = await stage.signed_in()
    stage.store.broken = {"put_new", "swap"}
    with pytest.raises(AssertionError, match="503"):
        await client.refresh()
    status, report = await readyz(stage)
    assert (status, report["store"]["reading"]["status"], report["store"]["writing"]["status"]) == (503, "ok", "failing")
    stage.clock.advance(60)
    assert (await readyz(stage))[1]["store"]["writing"]["since"] == "2027-01-15T08:00:00Z"


async def test_it_finds_out_that_writing_works_again_with_one_small_write_in_a_while(stage: Stage):
    client = await stage.signed_in()
    stage.store.broken = {"put_new", "swap"}
    with pytest.raises(AssertionError, match="503"):
        await client.refresh()
    stage.store.calls.clear()
    for _ in range(50):
        await readyz(stage)
        stage.clock.advance(1)
    assert stage.store.calls.count("put_new") == 10
    assert "swap" not in stage.store.calls
    stage.store.broken = set()
    stage.clock.advance(5)
    assert (await readyz(stage))[0] == 200
    assert [key async for key, _ in stage.store.scan("probe/")] == ["probe/readyz"]
    stage.store.calls.clear()
    stage.clock.advance(60)
    assert (await readyz(stage))[0] == 200
    assert stage.store.calls == ["get"]
    assert [key async for key, _ in stage.store.scan("probe/")] == []


async def test_many_who_ask_cost_no_more_than_one(stage: Stage):
    http = stage.http
    answers = await asyncio.gather(*(http.get(READYZ) for _ in range(500)))
    assert {answer.status_code for answer in answers} == {200}
    assert stage.store.calls == ["get"]
    assert len(stage.provider.requests) == 1
    stage.clock.advance(0.9)
    await readyz(stage)
    assert stage.store.calls == ["get"]
    stage.clock.advance(0.1)
    await readyz(stage)
    assert stage.store.calls == ["get", "get"]


class SilentStore(FaultyStore):
    """Says nothing until it is told to."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(MemoryStore(clock))
        self.speaks = asyncio.Event()
        self.speaks.set()

    async def before(self, verb: str, key: str) -> None:
        await super().before(verb, key)
        await self.speaks.wait()


async def test_a_store_that_says_nothing_is_reported_before_whoever_asks_gives_up(staged: SetStage, clock: FakeClock):
    store = SilentStore(clock)
    stage = await staged(store=store)
    store.speaks.clear()
    answers = await asyncio.wait_for(asyncio.gather(*(readyz(stage) for _ in range(20))), 20)
    assert {(status, report["store"]["reading"]["status"]) for status, report in answers} == {(503, "failing")}
    assert store.calls == ["get"]
    store.speaks.set()
    clock.advance(1)
    assert (await readyz(stage))[0] == 200


# --- the provider -----------------------------------------------------------------------------------------------------------------


async def test_a_provider_that_is_away_takes_no_process_away(stage: Stage):
    client = await stage.signed_in()
    stage.provider.faults.fail(times=None)
    stage.clock.advance(10)
    status, report = await readyz(stage)
    assert (status, report["status"]) == (200, "degraded")
    assert report["provider"] == {
        "status": "failing",
        "since": "2027-01-15T08:00:10Z",
        "reason": "upstream_unavailable",
        "discovered": True,
        "answered": "2027-01-15T08:00:00Z",
    }
    assert (await call(stage, client)).status_code == 200
    stage.provider.faults.clear()
    stage.clock.advance(10)
    assert (await readyz(stage))[1]["status"] == "ok"


async def test_the_provider_is_asked_once_in_a_while_and_only_if_nobody_talked_to_it(stage: Stage):
    for _ in range(30):
        await readyz(stage)
        stage.clock.advance(1)
    assert [request.endpoint for request in stage.provider.requests] == ["jwks"] * 3
    await stage.signed_in()
    stage.provider.requests.clear()
    stage.clock.advance(9)
    assert (await readyz(stage))[1]["provider"]["status"] == "ok"
    assert stage.provider.requests == []


async def test_one_that_does_not_answer_is_not_asked_more_often(stage: Stage):
    stage.provider.faults.fail(times=None)
    for _ in range(30):
        assert (await readyz(stage))[1]["provider"]["status"] == "failing"
        stage.clock.advance(1)
    assert len(stage.provider.requests) == 3


class LateProxy(KnownProxy):
    """A bridge whose provider does not answer at first."""

    is_there = False

    def get_oidc_configuration(self, *asked: object) -> OIDCConfiguration:
        if not self.is_there:
            raise Unavailable(reasons.UPSTREAM_UNAVAILABLE, "login.internal: refused")
        return super().get_oidc_configuration(*asked)


async def test_a_provider_that_was_never_discovered(staged: SetStage):
    stage = await staged(bridge=LateProxy)
    status, report = await readyz(stage)
    assert (status, report["status"], report["provider"]["discovered"]) == (200, "degraded", False)
    stage.auth.is_there = True
    stage.clock.advance(10)
    status, report = await readyz(stage)
    assert (status, report["status"], report["provider"]["discovered"]) == (200, "ok", True)
