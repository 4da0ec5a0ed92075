"""A provider's answer that cannot be judged yet ends no session and loses no refresh token (promise 5)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.races import house as houses
from tests.races.house import House

pytestmark = pytest.mark.anyio

MINUTE = 60


@pytest.mark.parametrize("signs", ["both", "access token"])
async def test_a_new_key_that_is_not_published_yet_ends_nothing(monkeypatch, signs):
    """Providers publish their keys through caches: a token can be signed with one before everybody can see it."""
    house = House(access_token_seconds=MINUTE)
    client = await house.signed_in()
    keys = house.idp._world.keys
    stale = keys.jwks()
    house.idp.faults.rotate_key()
    if signs == "access token":
        house.idp.faults.no_id_token()
    with monkeypatch.context() as lagging:
        lagging.setattr(keys, "jwks", lambda: stale)
        house.clock.advance(MINUTE + 1)
        assert (await house.call(client.tokens["access_token"])).status in (502, 503)
    house.clock.advance(31)
    assert (await house.call(client.tokens["access_token"])).status == 200
    assert (await house.refresh(client, client.tokens["refresh_token"])).status == 200


class ByIDToken(houses.NearProxy):
    def __init__(self, **options: Any) -> None:
        super().__init__(verify_id_token=True, **options)


async def test_a_renewal_without_an_id_token_goes_on_where_the_id_token_is_what_is_verified(monkeypatch):
    """OIDC Core §12.2 lets a provider leave it out. The rotated refresh token was dropped too, so that the next try looked like theft."""
    monkeypatch.setattr(houses, "NearProxy", ByIDToken)
    house = House(access_token_seconds=MINUTE)
    client = await house.signed_in()
    house.idp.faults.no_id_token(times=2)
    for _ in range(3):
        house.clock.advance(MINUTE + 1)
        assert (await house.call(client.tokens["access_token"])).status == 200
