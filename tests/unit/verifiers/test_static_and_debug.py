"""The two verifiers for development."""

import logging

import pytest

from vestibule import reasons
from vestibule.errors import ConfigurationError, Unavailable
from vestibule.testing.clock import FakeClock
from vestibule.verifiers.base import rejection
from vestibule.verifiers.debug import DebugTokenVerifier
from vestibule.verifiers.static import StaticTokenVerifier

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000
TOKENS = {
    "alice-token": {"client_id": "app", "scopes": ["read"], "sub": "alice", "team": "red"},
    "short-token": {"client_id": "app", "expires_at": NOW + 60},
}


def static(**options):
    return StaticTokenVerifier(TOKENS, clock=FakeClock(NOW), **options)


async def refusal(verifier, token):
    assert await verifier.verify_token(token) is None
    return rejection.get()


async def test_a_listed_token():
    known = await static().verify_token("alice-token")
    assert (known.token, known.client_id, known.scopes, known.subject) == ("alice-token", "app", ["read"], "alice")
    assert known.claims["team"] == "red"


@pytest.mark.spec("RS-05")
@pytest.mark.parametrize("token", ["", " ", "alice-toke", "alice-token ", "ALICE-TOKEN", "\udc80", "ü", "x" * 10**6])
async def test_everything_else_is_refused(token):
    assert await refusal(static(), token) is reasons.TOKEN_NOT_ACCEPTED


@pytest.mark.spec("RS-12")
async def test_a_listed_token_ends():
    clock = FakeClock(NOW)
    verifier = StaticTokenVerifier(TOKENS, clock=clock)
    assert (await verifier.verify_token("short-token")).expires_at == NOW + 60
    clock.advance(60)
    assert await refusal(verifier, "short-token") is reasons.TOKEN_EXPIRED


@pytest.mark.spec("RS-19")
async def test_a_listed_token_needs_the_scopes():
    assert await refusal(static(required_scopes=["write"]), "alice-token") is reasons.SCOPE_MISSING
    assert await static(required_scopes=["read"]).verify_token("alice-token")


async def test_what_a_caller_changes_stays_with_that_caller():
    verifier = static()
    first = await verifier.verify_token("alice-token")
    first.scopes.append("admin")
    first.claims["sub"] = "mallory"
    second = await verifier.verify_token("alice-token")
    assert (second.scopes, second.claims["sub"]) == (["read"], "alice")


@pytest.mark.parametrize(
    "tokens", [{"": {"client_id": "app"}}, {" ": {"client_id": "app"}}, {"t": {}}, {"t": {"client_id": 1}}]
)
def test_a_list_that_cannot_work_is_refused_at_once(tokens):
    with pytest.raises(ConfigurationError):
        StaticTokenVerifier(tokens)


async def validate_later(token):
    return token == "good"


@pytest.mark.parametrize("validate", [lambda token: token == "good", validate_later])
async def test_a_function_decides(validate):
    verifier = DebugTokenVerifier(validate, client_id="me", scopes=["read"])
    known = await verifier.verify_token("good")
    assert (known.client_id, known.scopes) == ("me", ["read"])
    assert await refusal(verifier, "bad") is reasons.TOKEN_NOT_ACCEPTED


def test_to_accept_everything_has_to_be_written_down():
    with pytest.raises(TypeError):
        DebugTokenVerifier()


@pytest.mark.parametrize("token", ["", " ", "\t\n"])
async def test_a_blank_token_is_not_even_asked_about(token):
    assert await refusal(DebugTokenVerifier(lambda _token: True), token) is reasons.TOKEN_NOT_ACCEPTED


async def test_a_function_that_fails_refuses_and_its_text_stays_out_of_the_log(caplog):
    def failing(token):
        raise ValueError(f"cannot read {token}")

    with caplog.at_level(logging.DEBUG):
        assert await refusal(DebugTokenVerifier(failing), "hunter2") is reasons.TOKEN_NOT_ACCEPTED
    assert "ValueError" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_function_may_say_that_it_cannot_tell():
    def down(_token):
        raise Unavailable(reasons.UPSTREAM_UNAVAILABLE)

    with pytest.raises(Unavailable):
        await DebugTokenVerifier(down).verify_token("token")


@pytest.mark.spec("RS-19")
async def test_what_a_function_accepts_needs_the_scopes():
    assert await refusal(DebugTokenVerifier(lambda _token: True, required_scopes=["read"]), "token") is reasons.SCOPE_MISSING
