"""Tokens that only the provider can judge: how often it is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.providers.discovery import serve_documents
from tests.providers.fakes.registry import CASES, Case
from tests.providers.house import House

from vestibule.testing.client import CallRefused

pytestmark = pytest.mark.anyio

OPAQUE = [case for case in CASES if not case.remote and getattr(case.fake, "opaque", False)]
opaque = pytest.mark.parametrize("case", OPAQUE, ids=lambda case: case.name)


def opened(case: Case, house: House, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    fake = case.fake(clock=house.clock)
    house.apps.update(fake.apps)
    serve_documents(fake, monkeypatch)
    house.open(case.build(fake, {**house.common, **options}))
    return fake


def test_all_of_them_are_here() -> None:
    assert {case.name for case in OPAQUE} == {"workos", "github", "google", "discord", "clerk"}


@opaque
async def test_no_call_asks_the_provider_while_the_check_is_fresh(
    case: Case, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = opened(case, house, monkeypatch)
    client = await house.signed_in()
    before = len(fake.asked)
    for _ in range(20):
        house.clock.advance(14)
        await client.call_tool("whoami")
    assert len(fake.asked) == before


@opaque
async def test_calls_at_once_make_one_check(case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a check, whatever it takes, that many calls want at once, no more is asked than of one call."""
    fake = opened(case, house, monkeypatch)
    client = await house.signed_in()
    house.clock.advance(301)
    before = len(fake.asked)
    await client.call_tool("whoami")
    one = len(fake.asked) - before
    assert 0 < one <= 2
    house.clock.advance(301)
    before = len(fake.asked)
    answers = await asyncio.gather(*(house.call_with(client.tokens["access_token"]) for _ in range(25)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(fake.asked) - before == one


@opaque
async def test_how_often_is_an_option(case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = opened(case, house, monkeypatch, token_check_seconds=20)
    client = await house.signed_in()
    fake.disabled.add("alice")
    await client.call_tool("whoami")
    house.clock.advance(21)
    with pytest.raises(CallRefused) as caught:
        await client.call_tool("whoami")
    assert caught.value.status == 401


@opaque
async def test_a_provider_that_limits_us_is_not_taken_for_a_no(
    case: Case, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session goes on for a while on what was known, then waits, and is not lost."""
    fake = opened(case, house, monkeypatch)
    client = await house.signed_in()
    fake.down.add("")
    fake.status = 429
    house.clock.advance(301)
    await client.call_tool("whoami")
    house.clock.advance(400)
    with pytest.raises(CallRefused) as caught:
        await client.call_tool("whoami")
    assert caught.value.status == 503
    fake.down.clear()
    house.clock.advance(10)
    await client.call_tool("whoami")
