"""Nothing in the memory of a server grows with what comes in, but for caches that have a bound."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import pytest
from tests.races.house import House, at_once
from tests.races.stores import WrappedStore

from vestibule.grants.verified_tokens import VerifiedTokens
from vestibule.net.cache import TTLCache
from vestibule.net.client import trusted_client
from vestibule.providers.in_memory import InMemoryOAuthProvider
from vestibule.storage.memory import MemoryStore
from vestibule.storage.remote import PerLoop
from vestibule.testing import FakeClock, ScriptedClient, ScriptedUser

CONTAINERS = (dict, list, set, WeakKeyDictionary, WeakSet, WeakValueDictionary)
BOUNDED = {
    TTLCache: "max_size; tests/unit/net/test_cache.py",
    VerifiedTokens: "max_tokens; test_the_guard_remembers_a_bounded_number_of_tokens",
}


class Elsewhere(WrappedStore):
    """A store whose records are in another place than this process."""

    def __init__(self, clock: FakeClock) -> None:
        held = MemoryStore(clock)
        super().__init__(type("Away", (), {"__slots__": (), "__getattr__": lambda _, name: getattr(held, name)})())


def sizes(root: Any, beyond: list[Any]) -> Counter[str]:
    """How many entries the containers hold that can be reached from `root`, by who owns them; not through `beyond`."""
    found: Counter[str] = Counter()
    seen = {id(each) for each in beyond}
    waiting: list[tuple[Any, str]] = [(root, "")]
    while waiting:
        each, owner = waiting.pop()
        if id(each) in seen or isinstance(each, type | ModuleType | asyncio.AbstractEventLoop):
            continue
        seen.add(id(each))
        if isinstance(each, CONTAINERS):
            found[owner] += len(each)
        owner = owner if isinstance(each, CONTAINERS) else type(each).__name__
        if not isinstance(each, tuple(BOUNDED)):
            waiting += [(inner, owner) for inner in referents(each)]
    return found


def referents(each: Any) -> list[Any]:
    """What it refers to; of a function only what it encloses, not the whole of its module."""
    return [each.__closure__, each.__defaults__] if isinstance(each, FunctionType) else gc.get_referents(each)


async def live(house: House, times: int) -> None:
    """Sessions that are opened, used, refreshed, renewed upstream and ended, and strangers at every door."""
    for number in range(times):
        client = await house.signed_in(client_name=f"client {number}")
        first = client.tokens["refresh_token"]
        house.clock.advance(house.access_token_seconds + 1)
        await at_once(*(house.refresh(client, first) for _ in range(3)), house.call(client.tokens["access_token"]))
        await house.call(f"stranger {number}")
        await house.refresh(client, f"vsr_{number}")
        await house.post("/token", grant_type="authorization_code", code=f"vsc_{number}", client_id=f"nobody {number}")
        await house.request("GET", f"/somewhere/{number}")
        await house.request("GET", "/authorize", query=f"client_id=https://client{number}.invalid/a.json".encode())
        if number % 2:
            await house.revoke(client, first)
        await client.aclose()


@pytest.mark.anyio
async def test_what_a_server_remembers_does_not_grow_with_what_comes_in():
    clock = FakeClock()
    house = House(store=Elsewhere(clock), clock=clock, access_token_seconds=60, options={"enable_cimd": True})
    beyond = [house.idp, house.idp.app, house.clock]
    await live(house, 10)
    before = sizes(house.app, beyond)
    await live(house, 10)
    after = sizes(house.app, beyond)
    assert {owner: (before[owner], count) for owner, count in after.items() if count > before[owner] + 5} == {}


def test_growth_anywhere_behind_a_server_would_be_seen():
    house = House()
    before = sizes(house.app, [])
    hall = house.proxy._built.hall
    for part in (house.proxy, hall, hall.grants, hall.renewal, hall.authenticator, hall.upstream, house.proxy._built.directory):
        part.forgotten = list(range(100))
        assert sizes(house.app, [])[type(part).__name__] >= before[type(part).__name__] + 100, part
        del part.forgotten


@pytest.mark.anyio
async def test_the_guard_remembers_a_bounded_number_of_tokens():
    house = House()
    known = house.proxy._built.sessions._known
    known._max_tokens = 8
    for _ in range(12):
        client = await house.signed_in()
        assert (await house.call(client.tokens["access_token"])).status == 200
    assert len(known._tokens) == len(known._sessions) == 8


@pytest.mark.anyio
async def test_a_provider_in_memory_forgets_those_who_only_come_to_the_door(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vestibule.providers.in_memory._MAX_SECRETS", 20)
    provider = InMemoryOAuthProvider(clock=FakeClock())
    apps = {"http://127.0.0.1:8000": provider.protect(lambda *_: None)}
    async with ScriptedClient("http://127.0.0.1:8000/mcp", user=ScriptedUser(apps=apps), apps=apps) as client:
        await client.discover()
        await client.register()
        before = sizes(provider, [])
        for _ in range(50):
            await client.user.visit(client.start().url, client.redirect_uri)
        assert sizes(provider, [])["OrderedDict"] <= before["OrderedDict"] + 20


class Client:
    """Refers to the event loop that it was made in, as clients of servers do."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()


def ended_loops() -> Iterator[asyncio.Runner]:
    for _ in range(5):
        with asyncio.Runner() as runner:
            yield runner


def test_a_store_keeps_no_client_of_an_event_loop_that_has_ended():
    clients = PerLoop(Client)

    async def use() -> None:
        clients.here()

    for runner in ended_loops():
        runner.run(use())
    assert len(clients._clients) == 1


def test_no_client_of_the_web_is_kept_for_an_event_loop_that_has_ended():
    from vestibule.net import client

    made = []

    async def use() -> None:
        made.append(trusted_client())
        made[-1].loop = asyncio.get_running_loop()

    for runner in ended_loops():
        runner.run(use())
    del made[:]
    assert sum(loop.is_closed() for loop in client._shared) <= 1


def test_a_renewal_that_an_event_loop_left_behind_is_done_by_the_next():
    """One that was cut off in the middle must neither stay in memory nor answer for the session ever after."""
    house = House(access_token_seconds=60)

    async def begin() -> Any:
        client = await house.signed_in()
        house.clock.advance(61)
        never = asyncio.Event()
        upstream = house.proxy._built.hall.renewal
        upstream._ask_upstream, asked = (lambda _: never.wait()), upstream._ask_upstream
        waiting = asyncio.create_task(house.refresh(client, client.tokens["refresh_token"]))
        for _ in range(20):
            await asyncio.sleep(0)
        upstream._ask_upstream = asked
        assert not waiting.done()
        return client

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it says so when tasks are left behind
    client = loop.run_until_complete(begin())
    loop.close()
    house.clock.advance(46)
    with asyncio.Runner() as runner:
        answer = runner.run(house.refresh(client, client.tokens["refresh_token"]))
    assert answer.status == 200
