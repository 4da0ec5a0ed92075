"""The clients' side of the network: everything that was sent is written down, with the answer or that it was lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx2
from tests.scale.answers import Answer, content_of, digest
from tests.scale.clock import PacedClock
from tests.scale.front import FRONT
from tests.scale.journal import TAG
from tests.scale.model import Kind

PATIENCE = 70.0  # seconds of the machine; longer than anything of ours waits


@dataclass(slots=True)
class Sent:
    """A request as its sender knows it.

    Attributes:
        answer: None if it was lost.
        by_front: nginx answered, since a server was gone.
    """

    tag: str
    kind: Kind
    session: str
    presented: str
    began: float
    ended: float = 0.0
    answer: Answer | None = None
    by_front: bool = False
    content: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_final(self) -> bool:
        """Whether there is no reason to try again."""
        return self.answer is not None and self.answer.status < 500

    @property
    def is_ok(self) -> bool:
        return self.answer is not None and self.answer.status == 200


@dataclass
class Wire:
    """Sends.

    Attributes:
        sent: the log.
        counts: what was met.
        complaints: answers that may never be seen.
    """

    base_url: str
    clock: PacedClock
    sent: list[Sent] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=200, keepalive_expiry=10)
        self.http = httpx2.AsyncClient(timeout=PATIENCE, limits=limits, trust_env=False)
        self._tags = count(1)

    async def post(
        self,
        kind: Kind,
        session: str,
        token: str,
        *,
        form: dict[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> Sent:
        """One request, once. With little patience the connection is dropped before the answer."""
        sent = Sent(f"{next(self._tags)}", kind, session, digest(token), self.clock.now())
        self.sent.append(sent)
        path = {"redeem": "/token", "refresh": "/token", "revoke": "/revoke", "call": "/mcp"}[kind]
        headers = {TAG: sent.tag} | ({} if form else {"authorization": f"Bearer {token}"})
        body: dict[str, Any] = {"data": form} if form else {"json": {}}
        try:
            async with asyncio.timeout(patience):
                response = await self.http.post(self.base_url + path, headers=headers, **body)
        except (TimeoutError, httpx2.TransportError):
            self.counts["answers lost"] += 1
        else:
            self.look_at(response)
            sent.answer, sent.content = Answer.read(response.status_code, response.content), content_of(response.content)
            sent.by_front = FRONT in response.headers
        sent.ended = self.clock.now()
        self.counts["longest wait for an answer (s)"] = max(
            self.counts["longest wait for an answer (s)"], round(sent.ended - sent.began)
        )
        return sent

    def look_at(self, response: httpx2.Response) -> None:
        """What holds for every answer, whatever was asked."""
        if response.status_code < 500:
            return
        self.counts["503 for a server that was killed" if FRONT in response.headers else "503"] += 1
        if response.status_code != 503 or not response.headers.get("retry-after", "").isdecimal():
            self.complaints.append(f"{response.status_code} at {response.request.url.path} without Retry-After, or not 503")
