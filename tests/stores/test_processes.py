"""Several processes on one server: exactly one wins, and a session does not notice which of them it is with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.races.house import at_once
from tests.races.processes import street
from tests.races.store_worker import KEYS
from tests.races.test_store_races import ATTEMPTS, answer, compete, worker
from tests.stores.servers import Server

from vestibule.storage.locate import open_store
from vestibule.storage.protocol import Store

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name != "posix", reason="needs fork and kill -9")]

SOON = 60  # seconds that the provider's access tokens live


@pytest.fixture(params=["redis", "postgres"])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(f"{request.param}_server")


async def emptied(url: str) -> Store:
    store = open_store(url, namespace="", public_url="")
    async for key, record in store.scan(""):
        await store.swap(key, record.version, None, 0)
    return store


@pytest.mark.spec("TK-11", "RF-08", "TK-28")
async def test_of_four_processes_one_creates_and_one_swaps(server) -> None:
    for _ in range(ATTEMPTS):
        store = await emptied(server.url)
        for number in range(KEYS):
            await store.put_new(f"swap/{number}", b"first", 600)
        met = compete(server.url)
        await store.aclose()
        if met:
            return
    pytest.fail("the processes never ran at the same time")


@pytest.mark.spec("TK-11", "RF-08", "PX-13", "RV-05")
async def test_a_session_begun_at_one_server_goes_on_at_the_other(server, tmp_path: Path) -> None:
    await (await emptied(server.url)).aclose()
    with street(tmp_path, servers=2, access_token_seconds=SOON, database=server.url) as two:
        first, second = two.ports
        async with await two.client() as client:
            attempt = client.start()
            code = client.finish(attempt, await client.user.visit(attempt.url, client.redirect_uri))
            form = {"client_id": client.registration["client_id"]}
            redemption = form | {"grant_type": "authorization_code", "code": code, "code_verifier": attempt.verifier}
            answers = await at_once(*(two.post(port, "/token", redemption) for port in (second, first) * 5))
            [won] = [each.json() for each in answers if each.status_code == 200]
            assert {each.status_code for each in answers if each.status_code != 200} == {400}
            assert (await two.call(first, won["access_token"])).status_code == 200

            two.advance(SOON + 1)
            refresh = form | {"grant_type": "refresh_token", "refresh_token": won["refresh_token"]}
            answers = await at_once(*(two.post(port, "/token", refresh) for port in (first, second) * 10))
            assert {each.status_code for each in answers} == {200}
            assert len({each.json()["refresh_token"] for each in answers}) == 1
            assert two.upstream_refreshes == 1

            newest = answers[0].json()
            server.kill()
            unseen = form | {"grant_type": "refresh_token", "refresh_token": newest["refresh_token"]}
            away = await two.post(second, "/token", unseen)
            assert (away.status_code, away.json()["error"]) == (503, "temporarily_unavailable")
            assert int(away.headers["retry-after"]) > 0
            server.start()
            two.kill(first)
            again = await two.post(second, "/token", unseen)
            assert again.status_code == 200
            assert (await two.call(second, again.json()["access_token"])).status_code == 200

            two.start(first)
            assert (await two.post(second, "/revoke", form | {"token": again.json()["refresh_token"]})).status_code == 200
            assert (await two.call(first, again.json()["access_token"])).status_code == 401
        await two.http.aclose()


@pytest.mark.spec("RF-03")
async def test_what_was_answered_survives_kill_9_of_the_store(server) -> None:
    store = await emptied(server.url)
    with worker("count", server.url) as process:
        for _ in range(50):
            told = int(answer(process))
        server.kill()
        assert process.stdout is not None
        told = max([told, *(int(line) for line in process.stdout.read().split("\n")[:-1])])
    server.start()
    record = await store.get("count")
    assert record is not None
    assert int(record.value) in (told, told + 1)
    await store.aclose()
