import pytest

from vestibule.net.cache import TTLCache, http_freshness
from vestibule.testing.clock import FakeClock


def test_an_entry_ends_with_its_time():
    clock = FakeClock()
    cache = TTLCache(10, clock)
    cache.put("a", 1, 60)
    clock.advance(59)
    assert cache.get("a") == 1
    clock.advance(1)
    assert cache.get("a") is None
    assert len(cache) == 0


def test_the_least_recently_used_goes_first():
    cache = TTLCache(2, FakeClock())
    cache.put("a", 1, 60)
    cache.put("b", 2, 60)
    cache.get("a")
    cache.put("c", 3, 60)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_many_keys_take_no_more_room():
    cache = TTLCache(100, FakeClock())
    for number in range(10_000):
        cache.put(number, number, 60)
    assert len(cache) == 100


def test_a_value_that_is_over_at_once_ends_the_one_before():
    cache = TTLCache(10, FakeClock())
    cache.put("a", 1, 60)
    cache.put("a", 2, 0)
    assert cache.get("a") is None


def test_forgetting():
    cache = TTLCache(10, FakeClock())
    cache.put("a", 1, 60)
    cache.put("b", 1, 60)
    cache.discard("a")
    cache.discard("a")
    assert cache.get("a") is None
    cache.clear()
    assert cache.get("b") is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 300),
        ({"cache-control": "max-age=1000"}, 1000),
        ({"cache-control": 'public, Max-Age="1000"'}, 1000),
        ({"cache-control": "max-age=1000", "age": "400"}, 600),
        ({"cache-control": "max-age=5"}, 60),
        ({"cache-control": "max-age=99999999999999999999"}, 3600),
        ({"cache-control": "max-age=-1"}, 300),
        ({"cache-control": "max-age=nan"}, 300),
        ({"cache-control": "no-store, max-age=1000"}, 60),
        ({"cache-control": "no-cache"}, 60),
        ({"expires": "Thu, 01 Jan 2026 00:20:00 GMT", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 1200),
        ({"expires": "Thu, 01 Jan 2026 00:20:00 GMT", "date": "Thu, 01 Jan 2026 00:00:00"}, 60),
        ({"expires": "Thu, 01 Jan 2026 00:20:00 GMT"}, 300),
        ({"expires": "0", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 60),
        ({"expires": "Thu, 01 Jan 2026 00:20:00 GMT", "cache-control": "max-age=100"}, 100),
    ],
)
def test_freshness_is_what_the_headers_say_within_bounds(headers, seconds):
    assert http_freshness(headers, 300, 60, 3600) == seconds
