"""Once a revocation was answered nothing of the session works in this process, whatever was under way."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import pytest
from tests.races.house import House, at_once, house_that_waits
from tests.races.stores import GatedStore
from tests.signing import ec_signer
from tests.unit.clients.signing import form

from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

SEEDS = range(8)


@pytest.mark.spec("RV-05", "RS-30")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("due", [False, True])
async def test_after_a_revocation_nothing_works(seed, due):
    house = house_that_waits(seed, access_token_seconds=60 if due else 3600)
    client = await house.signed_in()
    access, refresh = client.tokens["access_token"], client.tokens["refresh_token"]
    assert (await house.call(access)).status == 200
    if due:
        house.clock.advance(61)

    async def revoke_amid() -> list[int]:
        for _ in range(seed):
            await asyncio.sleep(0)
        assert (await house.revoke(client, refresh)).status == 200
        return [(await house.call(access)).status, (await house.refresh(client, refresh)).status]

    *answers, after = await at_once(
        *(house.call(access) for _ in range(10)), *(house.refresh(client, refresh) for _ in range(10)), revoke_amid()
    )
    assert after == [401, 400]
    assert {answer.status for answer in answers} <= {200, 400, 401}
    for answer in answers[10:]:
        if answer.status == 200:
            assert (await house.call(answer.json()["access_token"])).status == 401
            assert (await house.refresh(client, answer.json()["refresh_token"])).error == "invalid_grant"


@pytest.mark.spec("RS-30")
async def test_a_verification_that_read_the_state_of_before_keeps_it_for_nobody():
    """Its answer comes out of the store after the revocation was answered: it may serve that request, and no other."""
    clock = FakeClock()
    store = GatedStore(MemoryStore(clock))
    house = House(store=store, clock=clock)
    client = await house.signed_in()
    token = client.tokens["access_token"]
    store.gate = gate = asyncio.Event()
    slow = asyncio.create_task(house.call(token))
    await store.reached.wait()
    assert (await house.revoke(client, token)).status == 200
    gate.set()
    await slow
    assert (await house.call(token)).status == 401
    assert (await house.call(token)).status == 401


@pytest.mark.spec("RS-30")
async def test_a_second_token_of_the_grant_does_not_bring_the_old_state_back():
    clock = FakeClock()
    store = GatedStore(MemoryStore(clock))
    house = House(store=store, clock=clock)
    client = await house.signed_in()
    tokens = [
        client.tokens["access_token"],
        (await house.refresh(client, client.tokens["refresh_token"])).json()["access_token"],
    ]
    assert (await house.call(tokens[0])).status == 200
    store.gate = gate = asyncio.Event()
    slow = asyncio.create_task(house.call(tokens[1]))
    await store.reached.wait()
    assert (await house.revoke(client, tokens[0])).status == 200
    gate.set()
    await slow
    assert [(await house.call(token)).status for token in tokens] == [401, 401]


@pytest.mark.spec("RV-01", "RV-03")
@pytest.mark.parametrize("seed", SEEDS)
async def test_parallel_revocations_are_one_and_the_provider_hears_it_once(seed):
    house = house_that_waits(seed)
    client = await house.signed_in()
    answers = await at_once(*(house.revoke(client, client.tokens["refresh_token"]) for _ in range(10)))
    assert {answer.status for answer in answers} == {200}
    assert len(house.idp.requests_to("revoke")) == 2  # its refresh token and its access token


@pytest.mark.spec("TK-28")
@pytest.mark.parametrize("seed", SEEDS)
async def test_of_parallel_uses_of_one_assertion_one_counts(seed):
    house = house_that_waits(seed)
    client = await house.client()
    signer = ec_signer()
    await client.register(token_endpoint_auth_method="private_key_jwt", jwks=signer.jwks)
    client_id, now = client.registration["client_id"], int(house.clock.now())
    code, attempt = await house.code(client)
    assertion = signer.sign(
        {"iss": client_id, "sub": client_id, "aud": house.base_url, "iat": now, "exp": now + 60, "jti": uuid4().hex}
    )
    answers = await at_once(*(house.redeem(client, code, attempt, **form(assertion)) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200] + [401] * 19
    assert {json.loads(answer.body)["error"] for answer in answers if answer.status == 401} == {"invalid_client"}
