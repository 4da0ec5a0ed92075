"""What may happen to a session: a small model, against which a log is replayed.

The log tells of each request when it was begun and when it was over. What it did, it did in between, and what it did to others may have
come before or after. So the model knows three kinds of facts: what has happened for certain by some time, what cannot have happened before
some time, and what is open. It complains only where no order of events explains an answer.

An answer is one of

``ok``
    it was done.
``refused``
    it was not, for a reason; some refusals end the session.
``unavailable``
    503: it may have been done.
``unknown``
    the process was killed in the middle: it may have been done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Literal

from vestibule.grants.code import REPLAY_GRACE_SECONDS
from vestibule.grants.refresh import RefreshRules

Kind = Literal["redeem", "refresh", "revoke", "call"]
Outcome = Literal["ok", "refused", "unavailable", "unknown"]

_ROUNDING = 1.0  # second: JWTs tell whole seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One line of the log. Tokens are names (digests), times seconds of everybody's clock.

    Attributes:
        session: the sign-in that what was presented comes from.
        presented: a code, a refresh token or an access token.
        gave_refresh, gave_access: what came back.
        life: of the access token that came back, in seconds.
    """

    kind: Kind
    session: str
    presented: str
    began: float
    ended: float
    outcome: Outcome
    reason: str = ""
    gave_refresh: str = ""
    gave_access: str = ""
    life: float = 0.0

    @property
    def may_be_done(self) -> bool:
        return self.outcome != "refused"


@dataclass(frozen=True, slots=True)
class End:
    """Something that ends a session: not before `earliest`, and for certain by `latest` (infinite: perhaps never).

    What has not happened by `settled` never will.
    """

    earliest: float
    latest: float
    cause: str
    settled: float = inf


@dataclass(frozen=True, slots=True)
class Retirement:
    """A key went out of service between `began` and `ended`; from `successor_from` on, everything is made with a later one."""

    successor_from: float
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Rules:
    """The bounds that are promised, in seconds."""

    revocation_delay: float = 5
    retry: float = RefreshRules(life=0).retry_seconds
    replay_grace: float = REPLAY_GRACE_SECONDS


@dataclass
class Session:
    """Everything that was asked for one session.

    Args:
        upstream_ends: when the provider may have ended it.
    """

    name: str
    requests: Sequence[Request]
    rules: Rules
    upstream_ends: Sequence[End] = ()
    retirements: Sequence[Retirement] = ()
    complaints: list[str] = field(default_factory=list)

    def of(self, kind: Kind) -> list[Request]:
        return [request for request in self.requests if request.kind == kind]

    @cached_property
    def issues(self) -> list[Request]:
        """The answers that gave tokens."""
        return [request for request in self.requests if request.outcome == "ok" and request.gave_access]

    @cached_property
    def place(self) -> dict[str, int]:
        """Of each refresh token that is known, how many came before it."""
        successors = {request.presented: request.gave_refresh for request in self.of("refresh") if request.outcome == "ok"}
        token = next((request.gave_refresh for request in self.of("redeem") if request.outcome == "ok"), "")
        places: dict[str, int] = {}
        while token and token not in places:
            places[token] = len(places)
            token = successors.get(token, "")
        return places

    @cached_property
    def ends(self) -> list[End]:
        """Whatever may have ended it, without what a later refresh shows not to have happened."""
        alive = max((refresh.began for refresh in self.of("refresh") if refresh.outcome == "ok"), default=-inf)
        ends = [*self._revocations(), *self._thefts(), *self._code_replays(), *self._retirements(), *self.upstream_ends]
        return [end for end in ends if end.latest < inf or end.settled > alive]

    @property
    def may_be_ended_from(self) -> float:
        return min((end.earliest for end in self.ends), default=inf)

    @property
    def must_be_ended_by(self) -> float:
        return min((end.latest for end in self.ends), default=inf)

    def superseded(self, token: str) -> list[Request]:
        """The requests with a later refresh token that may have been done: they make `token` a spent one."""
        place = self.place.get(token, inf)
        return [r for r in self.of("refresh") if r.may_be_done and self.place.get(r.presented, -1) > place]

    def rotations(self, token: str) -> list[Request]:
        """The requests that may have rotated `token`."""
        return [request for request in self.of("refresh") if request.may_be_done and request.presented == token]

    def looks_stolen(self, request: Request) -> bool:
        """Whether a refresh may have met a session in which its token was spent, or its time to be retried over."""
        others = [other for other in self.rotations(request.presented) if other is not request]
        late = any(other.began + self.rules.retry < request.ended for other in others)
        return late or any(later.began < request.ended for later in self.superseded(request.presented))

    def _revocations(self) -> Iterator[End]:
        for request in self.of("revoke"):
            yield End(request.began, request.ended if request.outcome == "ok" else inf, "revoked", request.ended)

    def _thefts(self) -> Iterator[End]:
        for request in self.of("refresh"):
            if request.outcome == "refused" and request.reason == "refresh_reused":
                yield End(request.began, request.ended, "refresh token reused", request.ended)
            elif request.outcome in ("unavailable", "unknown") and self.looks_stolen(request):
                yield End(request.began, inf, "refresh token perhaps reused", request.ended)

    def _code_replays(self) -> Iterator[End]:
        """A spent code that comes back ends the session, but for a second post within the grace and before any use."""
        spent = next((request for request in self.of("redeem") if request.outcome == "ok"), None)
        if spent is None:
            return
        uses = [*self.of("refresh"), *self.of("call")]
        first_use = min((use.began for use in uses), default=inf)
        used_by = min((use.ended for use in uses if use.outcome == "ok"), default=inf)
        for request in self.of("redeem"):
            harmless = request.ended < min(spent.began + self.rules.replay_grace, first_use)
            certain = request.began > min(spent.ended + self.rules.replay_grace, used_by) and request.reason == "code_spent"
            if request is not spent and not harmless:
                yield End(request.began, request.ended if certain else inf, "code replayed", request.ended)

    def _retirements(self) -> Iterator[End]:
        """With a key go the sessions whose client holds a refresh token that it made, or may still ask with one."""
        for retirement in self.retirements:
            if not self._is_clear_of(retirement):
                yield End(retirement.began, inf, "key retired", retirement.ended)

    def _is_clear_of(self, retirement: Retirement) -> bool:
        """Whether all that counted of it was made with a later key before the retirement began, for certain."""
        for begun in self.of("redeem"):
            before = retirement.successor_from < begun.began and begun.ended < retirement.began
            if begun.outcome == "ok" and (before or begun.began > retirement.ended):
                return True
        rotated = []
        for token in self.place:
            rotations = self.rotations(token)
            done_by = min((request.ended for request in rotations if request.outcome == "ok"), default=inf)
            if done_by < retirement.began and min(request.began for request in rotations) > retirement.successor_from:
                rotated.append(done_by)
        return len(rotated) > 1 or any(done_by + self.rules.retry < retirement.began for done_by in rotated)

    def was_closed(self, request: Request) -> bool:
        """Whether what was presented may have been made with a key that was out of service."""
        made = min((r.began for r in self.issues if request.presented in (r.gave_refresh, r.gave_access)), default=-inf)
        return any(made < retirement.successor_from and retirement.began < request.ended for retirement in self.retirements)


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
    upstream_ends: dict[str, list[End]] | None = None,
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
