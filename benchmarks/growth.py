"""What a store costs that holds many grants: ``python -m benchmarks.growth [--grants 1000000] [--stores sqlite,redis,postgres]``.

The grants are made and sealed once, by the code that a sign-in runs, and put into each store. A fresh server process then verifies, refreshes
and purges. The same is measured with 1,000 grants, to compare. Writes its block of ``docs/reference/scale.md`` and ``artifacts/growth.json``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import httpx2
from redis import Redis
from rich.console import Console
from starlette.applications import Starlette

from benchmarks import page
from benchmarks.context import fresh_home
from benchmarks.many import SIGNING_KEY, Maker, load, make, read
from benchmarks.processes import start
from benchmarks.sides import build_provider
from benchmarks.stores import NAMES, Place, running
from benchmarks.walk import login
from vestibule.storage.memory import MemoryStore

BASE_URL = "http://127.0.0.1:8"
FEW = 1000
MEASURED_IN_FULL = 100_000
"""From so many grants on the page is written anew."""

_console = Console(width=150)


@click.command()
@click.option("--grants", default=1_000_000, show_default=True, help="How many.")
@click.option("--stores", default=",".join(NAMES), show_default=True, help="Where.")
@click.option("--times", default=1500, show_default=True, help="Verifications and refreshes that are timed.")
def main(grants: int, stores: str, times: int) -> None:
    """Measure each store with many grants."""
    logging.disable(logging.WARNING)
    begin = time.monotonic()
    found: dict[str, Any] = {"grants": grants, "stores": {}}
    with fresh_home() as home, start("benchmarks.upstream", probe="/requests") as upstream:
        maker = Maker(asyncio.run(_signed_in(upstream.base_url)), time.time())
        files = {numbers: home / f"{numbers.stop}.rows" for numbers in (range(FEW), range(FEW, grants))}
        for numbers, file in files.items():
            found["sealing"] = _seconds(lambda numbers=numbers, file=file: make(maker, numbers, file))
        found["record"] = _mean_size(files[range(FEW)])
        _say(f"{grants:,} grants sealed in {found['sealing']:.0f} s")
        for name in stores.split(","):
            with running(name) as place:
                found["stores"][name] = _measured(place, maker, upstream.base_url, files, times) | {"version": place.version}
    found["seconds"] = time.monotonic() - begin
    page.keep("growth", found)
    if grants >= MEASURED_IN_FULL and set(stores.split(",")) == set(NAMES):
        page.write("growth", found)
    _say(f"{found['seconds']:.0f} s")


async def _signed_in(upstream: str) -> dict[str, Any]:
    """The record of a real sign-in."""
    store = MemoryStore()
    provider = build_provider("ours", upstream=upstream, base_url=BASE_URL, client_storage=store, jwt_signing_key=SIGNING_KEY)
    app = httpx2.ASGITransport(Starlette(routes=provider.get_routes("/mcp")))
    async with httpx2.AsyncClient(transport=app, mounts={upstream: httpx2.AsyncHTTPTransport()}) as http:
        await login(http, BASE_URL)
    [key] = [key async for key, _ in store.scan("grant/")]
    found = await provider._built.records.get(key)
    assert found is not None
    return found[0]


def _mean_size(file: Path) -> float:
    return statistics.mean(len(record.value) for rows in read(file) for key, record in rows if key.startswith("grant/"))


def _measured(place: Place, maker: Maker, upstream: str, files: dict[range, Path], times: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for numbers, file in files.items():
        size = "few" if numbers.stop == FEW else "many"
        loading = _seconds(lambda file=file: asyncio.run(load(place.url, file)))
        sizes = place.sizes()
        order = {"url": place.url, "upstream": upstream, "template": maker.template, "now": maker.now}
        chosen = {"grants": [numbers.start, numbers.stop], "times": times, "full": size == "many"}
        measured = _in_a_fresh_process(order | chosen)
        if place.name == "redis" and size == "many":
            measured["purge"] = _expired_by_the_server(place)
        found[size] = {"loading": loading, "sizes": sizes, **measured, "sizes at the end": place.sizes()}
        _say(f"{NAMES[place.name]}, {numbers.stop:,} grants: {json.dumps(found[size])}")
    return found


def _expired_by_the_server(place: Place) -> dict[str, float]:
    """Redis ends records itself: how long until all are gone that ended in one second."""
    with closing(Redis.from_url(place.url, socket_timeout=600)) as client:  # it answers nobody while it runs the script
        removed = client.dbsize()
        client.eval("for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('PEXPIRE', key, 1000) end", 0)
        begin = time.monotonic()
        while client.dbsize():
            time.sleep(0.1)
        return {"removed": removed, "seconds": time.monotonic() - begin}


def _in_a_fresh_process(order: dict[str, Any]) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(order, file)
        file.flush()
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.grown", file.name], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    measured: dict[str, Any] = json.loads(told.splitlines()[-1])
    return measured


def _seconds(what: Any) -> float:
    begin = time.monotonic()
    what()
    return time.monotonic() - begin


def _say(text: str) -> None:
    _console.print(text, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
