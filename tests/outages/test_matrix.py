"""Each trouble of each store, and everything that users do: who goes on, who is told to come back, and that nobody is taken for a thief."""

from __future__ import annotations

import asyncio
import json
import logging
from itertools import product

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.outages.matrix import ANEW, GOES_ON, LATER, LOG, STORE, STORE_ACTIONS
from tests.outages.places import Place, shows
from tests.outages.scene import Scene, call, succeeded
from tests.stores.trouble import recovered

pytestmark = [pytest.mark.anyio, pytest.mark.spec("RF-03", "AZ-29", "RS-30")]

FAILED_OVER = "failed over, what is newer than its copy"
DELAY = 5
TOO_FEW = "the server has too few replicas and cannot be written"


def assert_outcome(action: str, expected: str, answer: httpx2.Response) -> None:
    match expected:
        case "goes on":
            assert succeeded(action, answer), (action, answer.status_code, answer.text)
        case "503":
            assert answer.status_code == 503, (action, answer.status_code, answer.text)
            assert 1 <= int(answer.headers["retry-after"]) <= 30
            assert "store_unavailable" in answer.text
            assert action == "callback" or answer.json()["error"] == "temporarily_unavailable"
        case _:
            is_call = action not in ("refresh", "redeem")
            error = answer.json()["error"]
            assert (answer.status_code, error) == ((401, "invalid_token") if is_call else (400, "invalid_grant")), action


def readiness(expected: dict[str, str]) -> str:
    """What ``/readyz`` says while users see this."""
    return "unready" if LATER in expected.values() else "ok"


CASES = [*product(["sqlite", "redis", "postgres"], STORE), ("redis", "too few replicas")]


@pytest.mark.parametrize(("place", "trouble"), CASES, indirect=["place"])
async def test_everybody_sees_what_the_table_says(
    place: Place, trouble: str, staged: SetStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vestibule.storage")
    expected = STORE.get(trouble, STORE["read-only"])
    stage = await staged(store=place.store)
    lenient = await staged(store=place.store, at=stage.provider, store_outage_seconds=60)
    constant = await stage.signed_in()
    if trouble == FAILED_OVER:
        early = await stage.signed_in()
        await place.copy()
    scene = await Scene.set(stage, lenient)
    if trouble == FAILED_OVER:
        scene.clients["refresh"] = early
    await scene.rotate()
    await scene.verify()
    stage.events.clear()

    caplog.clear()
    await place.begin(trouble)
    assert_outcome("just_verified", expected["just_verified"], await scene.act("just_verified"))
    if readiness(expected) == "unready":
        await shows(place.store)
    stage.clock.advance(DELAY)
    actions = [action for action in STORE_ACTIONS if action != "just_verified"]
    for action, answer in zip(actions, await asyncio.gather(*map(scene.act, actions)), strict=True):
        assert_outcome(action, expected[action], answer)
    assert {"reused", "revoked"}.isdisjoint(stage.names())
    await assert_readiness(stage, readiness(expected))
    assert_told(caplog, LOG.get(trouble, {}).get(place.kind, TOO_FEW if trouble == "too few replicas" else None))

    await place.end()
    await recovered(place.store, 100)
    stage.clock.advance(DELAY)
    for action in actions:
        await assert_recovered(scene, action, expected[action])
    await assert_readiness(stage, "ok")
    assert "reused" not in stage.names()
    assert stage.names().count("revoked") == (expected["revoke"] == LATER)
    if trouble != "restarted empty":
        assert (await call(stage, constant)).status_code == 200
        assert (await constant.refresh())["access_token"]


_SAME = {"the disk reports an error": "the disk is full"}
"""What the system says of a limit on the size of files, which is how these tests make a disk full."""


def assert_told(caplog: pytest.LogCaptureFixture, expected: str | None) -> None:
    """The log says what is wrong, each thing once."""
    told = [record.message.partition(">: ")[2] for record in caplog.records if record.levelno == logging.ERROR]
    told = [_SAME.get(text, text) for text in told]
    assert (expected in told) if expected else told == []
    assert len(told) == len(set(told))


async def assert_recovered(scene: Scene, action: str, during: str) -> None:
    """The same client goes on without a restart of anything, or signs in anew where its record is lost."""
    client = scene.clients[action]
    if during == ANEW:
        await client.login()
        assert (await call(scene.stage, client)).status_code == 200
    elif during == LATER or action in ("verified", "unseen", "carried"):
        again = await scene.act(action)
        assert_outcome(action, GOES_ON, again)
        if action in ("refresh", "redeem"):
            client.tokens = again.json()
            assert (await call(scene.stage, client)).status_code == 200


async def assert_readiness(stage, status: str) -> None:
    answer = await stage.http.get(f"{stage.base_url}/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503 if status == "unready" else 200, status), answer.text
    assert ("retry-after" in answer.headers) == (status == "unready")
    assert "127.0.0.1" not in json.dumps(answer.json())
