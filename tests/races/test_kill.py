"""kill -9 between any two steps of a login, a refresh and a revocation: the next attempt works (design, promise 11).

Each test ends the server at its first step, then, from the start again, at its second, and so on until the whole flow comes through.
Steps are the moments before and after every verb of the store and every request to the provider.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx2
import pytest
from tests.flows.stage import query_of
from tests.races.processes import Street, street

from vestibule.grants.lease import LEASE_SECONDS
from vestibule.testing import ScriptedClient

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name != "posix", reason="needs fork and kill -9")]

SOON = 60  # seconds that the provider's access tokens live
MOST_STEPS = 80


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Street]:
    with street(tmp_path, servers=1, access_token_seconds=SOON) as made:
        yield made
        await made.http.aclose()


async def tried(one: Street, request: Callable[[], Awaitable[httpx2.Response]]) -> tuple[httpx2.Response, bool]:
    """The answer; if the server was killed over it, that of the next attempt at a new server, after a dead one's lease has ended."""
    port = one.ports[0]
    try:
        return await request(), False
    except httpx2.TransportError:
        assert one.has_died(port), "only a killed server may break a connection"
    one.start(port)
    one.advance(LEASE_SECONDS + 1)
    return await request(), True


class Login:
    """One login, each of its requests repeated once if the server was killed over it."""

    def __init__(self, one: Street, client: ScriptedClient) -> None:
        self._one = one
        self._client = client
        self.killed = False

    async def run(self) -> bool:
        """Whether it came to a working session; if not, it was refused cleanly."""
        client = self._client
        attempt = client.start()
        url = await client.user.visit(attempt.url, self._one.base_url + "/auth/callback")
        answer = await self._try(lambda: client.user.browser.get(url))
        assert answer.status_code in (303, 403), "back to the client, or a page that says that the login is over"
        code = query_of(answer.headers.get("location", "")).get("code")
        if code is None:
            return False
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": attempt.verifier}
        answer = await self._try(lambda: client.post_form(client.server["token_endpoint"], form))
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
            return False
        client.tokens = answer.json()
        assert (await self._try(lambda: call(self._one, client))).status_code == 200
        return True

    async def _try(self, request: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
        answer, killed = await tried(self._one, request)
        self.killed = self.killed or killed
        return answer


async def call(one: Street, client: ScriptedClient) -> httpx2.Response:
    return await one.call(one.ports[0], client.tokens["access_token"])


async def refresh(client: ScriptedClient, before: Callable[[], object] = lambda: None) -> httpx2.Response:
    before()
    form = {"grant_type": "refresh_token", "refresh_token": client.tokens["refresh_token"]}
    return await client.post_form(client.server["token_endpoint"], form)


def noted(one: Street, asked: list[int]) -> None:
    """Remember how often the provider has been asked so far."""
    asked.append(one.upstream_refreshes)


async def works(one: Street, client: ScriptedClient) -> None:
    """A session that can be used and goes on."""
    assert (await call(one, client)).status_code == 200
    answer = await refresh(client)
    assert answer.status_code == 200
    client.tokens = answer.json()
    assert (await call(one, client)).status_code == 200


async def test_killed_anywhere_in_a_login_the_next_attempt_works(one):
    async with await one.client() as client:
        for step in range(1, MOST_STEPS):
            one.start(one.ports[0], die_at=step)
            login = Login(one, client)
            done = await login.run()
            if not login.killed:
                break
            if not done:
                assert await Login(one, client).run(), f"killed at step {step}: a new login does not work"
            await works(one, client)
        assert done
        assert not login.killed
        assert step > 15, "a login has more steps than that: exchange, keys, grant, code, first use"


@pytest.mark.spec("RF-08")
@pytest.mark.parametrize("provider", ["is not asked", "keeps its refresh token", "rotates its refresh token"])
async def test_killed_anywhere_in_a_refresh_the_session_goes_on(one, provider):
    """Only where the provider has rotated its own token and the answer was lost with the process, the user signs in anew."""
    least = 3 if provider == "is not asked" else 15
    async with await one.client() as client:
        assert await Login(one, client).run()
        for step in range(1, MOST_STEPS):
            if provider != "is not asked":
                one.advance(SOON + 1)
            if provider == "keeps its refresh token":
                one.idp.faults.no_refresh_token()
            asked: list[int] = []
            one.start(one.ports[0], die_at=step)
            answer, killed = await tried(one, partial(refresh, client, partial(noted, one, asked)))
            one.idp.faults.clear()
            if not killed:
                break
            if answer.status_code == 200:
                client.tokens = answer.json()
            else:
                assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
                lost = provider == "rotates its refresh token" and asked[1] > asked[0]
                assert lost, f"killed at step {step}: the session ended for nothing"
                assert await Login(one, client).run()
            assert (await call(one, client)).status_code == 200
        assert answer.status_code == 200
        assert step > least


async def test_killed_anywhere_in_a_call_that_renews_the_session_goes_on(one):
    async with await one.client() as client:
        assert await Login(one, client).run()
        one.idp.faults.no_refresh_token()  # it keeps the old one: no answer that is lost costs anything
        for step in range(1, MOST_STEPS):
            one.advance(SOON + 1)
            one.start(one.ports[0], die_at=step)
            answer, killed = await tried(one, lambda: call(one, client))
            assert answer.status_code == 200
            if not killed:
                break
        one.start(one.ports[0])
        await works(one, client)
        assert step > 10


@pytest.mark.spec("RV-05")
async def test_killed_anywhere_in_a_revocation_the_next_one_ends_the_session(one):
    async with await one.client() as client:
        for step in range(1, MOST_STEPS):
            assert await Login(one, client).run()
            form = {"token": client.tokens["refresh_token"]}
            one.start(one.ports[0], die_at=step)
            answer, killed = await tried(one, partial(client.post_form, client.server["revocation_endpoint"], form))
            assert answer.status_code == 200
            if not killed:
                break
            assert (await call(one, client)).status_code == 401
            assert (await refresh(client)).json()["error"] == "invalid_grant"
        assert step > 5


@pytest.mark.spec("PX-13")
async def test_who_waits_for_a_dead_process_goes_on_when_its_lease_has_ended(one):
    """The process that holds the lease was killed while it asked the provider; the next request waits, then asks itself."""
    async with await one.client() as client:
        assert await Login(one, client).run()
        one.advance(SOON + 1)
        one.idp.faults.slow(3600, "token", times=1)
        stuck = asyncio.create_task(call(one, client))
        while not one.upstream_refreshes:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the provider counts in a thread of its own
        one.start(one.ports[0])
        with pytest.raises(httpx2.TransportError):
            await stuck
        waiting = asyncio.create_task(call(one, client))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done, "the lease is another's"
        assert one.upstream_refreshes == 1
        one.advance(LEASE_SECONDS)
        assert (await waiting).status_code == 200
        assert one.upstream_refreshes == 2
