"""A process that stands still between two steps, while another goes on: a long pause, a suspended machine, a store that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.flows.stage import redeemed_grant
from tests.races.house import KEY, House
from tests.races.stores import WrappedStore

from vestibule import reasons
from vestibule.errors import Unavailable, UpstreamRefused
from vestibule.grants.lease import LEASE_SECONDS
from vestibule.grants.model import Grant, Lease, UpstreamSession
from vestibule.grants.rekeying import needed_keys
from vestibule.grants.renewal import Renewal
from vestibule.grants.store import Grants
from vestibule.grants.tokens import RefreshToken
from vestibule.keys.key_file import KeyFile, new_key
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.memory import MemoryStore
from vestibule.storage.protocol import Store
from vestibule.storage.sealed import SealedRecords
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

SOON = 60
OUTAGE = 120


class PausingStore(WrappedStore):
    """Does something once, when the answer to a verb is on its way."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.pause_after = ""
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def after(self, verb: str, key: str) -> None:
        meanwhile = self.meanwhile
        if meanwhile is not None and verb == self.pause_after:
            self.meanwhile = None
            await meanwhile()


class AwayStore(WrappedStore):
    """Does not answer while it is away."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.is_away: Callable[[], bool] = lambda: False

    async def before(self, verb: str, key: str) -> None:
        if self.is_away():
            raise Unavailable(reasons.STORE_UNAVAILABLE, "away")


@dataclass
class SleepingClock:
    """Shows the time of another; who sleeps by it is not awake again before the test is over."""

    clock: FakeClock

    def now(self) -> float:
        return self.clock.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


@dataclass
class StrictProvider:
    """Each refresh token is good once; to see one again ends the session (RFC 9700 §4.14.2)."""

    clock: FakeClock
    issued: int = 1
    has_ended: bool = False

    async def ask(self, grant: Grant) -> Grant:
        assert grant.upstream is not None
        if self.has_ended or grant.upstream.refresh_token != f"refresh {self.issued}":
            self.has_ended = True
            raise UpstreamRefused(reasons.UPSTREAM_REFUSED, "used again")
        self.issued += 1
        return replace(grant, upstream=session(self.issued, self.clock.now() + 3600))


def session(number: int, expires_at: float) -> UpstreamSession:
    return UpstreamSession(access_token=f"access {number}", refresh_token=f"refresh {number}", expires_at=expires_at)


@dataclass
class Two:
    """Two processes with one store; the first can be made to stand still."""

    clock: FakeClock
    pausing: PausingStore
    provider: StrictProvider
    first: Grants
    second: Grants
    grant: Grant

    async def second_renews_later(self) -> None:
        self.clock.advance(LEASE_SECONDS + 1)
        await Renewal(self.second, self.provider.ask, self.clock).renewed(self.grant)


def two_servers(clock: FakeClock) -> tuple[House, House]:
    """Two processes of one server. The first can be held up at a verb of its store."""
    inner = MemoryStore(clock)
    first = House(store=PausingStore(inner), clock=clock)
    return first, House(store=inner, clock=clock, provider=first.idp)


@pytest.fixture
async def two(clock: FakeClock) -> Two:
    """With a session whose upstream token has just ended."""
    inner, now = MemoryStore(clock), clock.now()
    pausing, sealer = PausingStore(inner), Sealer(KeyRing.from_secrets(KEY))
    first, second = (Grants(SealedRecords(store, sealer, clock), clock) for store in (pausing, inner))
    grant = redeemed_grant(session(1, now), now)
    await second.create(grant)
    return Two(clock, pausing, StrictProvider(clock), first, second, grant)


@pytest.mark.spec("PX-13")
async def test_who_stood_still_after_taking_the_lease_does_not_ask_with_it(two: Two):
    two.pausing.pause_after, two.pausing.meanwhile = "swap", two.second_renews_later
    renewed = await Renewal(two.first, two.provider.ask, two.clock).renewed(two.grant)
    assert not two.provider.has_ended
    assert renewed.upstream is not None
    assert renewed.upstream.refresh_token == "refresh 2"


@pytest.mark.spec("PX-13")
async def test_who_stood_still_and_was_not_overtaken_takes_the_lease_anew(two: Two):
    async def nothing_else() -> None:
        two.clock.advance(LEASE_SECONDS + 1)

    leases: list[float] = []

    async def ask(grant: Grant) -> Grant:
        assert grant.lease is not None
        leases.append(grant.lease.until - two.clock.now())
        return await two.provider.ask(grant)

    two.pausing.pause_after, two.pausing.meanwhile = "swap", nothing_else
    assert not (await Renewal(two.first, ask, two.clock).renewed(two.grant)).ended
    assert leases == [LEASE_SECONDS]


@pytest.mark.spec("PX-13")
async def test_a_refusal_ends_nothing_once_another_has_renewed(two: Two):
    async def refuses(grant: Grant) -> Grant:
        two.pausing.pause_after, two.pausing.meanwhile = "get", two.second_renews_later
        raise UpstreamRefused(reasons.UPSTREAM_REFUSED, "a rule of the moment")

    renewed = await Renewal(two.first, refuses, two.clock).renewed(two.grant)
    assert renewed.upstream is not None
    assert renewed.upstream.refresh_token == "refresh 2"


@pytest.mark.spec("PX-13", "PX-14")
@pytest.mark.parametrize("answer", ["tokens", "no"])
async def test_an_answer_that_came_too_late_lets_nobody_go_on_before_the_other_process_has_its_own(two: Two, answer: str):
    async def comes_too_late(grant: Grant) -> Grant:
        two.clock.advance(LEASE_SECONDS + 1)
        lease = Lease(holder="another", until=two.clock.now() + LEASE_SECONDS)
        await two.second.change(grant.id, lambda current: replace(current, lease=lease))
        if answer == "no":
            raise UpstreamRefused(reasons.UPSTREAM_REFUSED, "its session has ended")
        return await two.provider.ask(grant)

    with pytest.raises(Unavailable):
        await Renewal(two.first, comes_too_late, two.clock).renewed(two.grant)
    current = await two.second.load(two.grant.id)
    assert current is not None
    assert not current.ended


@pytest.mark.spec("PX-13", "PX-14")
async def test_who_was_refused_too_late_asks_again_if_the_other_process_got_no_answer(two: Two):
    asked = 0

    async def refuses(grant: Grant) -> Grant:
        nonlocal asked
        asked += 1
        if asked == 1:
            two.clock.advance(LEASE_SECONDS + 1)
            await two.second.change(grant.id, lambda current: replace(current, lease=None))
        raise UpstreamRefused(reasons.UPSTREAM_REFUSED, "its session has ended")

    with pytest.raises(UpstreamRefused):
        await Renewal(two.first, refuses, two.clock).renewed(two.grant)
    current = await two.second.load(two.grant.id)
    assert current is not None
    assert current.ended == reasons.UPSTREAM_REFUSED.code


@pytest.mark.spec("PX-13")
async def test_what_the_provider_answered_outlasts_an_outage_that_is_longer_than_the_lease(clock: FakeClock):
    house = House(store=AwayStore(MemoryStore(clock)), clock=clock, access_token_seconds=SOON)
    client = await house.signed_in()
    clock.advance(SOON + 1)
    ends = clock.now() + OUTAGE
    house.store.is_away = lambda: house.upstream_refreshes > 0 and clock.now() < ends
    assert (await house.call(client.tokens["access_token"])).status == 503
    for _ in range(OUTAGE):
        await clock.sleep(1)
    assert (await house.call(client.tokens["access_token"])).status == 200


@pytest.mark.spec("PX-13")
async def test_the_provider_is_not_asked_again_before_its_last_answer_is_written(two: Two):
    """Nor with the refresh token that it has spent, by whoever comes first after an outage longer than the lease."""
    away, ends = AwayStore(two.pausing), two.clock.now() + LEASE_SECONDS + 10
    first = Grants(SealedRecords(away, Sealer(KeyRing.from_secrets(KEY)), two.clock), two.clock)
    away.is_away = lambda: two.provider.issued > 1 and two.clock.now() < ends
    renewal = Renewal(first, two.provider.ask, SleepingClock(two.clock))
    with pytest.raises(Unavailable):
        await renewal.renewed(two.grant)
    two.clock.advance(LEASE_SECONDS + 11)
    renewed = await renewal.renewed(two.grant)
    assert not two.provider.has_ended
    assert renewed.upstream is not None
    assert renewed.upstream.refresh_token == "refresh 2"


@pytest.mark.spec("RF-03", "RF-04")
async def test_a_client_that_goes_on_trying_through_an_outage_is_no_thief(clock: FakeClock):
    store = PausingStore(AwayStore(MemoryStore(clock)))
    house = House(store=store, clock=clock)
    client = await house.signed_in()
    token, ends = client.tokens["refresh_token"], clock.now() + OUTAGE

    async def the_answer_is_lost() -> None:
        store.inner.is_away = lambda: clock.now() < ends
        raise Unavailable(reasons.STORE_UNAVAILABLE, "the connection broke")

    store.pause_after, store.meanwhile = "swap", the_answer_is_lost
    while clock.now() < ends:
        assert (await house.refresh(client, token)).status == 503
        clock.advance(10)
    answer = await house.refresh(client, token)
    assert answer.status == 200
    assert (await house.refresh(client, answer.json()["refresh_token"])).status == 200


@pytest.mark.spec("RF-04")
async def test_once_it_was_answered_the_minute_for_a_retry_is_what_it_was(clock: FakeClock):
    house = House(store=AwayStore(MemoryStore(clock)), clock=clock)
    client = await house.signed_in()
    token, ends = client.tokens["refresh_token"], clock.now() + 10
    house.store.is_away = lambda: clock.now() < ends
    assert (await house.refresh(client, token)).status == 503
    clock.advance(10)
    second = (await house.refresh(client, token)).json()
    clock.advance(61)
    assert (await house.refresh(client, token)).error == "invalid_grant"
    assert (await house.call(second["access_token"])).status == 401


@pytest.mark.spec("RF-04")
@pytest.mark.parametrize("came", ["before", "after"])
async def test_a_refresh_that_was_held_up_while_its_successor_was_used_ends_nothing(clock: FakeClock, came: str):
    first, second = two_servers(clock)
    client = await first.signed_in()
    token, rotated = client.tokens["refresh_token"], {}

    async def the_client_goes_on_elsewhere() -> None:
        clock.advance(30)
        rotated.update((await second.refresh(client, token)).json())
        clock.advance(30)
        rotated.update((await second.refresh(client, rotated["refresh_token"])).json())

    if came == "after":
        await the_client_goes_on_elsewhere()
    else:
        first.store.pause_after, first.store.meanwhile = "get", the_client_goes_on_elsewhere
    answer = await first.refresh(client, token)
    assert (answer.status, answer.error) == (400, "invalid_grant")
    assert (await second.call(rotated["access_token"])).status == (200 if came == "before" else 401)


@pytest.mark.spec("RF-03")
async def test_a_refresh_that_was_held_up_over_three_rotations_counts_as_any_older_one(clock: FakeClock):
    first, second = two_servers(clock)
    client = await first.signed_in()
    token, rotated = client.tokens["refresh_token"], dict(client.tokens)

    async def the_client_goes_on_elsewhere() -> None:
        for _ in range(3):
            clock.advance(30)
            rotated.update((await second.refresh(client, rotated["refresh_token"])).json())

    first.store.pause_after, first.store.meanwhile = "get", the_client_goes_on_elsewhere
    assert (await first.refresh(client, token)).error == "invalid_grant"
    assert (await second.call(rotated["access_token"])).status == 401


@pytest.mark.spec("TK-05")
@pytest.mark.parametrize("came", ["before", "after"])
async def test_a_code_that_was_held_up_while_a_second_post_of_it_was_answered_ends_nothing(clock: FakeClock, came: str):
    first, second = two_servers(clock)
    client = await first.client()
    code, attempt = await first.code(client)
    tokens: dict[str, str] = {}

    async def the_client_tries_elsewhere() -> None:
        clock.advance(30)
        tokens.update((await second.redeem(client, code, attempt)).json())
        assert (await second.call(tokens["access_token"])).status == 200

    if came == "after":
        await the_client_tries_elsewhere()
    else:
        first.store.pause_after, first.store.meanwhile = "get", the_client_tries_elsewhere
    answer = await first.redeem(client, code, attempt)
    assert (answer.status, answer.error) == (400, "invalid_grant")
    clock.advance(6)
    assert (await second.call(tokens["access_token"])).status == (200 if came == "before" else 401)


@pytest.mark.spec("RF-04")
async def test_a_session_hangs_from_the_key_that_its_record_names_although_another_took_over_meanwhile(
    clock: FakeClock, tmp_path: Path
):
    file = KeyFile(tmp_path / "keys", generated=True)
    file.create(clock.now())
    old = file.read()[0]
    file.change(lambda keys: [*keys, new_key(clock.now(), active_from=clock.now() + 30)])
    store = PausingStore(MemoryStore(clock))
    house = House(store=store, clock=clock, options={"jwt_signing_key": file.path})
    client = await house.signed_in()

    async def the_next_key_takes_over() -> None:
        clock.advance(31)

    store.pause_after, store.meanwhile = "swap", the_next_key_takes_over
    answer = await house.refresh(client, client.tokens["refresh_token"])
    ring = house.proxy.hall.keyring
    assert ring.current.id != old.id
    token = RefreshToken.read(ring, answer.json()["refresh_token"])
    assert token is not None
    grant = await house.proxy.hall.grants.load(token.grant_id)
    assert grant is not None
    assert needed_keys(grant, clock.now() + 120) == {token.ring_key}
