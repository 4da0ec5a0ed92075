"""Two processes renew one session at the provider: a lease that was lost counts for nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.flows.stage import KEY, redeemed_grant

from vestibule import reasons
from vestibule.errors import Unavailable
from vestibule.grants.lease import LEASE_SECONDS
from vestibule.grants.model import Grant, Lease, UpstreamSession
from vestibule.grants.renewal import WAIT_SECONDS, Renewal, RenewalUnchecked
from vestibule.grants.store import Grants
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.memory import MemoryStore
from vestibule.storage.sealed import SealedRecords
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

Ask = Callable[[Grant], Awaitable[Grant]]


@pytest.fixture
def grants(clock: FakeClock) -> Grants:
    return Grants(SealedRecords(MemoryStore(clock), Sealer(KeyRing.from_secrets(KEY))), clock)


@pytest.fixture
async def due(grants: Grants, clock: FakeClock) -> Grant:
    """A session whose upstream token has just ended."""
    now = clock.now()
    grant = redeemed_grant(UpstreamSession(access_token="first", refresh_token="one", expires_at=now), now)
    await grants.create(grant)
    return grant


def answer(clock: FakeClock, access_token: str, refresh_token: str, life: float = 3600) -> Ask:
    """A provider that answers at once."""

    async def ask(grant: Grant) -> Grant:
        session = UpstreamSession(access_token=access_token, refresh_token=refresh_token, expires_at=clock.now() + life)
        return replace(grant, upstream=session)

    return ask


@pytest.mark.spec("PX-13")
async def test_an_answer_after_the_lease_was_lost_is_not_written(grants: Grants, due: Grant, clock: FakeClock):
    other = Renewal(grants, answer(clock, "of the other", "two"), clock)

    async def stalled(grant: Grant) -> Grant:
        late = await answer(clock, "too late", "two'")(grant)
        clock.advance(LEASE_SECONDS + 1)
        await other.renewed(grant)
        return late

    await Renewal(grants, stalled, clock).renewed(due)
    kept = await grants.load(due.id)
    assert kept is not None
    assert kept.upstream is not None
    assert (kept.upstream.access_token, kept.upstream.refresh_token) == ("of the other", "two")


@pytest.mark.spec("PX-13")
async def test_a_session_that_ended_meanwhile_stays_ended(grants: Grants, due: Grant, clock: FakeClock):
    async def revoked_meanwhile(grant: Grant) -> Grant:
        await grants.end(grant.id, reasons.GRANT_ENDED)
        return await answer(clock, "new", "two")(grant)

    renewed = await Renewal(grants, revoked_meanwhile, clock).renewed(due)
    kept = await grants.load(due.id)
    assert renewed.ended
    assert kept is not None
    assert kept.ended
    assert kept.upstream is None


async def test_what_could_not_be_checked_is_kept_and_not_used(grants: Grants, due: Grant, clock: FakeClock):
    asked: list[str | None] = []

    async def unchecked_first(grant: Grant) -> Grant:
        assert grant.upstream is not None
        asked.append(grant.upstream.refresh_token)
        if len(asked) == 1:
            given = await answer(clock, "unchecked", "two", life=0)(grant)
            raise RenewalUnchecked(given, Unavailable(reasons.UPSTREAM_UNAVAILABLE, retry_after=9))
        return await answer(clock, "checked", "three")(grant)

    renewal = Renewal(grants, unchecked_first, clock)
    with pytest.raises(Unavailable):
        await renewal.renewed(due)
    clock.advance(10)
    renewed = await renewal.renewed(due)
    assert asked == ["one", "two"]
    assert renewed.upstream is not None
    assert renewed.upstream.access_token == "checked"


@pytest.fixture
async def abandoned(grants: Grants, due: Grant, clock: FakeClock) -> Grant:
    """The same session; the process that took the lease to renew it has died since."""
    lease = Lease(holder="who has died", until=clock.now() + LEASE_SECONDS)
    held = await grants.change(due.id, lambda grant: replace(grant, lease=lease))
    assert held is not None
    return held


@pytest.mark.spec("PX-13")
async def test_nobody_waits_long_for_a_process_that_died(grants: Grants, abandoned: Grant, clock: FakeClock):
    """... and the session outlives it: it is renewed once the lease has ended."""
    renewal, began = Renewal(grants, answer(clock, "new", "two"), clock), clock.now()
    with pytest.raises(Unavailable) as refused:
        await renewal.renewed(abandoned)
    assert WAIT_SECONDS <= clock.now() - began <= WAIT_SECONDS + 1
    assert (refused.value.reason, refused.value.retry_after > 0) == (reasons.UPSTREAM_UNAVAILABLE, True)

    asked_again = clock.now()
    with pytest.raises(Unavailable):
        await renewal.renewed(abandoned)
    assert clock.now() == asked_again, "whoever comes next is told at once"

    clock.advance(LEASE_SECONDS)
    renewed = await renewal.renewed(abandoned)
    assert renewed.upstream is not None
    assert renewed.upstream.access_token == "new"


async def test_a_token_that_still_holds_serves_while_nobody_renews_it(grants: Grants, abandoned: Grant, clock: FakeClock):
    assert abandoned.upstream is not None
    holds = replace(abandoned.upstream, expires_at=clock.now() + 200)
    early = await grants.change(abandoned.id, lambda grant: replace(grant, upstream=holds))
    assert early is not None
    kept = await Renewal(grants, answer(clock, "new", "two"), clock, early=300).renewed(early)
    assert kept.upstream is not None
    assert kept.upstream.access_token == "first"
