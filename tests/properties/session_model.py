"""What may happen to one session: a pure model, exact where the outcome is known and a set of possibilities where it is not.

Each operation takes a state and gives branches: what may be answered, and the state that follows. A write whose answer was lost may or may not
have happened, so a session is a *set* of states, and each answer keeps those that allow it. None left means that a promise was broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import permutations

CODE_SECONDS = 300
REPLAY_SECONDS = 10
RETRY_SECONDS = 60
SESSION_SECONDS = 30 * 86_400
UPSTREAM_SECONDS = 600
REVOCATION_DELAY = 5


class Outcome(Enum):
    """How a request was answered."""

    OK = "200"
    REFUSED = "400 or 401"
    UNAVAILABLE = "503 with Retry-After"


class Fault(Enum):
    """What happens to the first write of a request."""

    FAILED = "it was not done"
    LOST = "it was done, and its answer was lost"


@dataclass(frozen=True, slots=True)
class State:
    """A session as it may be.

    Attributes:
        signed_in_at: when its code was issued.
        upstream_until: when the provider's access token ends.
        spent_at: when the code was redeemed.
        used: whether a token was used, so that a second post of the code is no impatience.
        generation: of the current refresh token; 0 while there is none.
        rotated_at: when that one was issued.
        expires_at: when the session ends without a refresh.
        ended_at: when it was ended.
        knowing: processes that know of the end.
    """

    signed_in_at: float
    upstream_until: float
    spent_at: float | None = None
    used: bool = False
    generation: int = 0
    rotated_at: float = 0
    expires_at: float = 0
    ended_at: float | None = None
    knowing: frozenset[int] = frozenset()

    def ended(self, at: Moment) -> State:
        return self if self.ended_at is not None else replace(self, ended_at=at.now, knowing=frozenset({at.process}))


@dataclass(frozen=True, slots=True)
class Moment:
    """Where and when a request was made.

    Attributes:
        process: which of the servers.
        now, later: when it began and when it was answered; between the two it may have waited for a lease of somebody who is gone.
        provider_ended: whether the provider has ended the session.
    """

    process: int
    now: float
    later: float
    provider_ended: bool


@dataclass(frozen=True, slots=True)
class Branch:
    """A possibility.

    Attributes:
        first_write: the state after the request's first write alone; None if it writes nothing.
    """

    outcome: Outcome
    state: State
    first_write: State | None = None


Operation = Callable[[State], Iterable[Branch]]


def possible(states: Iterable[State], *answered: tuple[Operation, Outcome]) -> frozenset[State]:
    """The states that allow what was answered to requests which were made at once, in whatever order they took effect."""
    begin, found = frozenset(states), set[State]()
    for order in permutations(answered):
        current = set(begin)
        for operation, outcome in order:
            current = {branch.state for state in current for branch in operation(state) if branch.outcome is outcome}
        found |= current
    return frozenset(found)


def disturbed(operation: Operation, fault: Fault | None) -> Operation:
    """The operation when its first write meets a fault."""

    def branches(state: State) -> Iterator[Branch]:
        for branch in operation(state):
            if fault is None or branch.first_write is None:
                yield branch
            else:
                yield Branch(Outcome.UNAVAILABLE, branch.first_write if fault is Fault.LOST else state)

    return branches


def redeem(at: Moment) -> Operation:
    """The code, from the right client with the right verifier."""

    def branches(state: State) -> Iterator[Branch]:
        if state.spent_at is not None:
            yield from _replay(state, at)
        elif at.now >= state.signed_in_at + CODE_SECONDS:
            yield Branch(Outcome.REFUSED, state)
        else:
            first = replace(state, spent_at=at.now, generation=1, rotated_at=at.now, expires_at=at.now + SESSION_SECONDS)
            yield Branch(Outcome.OK, first, first)

    return branches


def _replay(state: State, at: Moment) -> Iterator[Branch]:
    assert state.spent_at is not None
    is_harmless = not state.used and state.generation == 1 and at.now - state.spent_at <= REPLAY_SECONDS
    if is_harmless or state.ended_at is not None:
        yield Branch(Outcome.REFUSED, state)
    else:
        yield from _ends(state, at)
        if at.now >= state.expires_at:  # the record may have gone
            yield Branch(Outcome.REFUSED, state)


def stranger(state: State) -> Iterator[Branch]:
    """A code or refresh token from another client, or with another verifier: it changes nothing."""
    yield Branch(Outcome.REFUSED, state)


def refresh(at: Moment, generation: int) -> Operation:
    """The refresh token of that generation."""

    def branches(state: State) -> Iterator[Branch]:
        if state.ended_at is not None or at.now >= state.expires_at or generation > state.generation:
            yield Branch(Outcome.REFUSED, state)
        elif generation == state.generation:
            yield from _renewed(state, at, replace(state, generation=generation + 1, rotated_at=at.now, used=True))
        elif generation == state.generation - 1 and at.now - state.rotated_at <= RETRY_SECONDS:
            yield from _renewed(state, at, state)
        else:
            yield from _ends(state, at)

    return branches


def call(at: Moment, token_ends_at: float) -> Operation:
    """A call with an access token."""

    def branches(state: State) -> Iterator[Branch]:
        if at.now >= token_ends_at:
            yield Branch(Outcome.REFUSED, state)
        elif state.ended_at is not None:
            yield Branch(Outcome.REFUSED, replace(state, knowing=state.knowing | {at.process}))
            if at.process not in state.knowing and at.now < state.ended_at + REVOCATION_DELAY:
                yield Branch(Outcome.OK, state)
        elif at.now >= state.expires_at:
            yield Branch(Outcome.REFUSED, state)
        else:
            yield from _called(state, at)

    return branches


def _called(state: State, at: Moment) -> Iterator[Branch]:
    assert state.spent_at is not None
    if state.used or at.now - state.spent_at > REPLAY_SECONDS:
        yield from _renewed(state, at, None)
    else:
        # The code is of just now, so the provider's token is, too.
        used = replace(state, used=True)
        yield Branch(Outcome.OK, used, used)


def revoke(at: Moment) -> Operation:
    """Any token of the session at the revocation endpoint, by its client."""

    def branches(state: State) -> Iterator[Branch]:
        if state.ended_at is not None or at.now >= state.expires_at:
            yield Branch(Outcome.OK, state)
        else:
            ended = state.ended(at)
            yield Branch(Outcome.OK, ended, replace(ended, knowing=frozenset()))

    return branches


def restarted(states: Iterable[State], process: int) -> frozenset[State]:
    """A process that remembers nothing reads everything anew."""
    return frozenset(state if state.ended_at is None else replace(state, knowing=state.knowing | {process}) for state in states)


def _ends(state: State, at: Moment) -> Iterator[Branch]:
    """Reuse: refused, and it ends the session."""
    ended = state.ended(at)
    yield Branch(Outcome.REFUSED, ended, replace(ended, knowing=frozenset()))


def _renewed(state: State, at: Moment, changed: State | None) -> Iterator[Branch]:
    """Success with a change or without one, after the provider was asked where its token has ended. The first write is then the lease."""
    after = changed or state
    if at.now < state.upstream_until:
        yield Branch(Outcome.OK, after, changed)
    elif at.provider_ended:
        yield Branch(Outcome.REFUSED, state.ended(at), state)
    else:
        yield Branch(Outcome.OK, replace(after, upstream_until=at.later + UPSTREAM_SECONDS), state)
