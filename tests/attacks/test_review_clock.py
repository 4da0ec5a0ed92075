"""A clock that is set back (by time synchronisation, by a virtual machine that wakes up) stretches no promise."""

from __future__ import annotations

import pytest
from tests.races.house import House

from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

HOUR = 3600


@pytest.mark.spec("RV-05")
async def test_a_revocation_elsewhere_is_noticed_in_time_although_the_clock_went_back():
    """What was remembered as good "until five past" would otherwise be good for the hour that comes twice."""
    here = House()
    there = House(store=here.store, clock=here.clock, provider=here.idp)
    client = await here.signed_in()
    token = client.tokens["access_token"]
    for _ in range(2):  # the first call writes down that the token is in use; the second one's answer is remembered
        assert (await here.call(token)).status == 200
    here.clock.advance(-HOUR)
    assert (await there.revoke(client, client.tokens["refresh_token"])).status == 200
    here.clock.advance(6)
    assert (await here.call(token)).status == 401


@pytest.mark.spec("AT-02")
@pytest.mark.parametrize("behind", [1, 20])
async def test_a_token_of_a_machine_whose_clock_is_ahead_is_good_at_once(behind):
    """Two machines on one store: what one has just issued must not be "not valid yet" at the other, which clients take for final."""
    one = House()
    two = House(store=one.store, clock=FakeClock(one.clock.now() - behind), provider=one.idp)
    client = await one.signed_in()
    assert (await two.call(client.tokens["access_token"])).status == 200


async def test_a_token_from_further_in_the_future_is_refused():
    one = House()
    two = House(store=one.store, clock=FakeClock(one.clock.now() - HOUR), provider=one.idp)
    client = await one.signed_in()
    assert (await two.call(client.tokens["access_token"])).status == 401


async def test_a_token_ends_on_the_second():
    house = House()
    client = await house.signed_in()
    house.clock.advance(client.tokens["expires_in"] - 1)
    assert (await house.call(client.tokens["access_token"])).status == 200
    house.clock.advance(1)
    assert (await house.call(client.tokens["access_token"])).status == 401
