"""The model itself, on histories written by hand: those that must pass, and those that must not."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from tests.scale.checks import replay
from tests.scale.model import End, Kind, Outcome, Request, Retirement, Rules, Session


class History:
    """Writes a log of one session. A request takes a second and begins a second after the last one, unless told otherwise."""

    def __init__(self) -> None:
        self.log: list[Request] = []
        self.upstream_ends: list[End] = []
        self.retirements: list[Retirement] = []
        self._now = count(100.0, 2.0)

    def add(
        self, kind: Kind, presented: str, outcome: Outcome = "ok", *, at: tuple[float, float] | None = None, **rest: Any
    ) -> None:
        now = next(self._now)
        began, ended = at or (now, now + 1)
        self.log.append(Request(kind=kind, session="s", presented=presented, began=began, ended=ended, outcome=outcome, **rest))

    def redeemed(self, gives: str = "r1", **rest: Any) -> None:
        self.add("redeem", "code", gave_refresh=gives, gave_access=f"access of {gives}", life=3600, **rest)

    def refreshed(self, token: str, gives: str, **rest: Any) -> None:
        self.add("refresh", token, gave_refresh=gives, gave_access=f"access of {gives}", life=3600, **rest)

    def refused(self, kind: Kind, token: str, reason: str, **rest: Any) -> None:
        self.add(kind, token, "refused", reason=reason, **rest)

    def verdict(self) -> Session:
        return replay(self.log, Rules(), {"s": self.upstream_ends}, self.retirements)["s"]

    @property
    def complaints(self) -> list[str]:
        return self.verdict().complaints


@pytest.fixture
def history() -> History:
    return History()


def test_a_quiet_life_is_in_order(history):
    history.redeemed()
    history.add("call", "access of r1")
    history.refreshed("r1", "r2")
    history.add("call", "access of r2")
    assert history.complaints == []
    assert history.verdict().may_be_ended_from == float("inf")


def test_a_code_that_two_get_tokens_for(history):
    history.redeemed()
    history.redeemed(gives="r9")
    assert "a code was redeemed twice" in history.complaints


def test_a_second_post_is_refused_and_harmless_before_any_use(history):
    history.redeemed()
    history.refused("redeem", "code", "code_spent")
    history.refreshed("r1", "r2")
    assert history.complaints == []
    assert history.verdict().ends == []


def test_a_first_post_may_not_be_refused(history):
    history.refused("redeem", "code", "code_spent")
    assert history.complaints == ["a good code was refused: code_spent"]


def test_a_post_whose_answer_was_lost_explains_a_refusal(history):
    history.add("redeem", "code", "unknown")
    history.refused("redeem", "code", "code_spent")
    assert history.complaints == []


@pytest.mark.parametrize("after", ["use", "time"])
def test_a_replayed_code_must_end_the_session(history, after):
    history.redeemed()
    if after == "use":
        history.add("call", "access of r1")
    history.refused("redeem", "code", "code_spent", at=(150, 151))
    history.refreshed("r1", "r2", at=(152, 153))
    assert history.complaints == ["a refresh succeeded 1.0 s after the session had ended"]


def test_a_code_replayed_while_its_token_was_first_used_may_end_it_or_not(history):
    history.redeemed(at=(100, 101))
    history.add("call", "access of r1", at=(102, 104))
    history.refused("redeem", "code", "code_spent", at=(103, 105))
    for outcome in ("ok", "refused"):
        both = History()
        both.log = [*history.log, Request(**_refresh(outcome))]
        assert both.complaints == []


def _refresh(outcome: str) -> dict[str, Any]:
    common = {"kind": "refresh", "session": "s", "presented": "r1", "began": 106, "ended": 107, "outcome": outcome}
    return common | ({"reason": "grant_ended"} if outcome == "refused" else {"gave_refresh": "r2", "gave_access": "a2"})


def test_a_retry_gets_the_same_successor(history):
    history.redeemed()
    history.refreshed("r1", "r2")
    history.refreshed("r1", "r2")
    history.refreshed("r2", "r3")
    assert history.complaints == []


def test_two_successors_of_one_token(history):
    history.redeemed()
    history.refreshed("r1", "r2")
    history.refreshed("r1", "r2b")
    assert "a refresh token was redeemed twice: it has two successors" in history.complaints


def test_a_spent_token_that_is_accepted(history):
    history.redeemed()
    history.refreshed("r1", "r2")
    history.refreshed("r2", "r3")
    history.refreshed("r1", "r2")
    assert "a spent refresh token was accepted" in history.complaints


def test_a_late_retry_that_is_accepted(history):
    history.redeemed()
    history.refreshed("r1", "r2", at=(110, 111))
    history.refreshed("r1", "r2", at=(172, 173))
    assert history.complaints == ["a refresh token was accepted after its time to be retried"]


@pytest.mark.parametrize("retried_at", [(169, 170.5), (200, 201)])
def test_a_late_retry_may_end_the_session(history, retried_at):
    history.redeemed()
    history.refreshed("r1", "r2", at=(110, 111))
    history.refused("refresh", "r1", "refresh_reused", at=retried_at)
    assert history.complaints == []


def test_a_theft_ends_the_session_for_everybody(history):
    history.redeemed()
    history.refreshed("r1", "r2")
    history.refreshed("r2", "r3")
    history.refused("refresh", "r1", "refresh_reused")
    history.refused("refresh", "r3", "grant_ended")
    history.refused("call", "access of r3", "grant_ended")
    assert history.complaints == []
    history.refreshed("r3", "r4")
    assert history.complaints == ["a refresh succeeded 5.0 s after the session had ended"]


def test_an_honest_refresh_that_is_taken_for_theft(history):
    history.redeemed()
    history.refused("refresh", "r1", "refresh_reused")
    assert history.complaints == ["an honest refresh was taken for theft"]


def test_an_honest_retry_that_is_taken_for_theft(history):
    history.redeemed()
    history.add("refresh", "r1", "unknown")
    history.refused("refresh", "r1", "refresh_reused")
    assert history.complaints == ["an honest refresh was taken for theft"]


def test_a_request_that_arrived_after_its_successor_was_used_is_a_theft(history):
    history.redeemed()
    history.refreshed("r1", "r2", at=(110, 111))
    history.refreshed("r2", "r3", at=(112, 113))
    history.refused("refresh", "r1", "refresh_reused", at=(109, 114))
    assert history.complaints == []


@pytest.mark.parametrize("kind", ["refresh", "call"])
@pytest.mark.parametrize("reason", ["grant_ended", "grant_unknown", "refresh_invalid", "upstream_refused", "client_unknown"])
def test_a_session_that_nothing_ended_is_not_to_be_refused(history, kind, reason):
    history.redeemed()
    history.refused(kind, {"refresh": "r1", "call": "access of r1"}[kind], reason)
    assert history.complaints == [f"a living session was lost: {kind} refused with {reason}"]


def test_a_session_that_the_provider_may_have_ended_may_be_refused(history):
    history.redeemed()
    history.upstream_ends = [End(101, float("inf"), "its renewal died with a process")]
    history.refused("refresh", "r1", "upstream_refused")
    history.refused("call", "access of r1", "grant_ended")
    assert history.complaints == []


def test_a_revocation_may_reach_a_renewal_by_way_of_the_provider(history):
    history.redeemed()
    history.add("revoke", "r1", at=(110, 112))
    history.refused("call", "access of r1", "upstream_refused", at=(110.5, 111.5))
    assert history.complaints == []


def test_a_call_may_succeed_for_the_stated_time_after_the_end_and_no_longer(history):
    history.redeemed()
    history.add("revoke", "r1", at=(110, 111))
    history.add("call", "access of r1", at=(115.9, 116))
    assert history.complaints == []
    history.add("call", "access of r1", at=(116.5, 116.6))
    assert history.complaints == ["a call succeeded 5.5 s after the session had ended"]


def test_a_refresh_may_not_succeed_after_the_end(history):
    history.redeemed()
    history.add("revoke", "r1", at=(110, 111))
    history.refreshed("r1", "r2", at=(111.5, 112))
    assert history.complaints == ["a refresh succeeded 0.5 s after the session had ended"]


@pytest.mark.parametrize("outcome", ["unknown", "unavailable"])
def test_a_revocation_whose_answer_was_lost_leaves_both_open(history, outcome):
    history.redeemed()
    history.add("revoke", "r1", outcome)
    history.refused("call", "access of r1", "grant_ended")
    assert history.complaints == []
    other = History()
    other.redeemed()
    other.add("revoke", "r1", outcome)
    other.refreshed("r1", "r2")
    assert other.complaints == []
    assert other.verdict().must_be_ended_by == float("inf")


def test_an_end_that_a_later_refresh_shows_not_to_have_happened_explains_nothing(history):
    history.redeemed()
    history.add("revoke", "r1", "unavailable")
    history.refreshed("r1", "r2")
    history.refused("call", "access of r2", "grant_ended")
    assert history.complaints == ["a living session was lost: call refused with grant_ended"]


def test_a_refusal_before_any_end_began(history):
    history.redeemed()
    history.refused("refresh", "r1", "grant_ended", at=(110, 111))
    history.add("revoke", "r1", at=(112, 113))
    assert history.complaints == ["a living session was lost: refresh refused with grant_ended"]


def test_an_access_token_is_refused_after_its_life_only(history):
    history.redeemed()
    history.refused("call", "access of r1", "token_expired", at=(3800, 3801))
    assert history.complaints == []
    history.refused("call", "access of r1", "token_expired", at=(200, 201))
    assert history.complaints == ["a living session was lost: call refused with token_expired"]


def test_an_expired_access_token_that_is_accepted(history):
    history.redeemed()
    history.add("call", "access of r1", at=(3800, 3801))
    assert history.complaints == ["an expired access token was accepted"]


@pytest.mark.parametrize(("kind", "token", "reason"), [
    ("refresh", "r1", "grant_ended"),
    ("refresh", "r1", "refresh_invalid"),
    ("call", "access of r1", "token_key_unknown"),
    ("redeem", "code", "code_invalid"),
])  # fmt: skip
def test_a_key_takes_with_it_what_it_made(history, kind, token, reason):
    history.redeemed(at=(100, 101))
    history.refused(kind, token, reason, at=(312, 313))
    assert history.complaints
    history.retirements = [Retirement(successor_from=200, began=310, ended=315)]
    assert history.complaints == []
    history.retirements = [Retirement(successor_from=50, began=310, ended=315)]
    assert history.complaints or kind == "redeem"


def test_a_session_that_was_refreshed_with_the_next_key_outlives_the_old_one(history):
    history.redeemed(at=(100, 101))
    history.refreshed("r1", "r2", at=(201, 202))
    history.refused("refresh", "r2", "grant_ended", at=(312, 313))
    history.retirements = [Retirement(successor_from=200, began=310, ended=315)]
    assert history.complaints == ["a living session was lost: refresh refused with grant_ended"]


@pytest.mark.parametrize("reason", ["grant_ended", "code_invalid"])
def test_a_code_that_was_not_redeemed_yet_goes_with_its_key(history, reason):
    history.add("redeem", "code", "unavailable", at=(205, 206))
    history.refused("redeem", "code", reason, at=(312, 313))
    assert history.complaints == [f"a good code was refused: {reason}"]
    history.retirements = [Retirement(successor_from=200, began=310, ended=315)]
    assert history.complaints == []


def test_a_session_whose_client_may_still_ask_with_the_old_key_may_end_with_it(history):
    history.redeemed(at=(100, 101))
    history.refreshed("r1", "r2", at=(280, 281))
    history.refused("refresh", "r2", "grant_ended", at=(312, 313))
    history.retirements = [Retirement(successor_from=200, began=310, ended=315)]
    assert history.complaints == []
