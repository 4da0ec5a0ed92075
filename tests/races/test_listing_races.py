"""A user's list of sessions, whatever happens at the same time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.races.house import KEY, House, at_once, house_that_waits
from tests.races.processes import Street, street
from tests.races.test_kill import MOST_STEPS, Login, call

from vestibule.clock import SystemClock
from vestibule.grants.listing import Listing
from vestibule.grants.model import Grant
from vestibule.grants.store import Grants
from vestibule.grants.user_index import UserIndex
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.locate import open_store
from vestibule.storage.sealed import SealedRecords
from vestibule.testing import ScriptedUser

pytestmark = pytest.mark.anyio

SEEDS = range(6)


async def listed(house: House, user: str = "alice") -> set[str]:
    return {grant.id for grant in await house.proxy.hall.listing.of_user(user)}


async def stored(house: House) -> set[str]:
    records = house.proxy.hall.grants._records
    return {record["id"] async for record in records.scan("grant/") if not record["ended"]}


@pytest.mark.parametrize("seed", SEEDS)
async def test_of_parallel_sign_ins_of_one_user_each_is_listed(seed):
    house = house_that_waits(seed)
    await at_once(*(house.signed_in() for _ in range(8)))
    assert len(await listed(house)) == 8
    assert await listed(house) == await stored(house)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_reading_in_the_middle_of_a_sign_in_forgets_nothing(seed):
    """The entry is there before its grant; whoever reads between the two must not take it for a dead one."""
    house = house_that_waits(seed)
    await house.signed_in()

    async def read_on() -> None:
        for _ in range(30):
            await listed(house)

    await at_once(house.signed_in(), house.signed_in(), read_on(), read_on())
    assert await listed(house) == await stored(house)
    assert len(await listed(house)) == 3


@pytest.mark.parametrize("seed", SEEDS)
async def test_parallel_sign_ins_at_the_cap_stay_below_it(seed):
    house = house_that_waits(seed)
    await house.signed_in()
    hall = house.proxy.hall
    [pattern] = await hall.listing.of_user("alice")
    small = Listing(
        hall.grants,
        hall.listing._index,
        hall.clock,
        end=lambda grant_id, reason: house.proxy.end_grant(grant_id, reason=reason),
        most=5,
    )

    async def sign_in(number: int) -> None:
        grant = replace(pattern, id=f"{number:022}", created_at=pattern.created_at + number, listed=None)
        assert await hall.grants.create(await small.add(grant))

    await at_once(*(sign_in(number) for number in range(1, 13)))
    assert len(await small.of_user("alice")) == 5
    assert await listed(house) == await stored(house)
    assert pattern.id not in await listed(house), "the oldest went first"


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_session_that_ends_amid_a_note_of_its_use_stays_ended(seed):
    house = house_that_waits(seed, access_token_seconds=86_400, options={"access_token_expiry_seconds": 86_400})
    client = await house.signed_in()
    token = client.tokens["access_token"]
    await house.call(token)
    house.clock.advance(3601)
    await at_once(*(house.call(token) for _ in range(5)), house.revoke(client, token), *(house.call(token) for _ in range(5)))
    assert (await house.call(token)).status == 401
    assert await listed(house) == set()


# --- processes ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Street]:
    with street(tmp_path, servers=1, access_token_seconds=3600) as made:
        yield made
        await made.http.aclose()


async def _nothing(grant_id: str, reason: object) -> None:
    raise AssertionError("nothing is to be ended here")


async def beside(street: Street) -> tuple[list[Grant], set[str]]:
    """What alice's list tells, and which living grants there are, read beside the servers."""
    database = street.database or f"sqlite:///{street.folder / 'state' / 'state.sqlite3'}"
    store = open_store(database, namespace="", public_url="")
    keyring, clock = KeyRing.from_secrets(KEY), SystemClock()
    records = SealedRecords(store, Sealer(keyring))
    index = UserIndex(records, keyring, clock, issuer=street.base_url, life=30 * 86_400)
    listing = Listing(Grants(records, clock), index, clock, end=_nothing)
    try:
        told = await listing.of_user("alice")
        return told, {record["id"] async for record in records.scan("grant/") if not record["ended"]}
    finally:
        await store.aclose()


@pytest.mark.skipif(os.name != "posix", reason="needs fork and kill -9")
async def test_killed_anywhere_in_a_login_every_session_is_listed(one):
    """kill -9 between the list and the grant leaves an entry without a grant, never a grant without an entry."""
    dangling = 0
    async with await one.client() as client:
        for step in range(1, MOST_STEPS):
            one.start(one.ports[0], die_at=step)
            login = Login(one, client)
            done = await login.run()
            told, living = await beside(one)
            assert living <= {grant.id for grant in told}, f"killed at step {step}: a session is listed nowhere"
            if not login.killed:
                break
            dangling += not done
            if not done:
                assert await Login(one, client).run()
            assert (await call(one, client)).status_code == 200
        assert done
        assert dangling, "some deaths left a login unfinished"
        assert step > 17, "two steps more than without the list"


async def test_two_users_at_once_have_lists_of_their_own():
    house = house_that_waits(3)
    house.idp.auto_approve_as = None
    users = ["alice", "bob"] * 3
    await asyncio.gather(*(house.signed_in(user=ScriptedUser(name, apps=house.apps)) for name in users))
    assert len(await listed(house)) == len(await listed(house, "bob")) == 3
    assert not await listed(house) & await listed(house, "bob")
