"""Two users at once, and neither ever gets what is the other's.

fastmcp #3722 (an app's id taken for the user's), CVE-2026-25536 and GHSA-jm63-cq47-j5jp (answers that crossed), fastmcp PR4041 (a
cache shared between users), CVE-2026-110279 and PR4843 (inbound headers reached the provider).
"""

from __future__ import annotations

import json

import pytest
from tests.races.house import House, at_once, whoami
from tests.races.stores import WaitingStore

from vestibule import get_access_token
from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock, ScriptedClient, ScriptedUser

pytestmark = pytest.mark.anyio


async def two_users(house: House) -> tuple[ScriptedClient, ScriptedClient]:
    house.idp.auto_approve_as = None
    alice = await house.signed_in(user=ScriptedUser("alice", apps=house.apps))
    bob = await house.signed_in(user=ScriptedUser("bob", apps=house.apps))
    return alice, bob


@pytest.mark.parametrize("seed", range(3))
async def test_answers_never_cross(seed):
    clock = FakeClock()
    house = House(store=WaitingStore(MemoryStore(clock), seed), clock=clock, access_token_seconds=60)
    alice, bob = await two_users(house)
    for _ in range(3):
        clients = [alice, bob] * 15
        answers = await at_once(*(house.call(client.tokens["access_token"]) for client in clients))
        assert [answer.json()["subject"] for answer in answers] == ["alice", "bob"] * 15
        refreshed = await at_once(*(house.refresh(client, client.tokens["refresh_token"]) for client in (alice, bob)))
        alice.tokens, bob.tokens = (answer.json() for answer in refreshed)
        house.clock.advance(61)  # so that both are renewed upstream in the next round


async def test_what_one_call_does_to_its_claims_no_other_call_sees():
    house = House()
    seen: list[list[str]] = []

    async def rude(scope, receive, send):
        caller = get_access_token()
        assert caller is not None
        seen.append(list(caller.claims["groups"]))
        caller.claims["groups"].append("root")
        caller.scopes.append("admin")
        await whoami(scope, receive, send)

    house.app = house.proxy.protect(rude, "/mcp")
    alice, bob = await two_users(house)
    for client in (alice, alice, bob, alice):
        assert (await house.call(client.tokens["access_token"])).status == 200
    assert all("root" not in groups for groups in seen)
    assert len(seen) == 4


async def test_outside_a_request_there_is_no_caller():
    house = House()
    client = await house.signed_in()
    assert (await house.call(client.tokens["access_token"])).status == 200
    assert get_access_token() is None


@pytest.mark.spec("RS-17", "PX-11")
async def test_nothing_of_a_callers_request_reaches_the_provider():
    house = House(access_token_seconds=60)
    client = await house.signed_in()
    house.clock.advance(61)
    house.idp.requests.clear()
    token = client.tokens["access_token"]
    headers = [
        (b"authorization", f"Bearer {token}".encode()),
        (b"cookie", b"session=of-the-caller"),
        (b"x-api-key", b"of-the-caller"),
        (b"x-forwarded-for", b"of-the-caller"),
    ]
    assert (await house.request("POST", "/mcp", headers=headers, body=b"{}")).status == 200
    sent = json.dumps([[request.headers, request.parameters] for request in house.idp.requests])
    assert house.idp.requests, "the provider was asked"
    assert "of-the-caller" not in sent
    assert token not in sent
    assert client.tokens["refresh_token"] not in sent


@pytest.mark.spec("PX-11")
async def test_no_token_of_the_provider_reaches_the_client():
    house = House()
    client = await house.signed_in()
    upstream: list[str] = []

    async def noting(scope, receive, send):
        caller = get_access_token()
        assert caller is not None
        upstream.append(caller.token)
        await whoami(scope, receive, send)

    house.app = house.proxy.protect(noting, "/mcp")
    await house.call(client.tokens["access_token"])
    refreshed = await house.refresh(client, client.tokens["refresh_token"])
    assert upstream[0]
    assert upstream[0] not in json.dumps(client.tokens) + refreshed.body.decode()
    assert (await house.call(upstream[0])).status == 401
