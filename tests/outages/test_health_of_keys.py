"""``/readyz`` about the keys, and about the notices of other processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import Stage
from tests.outages.scene import call
from tests.outages.test_health import readyz

from vestibule.keys.key_file import KeyFile
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio


async def test_records_that_do_not_open_are_counted(staged: SetStage):
    stage = await staged()
    client = await stage.signed_in()
    other = await staged(
        store=stage.store, at=stage.provider, jwt_signing_key=["another key that is long enough for this server"]
    )
    key = next(iter([key async for key, _ in stage.store.scan("grant/")]))
    await other.auth._built.records.get(key)
    assert (await readyz(other))[1]["keys"] == {"status": "ok", "unreadable_records": 1}
    assert (await readyz(other))[1]["status"] == "ok"
    assert (await call(stage, client)).status_code == 200


@pytest.mark.parametrize("damage", [None, "{"])
async def test_a_key_file_that_cannot_be_read_anew(staged: SetStage, clock: FakeClock, tmp_path: Path, damage: str | None):
    """The keys of before go on, so the process is ready; but it would miss the next key, and that must not be found out by then."""
    path = tmp_path / "keys.json"
    KeyFile(path).create(clock.now())
    whole = path.read_bytes()
    stage = await staged(jwt_signing_key=path)
    assert (await readyz(stage))[1]["keys"]["status"] == "ok"
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage)
    clock.advance(6)
    status, report = await readyz(stage)
    assert (status, report["status"]) == (200, "degraded")
    assert report["keys"] == {"status": "failing", "reason": "key_file", "unreadable_records": 0}
    path.write_bytes(whole)
    path.chmod(0o600)
    clock.advance(6)
    assert (await readyz(stage))[1]["keys"]["status"] == "ok"


async def test_whether_notices_of_other_processes_arrive(stage: Stage):
    hears: list[bool | None] = [True]
    stage.auth._built.readiness.hears = lambda: hears[0]
    assert (await readyz(stage))[1]["channel"] == {"status": "ok"}
    hears[0] = False
    status, report = await readyz(stage)
    assert (status, report["status"], report["channel"]) == (200, "degraded", {"status": "failing"})


async def test_a_channel_that_nobody_listens_to_yet_is_not_said_to_work(stage: Stage):
    stage.auth._built.readiness.hears = lambda: None
    status, report = await readyz(stage)
    assert (status, report["status"], report["channel"]) == (200, "ok", {"status": "untried"})
