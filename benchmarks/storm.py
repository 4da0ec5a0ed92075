"""Storms: many requests of one session at once, over two processes, at the moment when the provider's token has ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from typing import Any

import httpx2

from benchmarks.processes import Running, start
from benchmarks.replica import BASE_URL
from benchmarks.replicas import Replicas, replicas
from benchmarks.stores import Place
from benchmarks.timing import rounds
from benchmarks.walk import sign_in

AT_ONCE = 100
LIFE_SECONDS = 6  # of the provider's tokens; they cannot be made to end without waiting
AFTER_SECONDS = 1.5
SIDES, KINDS = ("ours", "peer"), ("calls", "refreshes")


def storms(place: Place, repeats: int) -> dict[str, Any]:
    """By side and kind: upstream refreshes of each storm, and how its requests were answered altogether."""
    found: dict[str, Any] = {side: {kind: {"upstream": [], "answers": Counter()} for kind in KINDS} for side in SIDES}
    with ExitStack() as stack:
        upstream = stack.enter_context(start("benchmarks.upstream", str(LIFE_SECONDS), probe="/requests"))
        servers = {side: stack.enter_context(replicas(2, side, upstream.base_url, place.url)) for side in SIDES}
        for side in rounds(repeats, SIDES, f"{AT_ONCE} requests at once"):
            asyncio.run(_one_of_each(servers[side], upstream, found[side]))
    return found


async def _one_of_each(servers: Replicas, upstream: Running, found: dict[str, Any]) -> None:
    async with servers.browser() as http:
        session = await sign_in(http, BASE_URL)
        bearer = {"authorization": f"Bearer {session['access_token']}"}
        for _ in servers.running:
            (await http.post(f"{BASE_URL}/mcp", json={}, headers=bearer)).raise_for_status()
        await _storm(found["calls"], upstream, [http.post(f"{BASE_URL}/mcp", json={}, headers=bearer) for _ in range(AT_ONCE)])
        form = {name: session[name] for name in ("client_id", "refresh_token")} | {"grant_type": "refresh_token"}
        await _storm(found["refreshes"], upstream, [http.post(f"{BASE_URL}/token", data=form) for _ in range(AT_ONCE)])


async def _storm(found: dict[str, Any], upstream: Running, requests: list[Any]) -> None:
    await asyncio.sleep(LIFE_SECONDS + AFTER_SECONDS)
    before = _refreshes(upstream)
    answers: list[httpx2.Response] = await asyncio.gather(*requests)
    found["upstream"].append(_refreshes(upstream) - before)
    found["answers"].update(str(answer.status_code) for answer in answers)


def _refreshes(upstream: Running) -> int:
    count: int = httpx2.get(f"{upstream.base_url}/refreshes").json()
    return count


__all__ = ["AT_ONCE", "storms"]
