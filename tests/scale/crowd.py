"""What all users of a run share, and the last look at their sessions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from tests.scale.deployment import Plan
from tests.scale.model import Kind, Retirement
from tests.scale.wire import Sent, Wire

TRIES = 300
PAUSE = 0.25  # seconds of the machine between tries


@dataclass
class Signed:
    """A session as its client knows it."""

    name: str
    client_id: str
    code: str = field(repr=False)
    verifier: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    access: str = field(default="", repr=False)
    spent: list[str] = field(default_factory=list, repr=False)
    over: bool = False

    def form(self, **parts: str) -> dict[str, str]:
        return {"client_id": self.client_id, **parts}


@dataclass
class Crowd:
    """What all users share.

    Attributes:
        sessions: every session that got tokens.
        upstream_codes: the session for each of the provider's codes.
        failed: sign-ins that failed though everything was answered at once: from, to, and where.
        complaints: what must never happen.
    """

    plan: Plan
    wire: Wire
    provider_url: str
    sessions: list[Signed] = field(default_factory=list)
    upstream_codes: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    failed: list[tuple[float, float, str]] = field(default_factory=list)
    names: count[int] = field(default_factory=lambda: count(1))

    def unexplained(self, retirements: Sequence[Retirement]) -> list[str]:
        """The failed sign-ins whose cookie no retired key had sealed."""
        return [
            where
            for began, ended, where in self.failed
            if not any(retirement.began < ended and began < retirement.ended for retirement in retirements)
        ]

    async def insist(self, kind: Kind, session: Signed, token: str, form: dict[str, str] | None) -> Sent | None:
        """Try until there is an answer that counts; None if there never is."""
        for _ in range(TRIES):
            sent = await self.wire.post(kind, session.name, token, form=form)
            if sent.is_final:
                return sent
            await asyncio.sleep(PAUSE)
        self.complaints.append(f"{kind} was never answered")
        return None


async def sweep(crowd: Crowd) -> None:
    """When all is quiet: a last refresh and a last call for every session, the ended ones too."""

    async def look(session: Signed) -> None:
        form = session.form(grant_type="refresh_token", refresh_token=session.refresh)
        answer = await crowd.insist("refresh", session, session.refresh, form)
        if answer is not None and answer.is_ok:
            await crowd.insist("call", session, str(answer.content["access_token"]), None)

    waiting = iter(crowd.sessions)

    async def work() -> None:
        for session in waiting:
            await look(session)

    await asyncio.gather(*(work() for _ in range(20)))
