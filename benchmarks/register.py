"""Registration of a client, through the endpoint, on the default store: first ones, and after many."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message

from benchmarks.context import Context, fresh_home
from benchmarks.rows import Row, Series
from benchmarks.sides import NAMES, build_provider
from benchmarks.timing import quiet
from benchmarks.walk import REGISTRATION

BASE_URL = "http://127.0.0.1:8"
BODY = json.dumps(REGISTRATION).encode()
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/register",
    "raw_path": b"/register",
    "root_path": "",
    "query_string": b"",
    "headers": [(b"host", b"127.0.0.1:8"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))],
    "client": ("127.0.0.1", 50000),
    "server": ("127.0.0.1", 8),
}
WINDOW = 200
# A side that writes a file per registration would take an hour to a million, and leave as many files.
SECONDS = {"ours": 240, "peer": 45}
QUICK_SECONDS = 12


async def run(context: Context) -> list[Row]:
    """Time windows of registrations at the first, and at as many as the side gets to within its time."""
    goals = [10_000] if context.quick else [10_000, 1_000_000]
    row = Row("register", "register a client", "µs", {}, target="flat from 1 to 1,000,000; no store write")
    for side in context.sides:
        row.details[side] = await _grow(side, context, goals, seconds=context.pick(SECONDS[side], QUICK_SECONDS))
        row.measured[side] = Series.of(row.details[side]["first"])
    row.note = "; ".join(f"{NAMES[side]}: {_told(row.details[side])}" for side in row.measured)
    if "ours" in row.details:
        row.reached = _is_flat(row.details["ours"])
    return [row]


async def _grow(side: str, context: Context, goals: list[int], seconds: float) -> dict[str, Any]:
    with fresh_home() as home:
        provider = build_provider(side, upstream=context.upstream.base_url, base_url=BASE_URL)
        app = Starlette(routes=provider.get_routes("/mcp"))
        await _register(app, WINDOW)
        empty = _stored(home)
        first = [await _window(app) for _ in range(5)]
        done, deadline, later = 6 * WINDOW, time.monotonic() + seconds, {}
        for goal in goals:
            done = await _reach(app, done, goal, deadline)
            later[done] = [await _window(app) for _ in range(5)]
            done += 5 * WINDOW
            if time.monotonic() > deadline:
                break
        grown = (_stored(home) - empty) / (done - WINDOW)
        return {"first": first, "later": later, "bytes_per_registration": grown}


async def _reach(app: ASGIApp, done: int, goal: int, deadline: float) -> int:
    while done < goal and time.monotonic() < deadline:
        await _register(app, WINDOW)
        done += WINDOW
    return done


async def _window(app: ASGIApp) -> float:
    """Microseconds per registration."""
    with quiet():
        begin = time.perf_counter_ns()
        await _register(app, WINDOW)
        return (time.perf_counter_ns() - begin) / WINDOW / 1e3


async def _register(app: ASGIApp, times: int) -> None:
    for _ in range(times):
        status = await _post(app)
        if status != 201:
            raise RuntimeError(f"/register answered {status}")


async def _post(app: ASGIApp) -> int:
    """One request straight into the application: the endpoint is measured, not an HTTP client."""
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(dict(SCOPE), receive, send)
    return status


def _stored(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())


def _is_flat(details: dict[str, Any]) -> bool:
    """Nothing stored, and the last windows no slower than the first beyond what a busy machine explains."""
    last = list(details["later"].values())[-1]
    growth = Series.of(last).median / Series.of(details["first"]).median
    return growth < 1.25 and not details["bytes_per_registration"]


def _told(details: dict[str, Any]) -> str:
    windows = ", ".join(f"after {count:,}: {Series.of(values).median:.0f}" for count, values in details["later"].items())
    return f"{windows} µs, {details['bytes_per_registration']:.0f} B stored each"
