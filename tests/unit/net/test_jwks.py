"""Keys that are at hand: no storm of requests, no outage, no frozen set."""

import asyncio

import pytest
from tests.unit.net.web import Web

from vestibule.errors import ConfigurationError, Unavailable
from vestibule.keys.keyring import KeyRing
from vestibule.net.exchange import FetchForbidden
from vestibule.net.fetch import Fetcher
from vestibule.net.jwks import JWKSCache
from vestibule.net.trusted import TrustedClient
from vestibule.testing.clock import FakeClock

pytestmark = pytest.mark.anyio

URL = "https://idp.example/jwks"
OLD, NEW = (KeyRing.from_secrets([letter * 32]).jwks()["keys"][0] for letter in "an")


class Provider:
    """A provider with a key set, and the cache in front of it."""

    def __init__(self, **options):
        self.web = Web()
        self.clock = FakeClock()
        self.publish(OLD)
        self.cache = JWKSCache(URL, TrustedClient(self.web.client()), self.clock, **options)

    def publish(self, *keys, headers=None):
        self.web.answer(URL, {"keys": list(keys)}, headers=headers)

    @property
    def asked(self):
        return len(self.web.requests)

    async def knows(self, key, kid=None):
        keys = await self.cache.keys_for(kid or key["kid"])
        await asyncio.sleep(0)
        return keys.knows(key["kid"])

    async def let_background_work_end(self):
        for _ in range(20):
            await asyncio.sleep(0)


async def test_nothing_is_asked_before_the_first_token():
    provider = Provider()
    assert provider.asked == 0
    assert await provider.knows(OLD)
    assert provider.asked == 1


async def test_a_known_key_costs_no_request():
    provider = Provider()
    for _ in range(10):
        await provider.knows(OLD)
    assert provider.asked == 1


async def test_many_first_tokens_cause_one_request():
    provider = Provider()
    await asyncio.gather(*(provider.knows(OLD) for _ in range(50)))
    assert provider.asked == 1


async def test_a_new_key_is_found_at_once():
    provider = Provider()
    await provider.knows(OLD)
    provider.publish(OLD, NEW)
    assert await provider.knows(NEW)
    assert provider.asked == 2


async def test_made_up_key_ids_cause_one_request_per_interval():
    provider = Provider(refresh_interval=30)
    await provider.knows(OLD)
    for number in range(100):
        assert not await provider.knows(NEW, kid=f"made up {number}")
    assert provider.asked == 2
    provider.clock.advance(30)
    await provider.knows(NEW, kid="made up once more")
    assert provider.asked == 3


async def test_a_set_that_is_no_longer_fresh_is_renewed_in_the_background():
    provider = Provider()
    await provider.knows(OLD)
    provider.publish(NEW)
    provider.clock.advance(601)
    assert await provider.knows(OLD)
    await provider.let_background_work_end()
    assert provider.asked == 2
    assert await provider.knows(NEW)
    assert not await provider.knows(OLD)


async def test_nothing_waits_for_the_renewal_in_the_background():
    provider = Provider()
    await provider.knows(OLD)
    provider.clock.advance(601)
    gate = asyncio.Event()

    async def slow(_request):
        await gate.wait()

    provider.web.pages[URL] = slow
    assert await asyncio.wait_for(provider.knows(OLD), 1)
    assert await asyncio.wait_for(provider.knows(OLD), 1)
    assert provider.asked == 2
    gate.set()
    await provider.let_background_work_end()


async def test_a_key_that_was_withdrawn_long_ago_does_not_come_back_after_a_quiet_night():
    provider = Provider()
    await provider.knows(OLD)
    provider.publish(NEW)
    provider.clock.advance(8 * 3600)
    assert not await provider.knows(OLD)


async def test_the_headers_say_how_long_the_set_is_fresh():
    provider = Provider()
    provider.publish(OLD, headers={"cache-control": "max-age=3000"})
    await provider.knows(OLD)
    provider.clock.advance(2999)
    await provider.knows(OLD)
    await provider.let_background_work_end()
    assert provider.asked == 1


@pytest.mark.parametrize("trouble", ["down", 500, 302, 404, b"<html>", b"[]", b"{}", b'{"keys": {}}'])
async def test_trouble_leaves_the_keys_in_use_for_a_day(trouble):
    provider = Provider()
    await provider.knows(OLD)
    if trouble == "down":
        provider.web.fail(URL)
    elif isinstance(trouble, int):
        provider.web.answer(URL, {"keys": []}, status=trouble)
    else:
        provider.web.answer(URL, trouble)
    provider.clock.advance(3600)
    assert await provider.knows(OLD)
    provider.clock.advance(20 * 3600)
    assert await provider.knows(OLD)
    provider.clock.advance(4 * 3600)
    with pytest.raises(Unavailable):
        await provider.knows(OLD)


async def test_a_server_starts_while_its_provider_is_down():
    provider = Provider()
    provider.web.fail(URL)
    with pytest.raises(Unavailable) as caught:
        await provider.knows(OLD)
    assert caught.value.retry_after == 5
    provider.publish(OLD)
    provider.clock.advance(5)
    assert await provider.knows(OLD)


async def test_a_provider_that_is_down_is_left_in_peace():
    provider = Provider()
    provider.web.fail(URL)
    for _ in range(20):
        with pytest.raises(Unavailable):
            await provider.knows(OLD)
    assert provider.asked == 1


async def test_an_unknown_key_is_no_lie_while_nobody_can_look_it_up():
    provider = Provider()
    await provider.knows(OLD)
    provider.web.fail(URL)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await provider.knows(NEW)
    assert provider.asked == 2
    assert await provider.knows(OLD)


async def test_keys_that_cannot_be_read_do_not_take_the_others_down():
    strange = [{"kty": "OKP", "crv": "X448", "x": "AA"}, {"kty": "EC", "crv": "P-256", "x": "!"}, None, {"kty": "new"}, {}]
    provider = Provider()
    provider.publish(*strange, OLD)
    assert await provider.knows(OLD)


async def test_a_set_that_was_emptied_counts():
    provider = Provider()
    await provider.knows(OLD)
    provider.publish()
    provider.clock.advance(3600)
    assert not await provider.knows(OLD)


async def test_a_forbidden_address_is_told_apart():
    with pytest.raises(FetchForbidden):
        await JWKSCache("https://127.0.0.1/jwks", Fetcher(), FakeClock()).keys_for(None)


@pytest.mark.parametrize("interval", [-1, float("inf"), float("nan")])
def test_the_interval_is_a_number_of_seconds(interval):
    with pytest.raises(ConfigurationError, match="jwks_refresh_interval"):
        JWKSCache(URL, Fetcher(), FakeClock(), interval)
