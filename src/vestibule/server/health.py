"""``GET /healthz`` and ``GET /readyz``: what a load balancer and whoever watches want to know.

Anybody may ask, so an answer holds codes and times, no names and no texts of errors, and asking often costs no more than asking once.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.condition import Condition
from vestibule.errors import Unavailable
from vestibule.grants.sessions import Sessions
from vestibule.keys.keyring import KeyRing
from vestibule.net.single_flight import SingleFlight
from vestibule.server.http import NO_STORE, json_endpoint, json_response
from vestibule.server.route import EndpointRoute
from vestibule.storage.sealed import SealedRecords
from vestibule.upstream.contact import Contact

__all__ = ["HEALTH_PATHS", "Readiness", "routes"]

HEALTH_PATHS: Final = ("/healthz", "/readyz")

_FRESH_SECONDS: Final = 1
_PATIENCE_SECONDS: Final = 0.8  # those who ask often give up after a second, and then know less than this answer says
_PROBE_SECONDS: Final = 5
_RETRY_AFTER: Final = 5

_HEARD: Final[dict[bool | None, str]] = {True: "ok", False: "failing", None: "untried"}

_PROBE_KEY: Final = "probe/readyz"
_PROBE: Final = {"": "." * 1500}  # as large as a session, so that a store with little room left does not seem to work
_PROBE_TTL: Final = 1


class Readiness:
    """Whether this process can do its work, and what each thing it depends on is like.

    Args:
        records: the store.
        sessions: who may go on without it.
        provider: the identity provider.
        keyring: the keys.
        clock: the time.
        store_outage: seconds that sessions go on while the store does not answer.
        hears: whether notices of other processes arrive, None while nobody waits for any; no function where the store has no such
            channel.

    Attributes:
        hears: the same.
    """

    def __init__(
        self,
        records: SealedRecords,
        sessions: Sessions,
        provider: Contact,
        keyring: KeyRing,
        clock: Clock,
        *,
        store_outage: float,
        hears: Callable[[], bool | None] | None = None,
    ) -> None:
        self._records = records
        self._sessions = sessions
        self._provider = provider
        self._keyring = keyring
        self._now = clock.now
        self._store_outage = store_outage
        self.hears = hears
        self._checks: SingleFlight[str, None] = SingleFlight()
        self._checked_at = self._probed_at = -math.inf

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Whether requests should come here, and the answer of ``/readyz``. Everything is asked once for all who want to know."""
        reading = self._records.reading
        if not 0 <= self._now() - self._checked_at < _FRESH_SECONDS:
            store = self._checks.start("store", self._check_store)
            provider = self._checks.start("provider", self._provider.ask)
            _, late = await asyncio.wait({store, provider}, timeout=_PATIENCE_SECONDS)
            if store in late and reading.failing_since is None:
                reading = Condition(failing_since=self._now(), reason=reasons.STORE_UNAVAILABLE)
        return self._described(reading)

    async def _check_store(self) -> None:
        try:
            with suppress(Unavailable):
                await self._records.get(_PROBE_KEY)
                await self._probe_writing()
        finally:
            self._checked_at = self._now()

    async def _probe_writing(self) -> None:
        """Find out whether writing works again.

        No other anonymous request writes. Without this one a process that no user is sent to any more, since it cannot write, would
        never notice that it can.
        """
        is_due = not 0 <= self._now() - self._probed_at < _PROBE_SECONDS
        if self._records.writing.failing_since is not None and is_due:
            self._probed_at = self._now()
            await self._records.put_new(_PROBE_KEY, _PROBE, _PROBE_TTL)

    def _described(self, reading: Condition) -> tuple[bool, dict[str, Any]]:
        writing, provider = self._records.writing, self._provider.condition
        hears = None if self.hears is None else self.hears()
        failing = [since for since in (reading.failing_since, writing.failing_since) if since is not None]
        is_ready = not failing or 0 <= self._now() - min(failing) < self._store_outage
        are_keys_new = not self._keyring.trouble
        is_whole = (
            not failing
            and are_keys_new
            and hears is not False
            and provider.failing_since is None
            and self._provider.is_discovered
        )
        members = {
            "status": ("ok" if is_whole else "degraded") if is_ready else "unready",
            "store": {"reading": _described(reading), "writing": _described(writing)},
            "provider": {
                **_described(provider),
                "discovered": self._provider.is_discovered,
                "answered": _time(provider.worked_at),
            },
            "keys": {
                "status": "ok" if are_keys_new else "failing",
                "reason": None if are_keys_new else reasons.KEY_FILE.code,
                "unreadable_records": self._records.unreadable,
            },
            "channel": None if self.hears is None else {"status": _HEARD[hears]},
            "sessions": self._carried(),
        }
        return is_ready, _present(members)

    def _carried(self) -> dict[str, Any] | None:
        carried = self._sessions.carried
        return {"without_store_since": _time(carried.since), "calls": carried.calls} if carried is not None else None


def routes(readiness: Readiness) -> list[BaseRoute]:
    """Both endpoints."""

    async def healthz(request: Request) -> Response:
        """The process runs and answers."""
        return json_response({"status": "ok"}, headers=NO_STORE)

    async def readyz(request: Request) -> Response:
        """503 where sessions cannot be served; a provider that is away harms no session, and would take every process away at once."""
        is_ready, report = await readiness.report()
        if is_ready:
            return json_response(report, headers=NO_STORE)
        return json_response(report, status=503, headers={**NO_STORE, "Retry-After": str(_RETRY_AFTER)})

    handlers = zip(HEALTH_PATHS, (healthz, readyz), strict=True)
    return [EndpointRoute(path, json_endpoint(handler), methods=["GET"]) for path, handler in handlers]


def _described(condition: Condition) -> dict[str, Any]:
    if condition.failing_since is None:
        return {"status": "untried" if condition.worked_at is None else "ok"}
    reason = condition.reason.code if condition.reason else None
    return _present({"status": "failing", "since": _time(condition.failing_since), "reason": reason})


def _time(seconds: float | None) -> str | None:
    """RFC 3339, to the second."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: _present(value) if isinstance(value, dict) else value for name, value in members.items() if value is not None}
