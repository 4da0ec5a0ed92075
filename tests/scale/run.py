"""A run: traffic and chaos, then quiet and a last look, then the judgement."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from tests.scale.chaos import Chaos
from tests.scale.checks import replay
from tests.scale.crowd import Crowd, sweep
from tests.scale.deployment import Deployment, Plan
from tests.scale.journal import Served, lines, served
from tests.scale.model import Outcome, Request, Rules, Session
from tests.scale.people import Person
from tests.scale.upstream import Upstream, judge
from tests.scale.wire import Sent, Wire


@dataclass(frozen=True)
class Report:
    """How a run ended.

    Attributes:
        traces: everything that is known of the sessions that something is wrong with.
    """

    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)


def run(plan: Plan) -> Report:
    """Do all of it, in this process and its children."""
    with Deployment(plan) as deployment:
        crowd, counts = asyncio.run(_traffic(deployment))
        deployment.stop()
        return _judged(deployment, crowd, counts)


async def _traffic(deployment: Deployment) -> tuple[Crowd, Counter[str]]:
    plan, clock = deployment.plan, deployment.clock
    wire = Wire(deployment.base_url, clock)
    crowd, chaos = Crowd(plan, wire, deployment.provider_url), Chaos(deployment)
    until = clock.now() + plan.seconds * plan.pace
    lives = [Person(crowd, number).live(until) for number in range(plan.users)]
    await asyncio.gather(*lives, *([chaos.reign(until)] if plan.chaos else []))
    await sweep(crowd)
    await wire.http.aclose()
    return crowd, chaos.counts


def _judged(deployment: Deployment, crowd: Crowd, chaos: Counter[str]) -> Report:
    plan, wire = deployment.plan, crowd.wire
    journals = served(deployment.folder)
    log, repeated = history(wire.sent, journals, deployment.kills)
    rules = Rules(revocation_delay=plan.revocation_delay)
    over_by = {
        name: session.may_be_ended_from for name, session in replay(log, rules, retirements=deployment.retirements).items()
    }
    upstream = judge(
        lines(deployment.folder / "provider.jsonl"),
        crowd.upstream_codes,
        over_by=over_by,
        kills=deployment.kills,
        outages=deployment.outages,
        pace=plan.pace,
    )
    sessions = replay(log, rules, upstream.ends, deployment.retirements)
    kept = [session for session in sessions.values() if session.issues]
    counts = crowd.counts + wire.counts + chaos
    counts["requests"] = len(wire.sent)
    counts["upstream renewals"] = upstream.renewals
    counts["sessions lost with a process in an upstream renewal"] = upstream.lost
    counts["sessions alive at the end"] = sum(session.may_be_ended_from == inf for session in kept)
    counts["sessions ended"] = sum(session.must_be_ended_by < inf for session in kept)
    counts["sessions that may be either"] = len(kept) - counts["sessions alive at the end"] - counts["sessions ended"]
    complaints = [*wire.complaints, *crowd.complaints, *upstream.complaints, *repeated]
    complaints += crowd.unexplained(deployment.retirements)
    complaints += [f"{session.name}: {complaint}" for session in sessions.values() for complaint in session.complaints]
    traces = [line for session in sessions.values() if session.complaints for line in _trace(session, upstream)]
    return Report(counts, complaints, traces)


def _trace(session: Session, upstream: Upstream) -> list[str]:
    events = [(one.began, f"{one}") for one in (*session.requests, *upstream.exchanges.get(session.name, ()))]
    return [*session.complaints, *(text for _, text in sorted(events)), *map(str, session.ends)]


def history(
    sent: list[Sent], journals: Mapping[str, list[Served]], kills: Mapping[str, float]
) -> tuple[list[Request], list[str]]:
    """The log for the model: what the clients know, and where they know nothing, what the servers wrote. And what nginx sent twice."""
    log = [request for one in sent if (request := _request(one, journals.get(one.tag, []), kills)) is not None]
    repeated = [f"nginx sent a {one.kind} twice" for one in sent if len(journals.get(one.tag, [])) > 1]
    return log, repeated


def _request(sent: Sent, places: list[Served], kills: Mapping[str, float]) -> Request | None:
    """None for what no server ever saw."""
    if not places:
        return None
    place = places[0]
    answer = place.answer if sent.answer is None or sent.by_front else sent.answer
    ended = kills.get(place.server, inf) if place.ended is None else place.ended
    if answer is None:
        outcome: Outcome = "unknown"
    else:
        outcome = "ok" if answer.status == 200 else "unavailable" if answer.status >= 500 else "refused"
    return Request(
        kind=sent.kind,
        session=sent.session,
        presented=sent.presented,
        began=place.began,
        ended=ended,
        outcome=outcome,
        reason=answer.reason if answer else "",
        gave_refresh=answer.refresh if answer else "",
        gave_access=answer.access if answer else "",
        life=answer.life if answer else 0.0,
    )
