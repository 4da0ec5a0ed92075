"""What must hold in every session, each as one check on what the model knows of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf

from tests.scale.model import End, Request, Retirement, Rules, Session

_ROUNDING = 1.0  # second: JWTs tell whole seconds


def code_gives_tokens_once(session: Session) -> None:
    if sum(request.outcome == "ok" for request in session.of("redeem")) > 1:
        session.complaints.append("a code was redeemed twice")


def refused_code_was_spent(session: Session) -> None:
    posts = session.of("redeem")
    for post in posts:
        spent = any(other.may_be_done and other.began < post.ended for other in posts if other is not post)
        closed = any(retirement.began < post.ended for retirement in session.retirements)
        explained = {"code_spent": spent, "code_invalid": closed, "grant_ended": closed}.get(post.reason, False)
        if post.outcome == "refused" and not explained:
            session.complaints.append(f"a good code was refused: {post.reason}")


def refresh_token_has_one_successor(session: Session) -> None:
    successors: dict[str, set[str]] = defaultdict(set)
    for request in session.of("refresh"):
        if request.outcome == "ok":
            successors[request.presented].add(request.gave_refresh)
    if any(len(given) > 1 for given in successors.values()):
        session.complaints.append("a refresh token was redeemed twice: it has two successors")


def spent_refresh_token_is_refused(session: Session) -> None:
    for request in session.of("refresh"):
        if request.outcome != "ok":
            continue
        if any(later.outcome == "ok" and later.ended < request.began for later in session.superseded(request.presented)):
            session.complaints.append("a spent refresh token was accepted")
        rotated_by = min(other.ended for other in session.rotations(request.presented) if other.outcome == "ok")
        if request.began > rotated_by + session.rules.retry:
            session.complaints.append("a refresh token was accepted after its time to be retried")


def theft_has_a_cause(session: Session) -> None:
    for request in session.of("refresh"):
        if request.outcome == "refused" and request.reason == "refresh_reused" and not session.looks_stolen(request):
            session.complaints.append("an honest refresh was taken for theft")


def living_session_is_served(session: Session) -> None:
    for request in session.of("refresh"):
        if request.outcome == "refused" and request.reason != "refresh_reused":
            _refusal_has_a_cause(session, request)
    for request in session.of("call"):
        issue = next((issue for issue in session.issues if issue.gave_access == request.presented), None)
        expired = issue is None or request.ended > issue.began + issue.life - _ROUNDING
        if request.outcome == "refused" and not (expired and request.reason == "token_expired"):
            _refusal_has_a_cause(session, request)
    for request in session.of("revoke"):
        if request.outcome == "refused":
            session.complaints.append(f"a revocation was refused: {request.reason}")


def _refusal_has_a_cause(session: Session, request: Request) -> None:
    """Whoever ends a session tells the provider, so a renewal under way at that moment may hear it from there."""
    if request.reason in ("refresh_invalid", "token_key_unknown") and session.was_closed(request):
        return
    says_ended = request.reason in ("grant_ended", "upstream_refused")
    if not (says_ended and any(end.earliest < request.ended for end in session.ends)):
        session.complaints.append(f"a living session was lost: {request.kind} refused with {request.reason}")


def ended_session_stays_ended(session: Session) -> None:
    allowed = {"refresh": 0.0, "call": session.rules.revocation_delay}
    for request in session.requests:
        late = request.began - session.must_be_ended_by
        if request.outcome == "ok" and late > allowed.get(request.kind, inf):
            session.complaints.append(f"a {request.kind} succeeded {late:.1f} s after the session had ended")


def expired_access_token_is_refused(session: Session) -> None:
    ends = {issue.gave_access: issue.ended + issue.life for issue in session.issues}
    for request in session.of("call"):
        if request.outcome == "ok" and request.began > ends.get(request.presented, inf):
            session.complaints.append("an expired access token was accepted")


CHECKS: tuple[Callable[[Session], None], ...] = (
    code_gives_tokens_once,
    refused_code_was_spent,
    refresh_token_has_one_successor,
    spent_refresh_token_is_refused,
    theft_has_a_cause,
    living_session_is_served,
    ended_session_stays_ended,
    expired_access_token_is_refused,
)


def replay(
    log: Iterable[Request],
    rules: Rules,
    upstream_ends: Mapping[str, Sequence[End]] | None = None,
    retirements: Sequence[Retirement] = (),
) -> dict[str, Session]:
    """The sessions of a log, each with what cannot be explained."""
    by_session: dict[str, list[Request]] = defaultdict(list)
    for request in sorted(log, key=lambda request: request.began):
        by_session[request.session].append(request)
    sessions = {
        name: Session(name, requests, rules, (upstream_ends or {}).get(name, ()), retirements)
        for name, requests in by_session.items()
    }
    for session in sessions.values():
        for check in CHECKS:
            check(session)
    return sessions
