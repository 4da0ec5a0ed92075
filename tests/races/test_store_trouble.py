"""A store that fails once, at any verb, before it or after it: the request says "not now", and the next attempt works (promise 5).

"After it" is the nasty half: the write has happened and its answer was lost.
"""

from __future__ import annotations

import pytest
from tests.races.house import Answer, House
from tests.races.stores import WrappedStore

from vestibule import reasons
from vestibule.errors import Unavailable
from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("when", ["before", "after"])]

SOON = 60
MOST_STEPS = 60


class StumblingStore(WrappedStore):
    """Fails at one verb.

    Attributes:
        fail_at: how many verbs from now; None: never.
    """

    def __init__(self, store: MemoryStore, when: str) -> None:
        super().__init__(store)
        self.fail_at: int | None = None
        self._when = when

    async def before(self, verb: str, key: str) -> None:
        if self.fail_at is not None:
            self.fail_at -= 1
        self._stumble("before")

    async def after(self, verb: str, key: str) -> None:
        self._stumble("after")

    def _stumble(self, when: str) -> None:
        if self.fail_at == 0 and when == self._when:
            self.fail_at = None
            raise Unavailable(reasons.STORE_UNAVAILABLE, "it stumbled")


@pytest.fixture
def house(when: str) -> House:
    clock = FakeClock()
    return House(store=StumblingStore(MemoryStore(clock), when), clock=clock, access_token_seconds=SOON)


def is_not_now(answer: Answer) -> bool:
    return (answer.status, answer.error) == (503, "temporarily_unavailable") and bool(answer.header("retry-after"))


@pytest.mark.spec("RF-03", "AZ-29")
@pytest.mark.parametrize("due", [False, True])
async def test_a_refresh_that_met_trouble_succeeds_the_next_time(house, due):
    client = await house.signed_in()
    token = client.tokens["refresh_token"]
    for step in range(1, MOST_STEPS):
        if due:
            house.clock.advance(SOON + 1)
        house.store.fail_at = step
        answer = await house.refresh(client, token)
        if house.store.fail_at is not None:
            break
        if answer.status != 200:
            assert is_not_now(answer), (step, answer.body)
            house.clock.advance(31)  # a lease whose release was lost
            answer = await house.refresh(client, token)
            assert answer.status == 200, f"step {step}: the session ended for nothing"
        token = answer.json()["refresh_token"]
        assert (await house.call(answer.json()["access_token"])).status == 200
    assert answer.status == 200
    assert step > (6 if due else 3)


@pytest.mark.spec("RS-30")
async def test_a_call_that_met_trouble_succeeds_the_next_time(house):
    client = await house.signed_in()
    for step in range(1, MOST_STEPS):
        house.clock.advance(SOON + 1)
        house.store.fail_at = step
        answer = await house.call(client.tokens["access_token"])
        if house.store.fail_at is not None:
            break
        if answer.status != 200:
            assert is_not_now(answer), (step, answer.body)
            house.clock.advance(31)
            assert (await house.call(client.tokens["access_token"])).status == 200, f"step {step}"
    assert answer.status == 200
    assert step > 4


@pytest.mark.spec("TK-03", "TK-05")
async def test_a_redemption_that_met_trouble_never_looks_fatal(house, when):
    """Where the code was not spent the next post succeeds; where only the answer was lost, the user signs in anew."""
    client = await house.client()
    for step in range(1, MOST_STEPS):
        code, attempt = await house.code(client)
        house.store.fail_at = step
        answer = await house.redeem(client, code, attempt)
        if house.store.fail_at is not None:
            break
        assert is_not_now(answer)
        again = await house.redeem(client, code, attempt)
        assert again.status == 200 or (when == "after" and again.error == "invalid_grant")
    assert answer.status == 200
    assert step == 3


@pytest.mark.spec("RV-05")
async def test_a_revocation_that_met_trouble_is_not_answered_as_done(house):
    for step in range(1, MOST_STEPS):
        client = await house.signed_in()
        house.store.fail_at = step
        answer = await house.revoke(client, client.tokens["refresh_token"])
        stumbled, house.store.fail_at = house.store.fail_at is None, None
        if answer.status != 200:
            assert is_not_now(answer)
            assert (await house.revoke(client, client.tokens["refresh_token"])).status == 200
        assert (await house.call(client.tokens["access_token"])).status == 401
        if not stumbled:
            break
    assert step > 3
