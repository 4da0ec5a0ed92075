"""The judgement of the provider's journal, on journals written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scale.upstream import Upstream, judge

INF = float("inf")


def line(presented: str, gave: str = "", *, at: float, server: str = "one", refreshes: bool = True) -> dict[str, Any]:
    return {
        "server": server,
        "presented": presented,
        "gave": gave,
        "refreshes": refreshes,
        "done": bool(gave),
        "began": at,
        "ended": at + 0.1,
    }


def judged(*journal: dict[str, Any], over_by: float = INF, kill: float = INF, outages: Any = ()) -> Upstream:
    begun = line("code", "u1", at=100, refreshes=False)
    kills = {} if kill == INF else {"one": kill}
    return judge([begun, *journal], {"code": "s"}, over_by={"s": over_by}, kills=kills, outages=outages, pace=1)


def test_a_chain_of_renewals_is_in_order():
    found = judged(line("u1", "u2", at=110), line("u2", "u3", at=120, server="two"))
    assert (found.renewals, found.lost, found.complaints, found.ends) == (2, 0, [], {})


def test_two_uses_of_one_token_with_nobody_dead():
    found = judged(line("u1", "u2", at=110), line("u1", at=110.05, server="two"))
    assert found.complaints == ["s: the provider was asked twice with one refresh token, and nobody had died"]


@pytest.mark.parametrize(("kill", "outages", "explained"), [
    (110.2, (), True),
    (109.0, (), False),
    (115.0, (), False),
    (115.0, [(110.05, 116.0)], True),
    (113.5, [(111.0, 112.0)], True),
    (115.0, [(111.0, 112.0)], False),
    (115.0, [(113.0, 116.0)], False),
    (115.0, [(100.0, 109.0)], False),
])  # fmt: skip
def test_who_died_before_writing_down_the_answer_explains_a_second_use(kill, outages, explained):
    found = judged(line("u1", "u2", at=110), line("u1", at=150, server="two"), kill=kill, outages=outages)
    assert (found.lost, bool(found.ends.get("s")), not found.complaints) == (explained, explained, explained)


def test_a_session_that_we_ended_is_refused_by_the_provider_too():
    assert judged(line("u1", at=130), over_by=120).complaints == []
    assert judged(line("u1", at=110), over_by=120).complaints
