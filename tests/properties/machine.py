"""Sessions on several servers, driven at random: each rule does something for real, and asks the model whether its answer may be.

In the rules, `number` is a session, `at` and `other` are processes, `fault` is what the first write meets, and `seed` says who runs before whom.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from tests.properties import session_model as model
from tests.properties.session_model import Fault, Moment, Operation, Outcome, State, possible
from tests.properties.town import USERS, Session, Town, outcome
from tests.races.house import Answer, at_once

from vestibule.clock import Clock
from vestibule.storage.protocol import Store
from vestibule.testing import FakeClock

OpenStore = Callable[[Clock], Store]

PROCESSES = 3
process = st.integers(0, PROCESSES - 1)
fault = st.sampled_from([None, None, None, *Fault])
seed = st.integers(0, 1000)
# On both sides of every bound: the delay of a revocation, an impatient client, a retry, the provider's and our tokens, a session.
seconds = st.sampled_from([1, 4, 6, 6, 9, 11, 59, 61, 61, 299, 301, 601, 601, 601, 3601, 32 * 86_400])


class Sessions(RuleBasedStateMachine):
    """The machine. A subclass gives the store."""

    open_store: ClassVar[OpenStore]
    revocation_delay: ClassVar[float] = model.REVOCATION_DELAY
    codes, sessions = Bundle("codes"), Bundle("sessions")

    def settle(self) -> None:
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.store = type(self).open_store(self.clock)
        self.town = Town(self.store, self.clock, PROCESSES, self.revocation_delay)
        self.runner.run(self.town.settle())
        self.possible: dict[int, frozenset[State]] = {}
        self.held: list[Session] = []
        self.disabled: set[str] = set()

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.check_every_session()
        finally:
            self.runner.run(self.town.aclose())
            self.runner.run(self.store.aclose())
            self.runner.close()

    def check_every_session(self) -> None:
        """At the end, with no doubt left that a delay would allow, each session is looked at from everywhere."""
        self.clock.advance(model.REVOCATION_DELAY + 1)
        for number, session in enumerate(self.held):
            for at in range(PROCESSES):
                if session.access_tokens:
                    self.call_with(number, 0, at)
            if session.refresh_tokens:
                self.refresh_with(number, self.generation(number, 0), 0, None, 0)

    @initialize(target=sessions, at=process)
    def sign_in_first(self, at: int) -> int:
        self.settle()
        return self.sign_in(at)

    @rule(target=sessions, at=process)
    def sign_in(self, at: int) -> int:
        number = self.come_back_with_a_code(at)
        self.redeem(number, at, None, 0)
        return number

    @rule(target=codes, at=process)
    def come_back_with_a_code(self, at: int) -> int:
        number = len(self.held)
        session = self.runner.run(self.town.sign_in(at, USERS[number]))
        self.held.append(session)
        now = self.clock.now()
        self.possible[number] = frozenset({State(signed_in_at=now, upstream_until=now + model.UPSTREAM_SECONDS)})
        return number

    @rule(target=sessions, number=consumes(codes), at=process, fault=fault, seed=seed)
    def redeem(self, number: int, at: int, fault: Fault | None, seed: int) -> int:
        answer = self.one(number, at, fault, seed, model.redeem, self.redemption(number, at))
        self.take_first(number, answer)
        return number

    @rule(target=sessions, number=consumes(codes), at=process, other=process, seed=seed)
    def redeem_twice_at_once(self, number: int, at: int, other: int, seed: int) -> int:
        requests = [self.redemption(number, at), self.redemption(number, other)]
        for answer in self.both(number, (at, other), seed, (model.redeem, model.redeem), requests):
            self.take_first(number, answer)
        return number

    @rule(number=sessions, at=process, fault=fault, seed=seed)
    def replay(self, number: int, at: int, fault: Fault | None, seed: int) -> None:
        self.redeem(number, at, fault, seed)

    @rule(number=sessions | codes, at=process, what=st.sampled_from(["client", "verifier", "refresh token"]))
    def present_what_is_somebody_elses(self, number: int, at: int, what: str) -> None:
        session, house, (one, other) = self.held[number], self.town.houses[at], self.town.clients
        if what == "client":
            request = house.redeem(other, session.code, session.attempt)
        elif what == "verifier":
            request = house.redeem(one, session.code, session.attempt, code_verifier="w" * 43)
        elif session.refresh_tokens:
            request = house.refresh(other, session.refresh_tokens[self.generation(number, 0)])
        else:
            return
        self.one(number, at, None, 0, lambda _: model.stranger, request)

    @rule(number=sessions, back=st.sampled_from([0, 0, 1, 2]), at=process, fault=fault, seed=seed)
    def refresh(self, number: int, back: int, at: int, fault: Fault | None, seed: int) -> None:
        """With the newest refresh token that the client has, or one of those before."""
        generation = self.generation(number, back)
        if generation:
            self.refresh_with(number, generation, at, fault, seed)

    @rule(number=sessions, back=st.integers(0, 1), at=process, other=process, seed=seed)
    def refresh_from_two_places(self, number: int, back: int, at: int, other: int, seed: int) -> None:
        generation, session = self.generation(number, back), self.held[number]
        if not generation:
            return
        asked, now = self.upstream_refreshes(), self.clock.now()
        was_due = all(state.upstream_until <= now for state in self.possible[number])
        operation = partial(model.refresh, generation=generation)
        requests = [self.refreshing(number, generation, place) for place in (at, other)]
        answers = self.both(number, (at, other), seed, (operation, operation), requests)
        for answer in answers:
            if answer.status == 200:
                session.take(answer, generation + 1, self.clock.now())
        if was_due and all(answer.status == 200 for answer in answers):
            assert self.upstream_refreshes() == asked + 1, "the provider was asked more than once"

    @rule(number=sessions, back=st.integers(0, 2), at=process, fault=fault, seed=seed)
    def call(self, number: int, back: int, at: int, fault: Fault | None, seed: int) -> None:
        if self.held[number].access_tokens:
            self.call_with(number, back, at, fault, seed)

    @rule(number=sessions, at=process, fault=fault, seed=seed)
    def revoke(self, number: int, at: int, fault: Fault | None, seed: int) -> None:
        if self.generation(number, 0):
            self.one(number, at, fault, seed, model.revoke, self.revocation(number, at))

    @rule(number=consumes(sessions), at=process, other=process)
    def revoke_what_another_process_remembers(self, number: int, at: int, other: int) -> None:
        if not self.held[number].access_tokens:
            return
        self.call_with(number, 0, other)
        self.revoke(number, at, None, 0)
        self.call_with(number, 0, other)
        self.clock.advance(model.REVOCATION_DELAY + 1)
        self.call_with(number, 0, other)

    @rule(number=consumes(sessions), at=process, other=process, seed=seed)
    def revoke_and_refresh_at_once(self, number: int, at: int, other: int, seed: int) -> None:
        generation = self.generation(number, 0)
        if not generation:
            return
        requests = [self.revocation(number, at), self.refreshing(number, generation, other)]
        operations = (model.revoke, partial(model.refresh, generation=generation))
        _, refreshed = self.both(number, (at, other), seed, operations, requests)
        if refreshed.status == 200:
            self.held[number].take(refreshed, generation + 1, self.clock.now())

    @rule(number=consumes(sessions))
    def end_at_the_provider(self, number: int) -> None:
        self.disabled.add(self.held[number].user)
        self.town.provider.faults.user_disabled(self.held[number].user)
        if self.held[number].access_tokens:
            self.call_with(number, 0, 0)
            self.clock.advance(model.UPSTREAM_SECONDS)
            self.call_with(number, 0, 0)

    @rule(by=seconds)
    def let_time_pass(self, by: int) -> None:
        self.clock.advance(by)

    @rule(at=process)
    def restart(self, at: int) -> None:
        self.town.houses[at].open()
        for number, states in self.possible.items():
            self.possible[number] = model.restarted(states, at)

    @invariant()
    def no_code_was_redeemed_twice(self) -> None:
        assert all(session.redeemed <= 1 for session in getattr(self, "held", []))

    # What the rules have in common.

    def one(
        self, number: int, at: int, fault: Fault | None, seed: int, operation: Callable[[Moment], Operation], request: Any
    ) -> Answer:
        """One request, whose answer the model has to allow."""
        self.town.order(at, fault, seed)
        now = self.clock.now()
        answer = self.runner.run(_awaited(request))
        self.town.order(at, None, seed)
        happened = model.disturbed(operation(self.moment(number, at, now)), fault)
        self.allow(number, (happened, outcome(answer)))
        return answer

    def both(
        self,
        number: int,
        places: tuple[int, int],
        seed: int,
        operations: tuple[Callable[[Moment], Operation], Callable[[Moment], Operation]],
        requests: list[Any],
    ) -> list[Answer]:
        """Two requests at once."""
        for place in places:
            self.town.order(place, None, seed + place)
        now = self.clock.now()
        answers: list[Answer] = self.runner.run(at_once(*requests))
        happened = [
            (operation(self.moment(number, place, now)), outcome(answer))
            for operation, place, answer in zip(operations, places, answers, strict=True)
        ]
        self.allow(number, *happened)
        return answers

    def allow(self, number: int, *answered: tuple[Operation, Outcome]) -> None:
        before = self.possible[number]
        self.possible[number] = possible(before, *answered)
        assert self.possible[number], f"answered {[each.name for _, each in answered]}, which cannot follow from {before}"

    def moment(self, number: int, at: int, now: float) -> Moment:
        return Moment(at, now, self.clock.now(), self.held[number].user in self.disabled)

    def generation(self, number: int, back: int) -> int:
        """Of the newest refresh token that the client holds, or as many before as there are; 0 if it holds none."""
        known = sorted(self.held[number].refresh_tokens)
        return known[max(-1 - back, -len(known))] if known else 0

    def take_first(self, number: int, answer: Answer) -> None:
        if answer.status == 200:
            self.held[number].redeemed += 1
            self.held[number].take(answer, 1, self.clock.now())

    def call_with(self, number: int, back: int, at: int, fault: Fault | None = None, seed: int = 0) -> None:
        tokens = self.held[number].access_tokens
        token, ends_at = tokens[max(-1 - back, -len(tokens))]
        operation = partial(model.call, token_ends_at=ends_at)
        self.one(number, at, fault, seed, operation, self.town.houses[at].call(token))

    def refresh_with(self, number: int, generation: int, at: int, fault: Fault | None, seed: int) -> None:
        operation = partial(model.refresh, generation=generation)
        answer = self.one(number, at, fault, seed, operation, self.refreshing(number, generation, at))
        if answer.status == 200:
            self.held[number].take(answer, generation + 1, self.clock.now())

    def redemption(self, number: int, at: int) -> Any:
        session = self.held[number]
        return self.town.houses[at].redeem(self.town.clients[0], session.code, session.attempt)

    def refreshing(self, number: int, generation: int, at: int) -> Any:
        return self.town.houses[at].refresh(self.town.clients[0], self.held[number].refresh_tokens[generation])

    def revocation(self, number: int, at: int) -> Any:
        newest = self.held[number].refresh_tokens[self.generation(number, 0)]
        return self.town.houses[at].revoke(self.town.clients[0], newest)

    def upstream_refreshes(self) -> int:
        return self.town.houses[0].upstream_refreshes


async def _awaited(request: Any) -> Answer:
    answer: Answer = await request
    return answer
