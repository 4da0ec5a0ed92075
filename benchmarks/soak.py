"""The long run: ``SOAK_SECONDS=3600 python -m benchmarks.soak``.

People sign in, call, refresh and leave, strangers register and knock, for as long as it was told. Once every bounded cache is full, memory
has to stay flat, and the store has to hold the sessions that were signed in and nothing else. Exit status 1 if not.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sqlite3
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.context import fresh_home
from benchmarks.processes import start
from benchmarks.server import resident_bytes
from benchmarks.sides import build_provider
from vestibule.testing import ScriptedClient, ScriptedUser

BASE_URL = "http://127.0.0.1:8"
SEEN_BEFORE_MEASURING = 11_000  # access tokens; the guard remembers 10,000
REFRESHES, CALLS, STRANGERS = 100, 2, 20  # per sign-in; calls per token
ALLOWED_GROWTH = 8 * 1024 * 1024  # bytes, of memory that has reached its level
REPORT_SECONDS = 10.0

_console = Console(soft_wrap=True)


@dataclass(slots=True)
class Tally:
    """What was done so far."""

    sign_ins: int = 0
    tokens: int = 0
    calls: int = 0
    strangers: int = 0
    level: int = 0


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """The protected application."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def soak(app: ASGIApp, home: Path, seconds: float) -> int:
    """Run for `seconds` after the caches are full; the exit status."""
    tally = Tally()
    deadline, report_at = float("inf"), time.monotonic() + REPORT_SECONDS
    async with (
        ScriptedUser(apps={BASE_URL: app}) as user,
        ScriptedClient(f"{BASE_URL}/mcp", user=user, apps={BASE_URL: app}) as client,
    ):
        await client.discover()
        while time.monotonic() < deadline:
            await _one_session(client, tally)
            await _strangers(client, tally)
            if not tally.level and tally.tokens >= SEEN_BEFORE_MEASURING:
                tally.level, deadline = resident_bytes(), time.monotonic() + seconds
            if time.monotonic() >= report_at:
                report_at = time.monotonic() + REPORT_SECONDS
                _report(tally, home)
    return _verdict(tally, home)


async def _one_session(client: ScriptedClient, tally: Tally) -> None:
    """A sign-in, calls and refreshes; every other session is left alive."""
    await client.register()
    await client.login()
    client.user.pages.clear()
    tally.sign_ins += 1
    for _ in range(REFRESHES):
        await _calls(client, tally)
        await client.refresh()
    await _calls(client, tally)
    if tally.sign_ins % 2:
        await client.revoke()


async def _calls(client: ScriptedClient, tally: Tally) -> None:
    tally.tokens += 1
    for _ in range(CALLS):
        response = await client.http.post(
            client.resource_url, headers={"authorization": f"Bearer {client.tokens['access_token']}"}
        )
        _expect(response.status_code, 200)
        tally.calls += 1


async def _strangers(client: ScriptedClient, tally: Tally) -> None:
    """Registrations that come to nothing, made-up tokens and codes."""
    for _ in range(STRANGERS):
        await client.register(client_name=secrets.token_hex(8))
        answers = [
            await client.http.post(client.resource_url, headers={"authorization": f"Bearer {secrets.token_urlsafe(300)}"}),
            await client.post_form(
                client.server["token_endpoint"], {"grant_type": "refresh_token", "refresh_token": "vsr_none"}
            ),
            await client.http.get(client.server["authorization_endpoint"], params={"client_id": secrets.token_hex(8)}),
        ]
        for response, status in zip(answers, (401, 400, 400), strict=True):
            _expect(response.status_code, status)
        tally.strangers += 1


def _expect(status: int, expected: int) -> None:
    if status != expected:
        raise RuntimeError(f"answered {status} where {expected} was due")


def _records(home: Path) -> int:
    (file,) = home.rglob("*.sqlite3")
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT count(*) FROM records").fetchone()[0])


def _report(tally: Tally, home: Path) -> None:
    memory = f"{resident_bytes() / 1e6:.1f} MB" + (f" (level {tally.level / 1e6:.1f})" if tally.level else ", caches filling")
    _console.print(
        f"{tally.sign_ins} sign-ins, {tally.tokens} tokens, {tally.calls} calls, {tally.strangers} strangers: "
        f"{_records(home)} records, {memory}"
    )


def _verdict(tally: Tally, home: Path) -> int:
    _report(tally, home)
    grown = resident_bytes() - tally.level
    flat, exact = grown <= ALLOWED_GROWTH, _records(home) == tally.sign_ins
    _console.print(f"memory grew by {grown / 1e6:.1f} MB: {'flat' if flat else 'too much'}")
    _console.print(f"the store holds {'exactly the sessions' if exact else 'something else than the sessions'}")
    return 0 if flat and exact else 1


def main() -> None:
    """Start the stand-in provider, protect an application, and let time pass."""
    logging.disable(logging.CRITICAL)
    seconds = float(os.environ.get("SOAK_SECONDS", "300"))
    with fresh_home() as home, start("benchmarks.upstream", probe="/requests") as upstream:
        bridge = build_provider("ours", upstream=upstream.base_url, base_url=BASE_URL)
        sys.exit(asyncio.run(soak(bridge.protect(answer), home, seconds)))


if __name__ == "__main__":
    main()
