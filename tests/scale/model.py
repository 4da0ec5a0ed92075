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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Literal

from vestibule.grants.code import REPLAY_GRACE_SECONDS
from vestibule.grants.refresh import RefreshRules

Kind = Literal["redeem", "refresh", "revoke", "call"]
Outcome = Literal["ok", "refused", "unavailable", "unknown"]


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
