"""What the log says of a request, from what its client and the servers wrote down."""

from __future__ import annotations

import pytest
from tests.scale.answers import Answer, digest
from tests.scale.journal import Served
from tests.scale.model import Request
from tests.scale.run import history
from tests.scale.wire import Sent

from vestibule.grants.tokens import CodeToken, new_grant_id
from vestibule.keys.keyring import KeyRing

GIVEN = Answer(status=200, refresh="r2", access="a2", life=20)


def one(sent: Sent, *places: Served, kills: dict[str, float] | None = None) -> Request | None:
    log, repeated = history([sent], {"1": list(places)}, kills or {})
    assert repeated == []
    return log[0] if log else None


def sent(answer: Answer | None = None, *, by_front: bool = False) -> Sent:
    return Sent("1", "refresh", "s", "r1", began=100, ended=110, answer=answer, by_front=by_front)


def test_a_request_that_no_server_saw_did_not_happen():
    assert one(sent()) is None
    assert one(sent(Answer(status=503), by_front=True)) is None


@pytest.mark.parametrize("lost", [sent(), sent(Answer(status=503), by_front=True)])
def test_an_answer_that_was_lost_is_what_the_server_wrote(lost):
    request = one(lost, Served("one", 101, 102, GIVEN))
    assert request is not None
    assert (request.outcome, request.gave_refresh, request.began, request.ended) == ("ok", "r2", 101, 102)


def test_a_process_that_was_killed_in_the_middle_did_it_before_it_died_or_never():
    request = one(sent(Answer(status=503), by_front=True), Served("one", 101), kills={"one": 104})
    assert request is not None
    assert (request.outcome, request.began, request.ended) == ("unknown", 101, 104)


@pytest.mark.parametrize(("status", "outcome"), [(200, "ok"), (400, "refused"), (401, "refused"), (503, "unavailable")])
def test_an_answer_counts_as_what_it_is(status, outcome):
    answer = Answer(status=status, reason="why")
    request = one(sent(answer), Served("one", 101, 102, answer))
    assert request is not None
    assert (request.outcome, request.reason) == (outcome, "why")


def test_a_post_at_two_servers_is_the_fault_of_the_front():
    _, repeated = history([sent()], {"1": [Served("one", 101, 102, GIVEN), Served("two", 103, 104, GIVEN)]}, {})
    assert repeated == ["nginx sent a refresh twice"]


def test_a_token_has_one_name_whichever_key_made_its_tag():
    old, new = (
        KeyRing.from_secrets("the old key of this test, 32 bytes."),
        KeyRing.from_secrets("the new key of this test, 32 bytes."),
    )
    code = CodeToken.new(old, new_grant_id("state"))
    body, tag = code.text[:-22], code.text[-22:]
    other = CodeToken.new(new, new_grant_id("state")).text[-22:]
    assert tag != other
    assert digest(body + other) == digest(code.text)
    assert code.text not in digest(code.text)
    assert digest(CodeToken.new(old, new_grant_id("state")).text) != digest(code.text)
