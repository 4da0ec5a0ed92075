"""What happened at the provider: each refresh token of its was used once, but where the process that used it died with the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from tests.scale.model import End

WRITTEN_WITHIN = 2.0
"""Seconds within which a living process writes down what the provider answered, while the store is there. Generous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request to the provider's token endpoint.

    Attributes:
        server: the process that sent it.
        presented, gave: names of a code or refresh token, and of the refresh token that came back.
    """

    server: str
    presented: str
    gave: str
    refreshes: bool
    done: bool
    began: float
    ended: float


@dataclass
class Upstream:
    """The provider's journal, judged.

    Attributes:
        exchanges: by session.
        ends: by session, when the provider may have ended it.
        renewals: how often it gave new tokens.
        lost: how many sessions ended with a process that had the provider's answer in its hands.
    """

    exchanges: dict[str, list[Exchange]] = field(default_factory=dict)
    ends: dict[str, list[End]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    renewals: int = 0
    lost: int = 0


def judge(
    journal: Iterable[Mapping[str, Any]],
    sessions: Mapping[str, str],
    *,
    over_by: Mapping[str, float],
    kills: Mapping[str, float],
    outages: Sequence[tuple[float, float]],
    pace: float,
) -> Upstream:
    """What the provider's journal says of the sessions.

    Args:
        journal: of the provider.
        sessions: by the name of the provider's code that they began with.
        over_by: when a session may have been ended by us, which tells the provider; refusals after that are right.
        kills: when each process died.
        outages: when the store was away.
        pace: of the clock.
    """
    found = Upstream()
    owner, last = dict(sessions), dict[str, Exchange]()
    for exchange in sorted((Exchange(**line) for line in journal), key=lambda exchange: exchange.ended):
        session = owner.get(exchange.presented, "")
        found.exchanges.setdefault(session, []).append(exchange)
        if exchange.done:
            owner[exchange.gave] = session
            found.renewals += exchange.refreshes
            last[exchange.presented] = exchange
        elif exchange.refreshes and session:
            before = last.get(exchange.presented)
            if before is not None and _died_with_it(before, kills, outages, pace):
                found.lost += session not in found.ends
                found.ends.setdefault(session, []).append(End(before.began, inf, "its renewal died with a process"))
            elif exchange.ended < over_by.get(session, inf):
                found.complaints.append(f"{session}: the provider was asked twice with one refresh token, and nobody had died")
    return found


def _died_with_it(exchange: Exchange, kills: Mapping[str, float], outages: Sequence[tuple[float, float]], pace: float) -> bool:
    """Whether the process that got an answer was killed before it can have written it down."""
    written_by = exchange.ended + WRITTEN_WITHIN * pace
    for began, ended in sorted(outages):
        if began < written_by and exchange.ended < ended:
            written_by = max(written_by, ended + WRITTEN_WITHIN * pace)
    return exchange.began < kills.get(exchange.server, inf) < written_by
