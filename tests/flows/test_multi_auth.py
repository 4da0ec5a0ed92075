"""People through a bridge and machines with tokens of their own, at one endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, Stage, protected_server

from vestibule import (
    DebugTokenVerifier,
    IntrospectionTokenVerifier,
    JWTVerifier,
    MultiAuth,
    RemoteAuthProvider,
    StaticTokenVerifier,
    TokenVerifier,
    reasons,
)
from vestibule.errors import ConfigurationError, TokenRejected, Unavailable
from vestibule.testing import ScriptedClient
from vestibule.verifiers.key_pair import RSAKeyPair

pytestmark = pytest.mark.anyio

KEYS, OTHER_KEYS = RSAKeyPair.generate(), RSAKeyPair.generate()
MACHINES = "https://machines.example"
API_KEY = "key-of-the-nightly-job"


class Asked(DebugTokenVerifier):
    """Would have to ask somewhere; counts how often."""

    def __init__(self, answer: bool | Exception) -> None:
        super().__init__(self._answer)
        self.answer = answer
        self.questions = 0

    def _answer(self, _: str) -> bool:
        self.questions += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def machines(**options: Any) -> JWTVerifier:
    return JWTVerifier(public_key=KEYS.public_key, issuer=MACHINES, audience="notes", **options)


def keys() -> StaticTokenVerifier:
    return StaticTokenVerifier({API_KEY: {"client_id": "nightly", "scopes": ["read"]}})


def machine_token(pair: RSAKeyPair = KEYS, issuer: str = MACHINES, **options: Any) -> str:
    claims = {"client_id": "robot", **options.pop("additional_claims", {})}
    return pair.create_token(subject="robot", issuer=issuer, audience="notes", additional_claims=claims, **options)


Ask = Callable[[str], Awaitable[httpx2.Response]]


def at(stage: Stage, auth: MultiAuth) -> Ask:
    """Put the protected server behind `auth` instead, and call it with a token."""
    stage.apps[BASE] = auth.protect(protected_server())
    http = stage.http

    async def ask(token: str) -> httpx2.Response:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}}
        return await http.post(stage.resource, json=message, headers={"authorization": f"Bearer {token}"})

    return ask


async def caller(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


async def test_each_comes_with_what_it_has(stage: Stage) -> None:
    ask = at(stage, MultiAuth(server=stage.auth, verifiers={"jobs": machines(), "keys": keys()}))
    person: ScriptedClient = await stage.signed_in()
    callers = [await caller(await ask(token)) for token in (person.tokens["access_token"], machine_token(), API_KEY)]
    assert [one["claims"]["auth_source"] for one in callers] == ["server", "jobs", "keys"]
    assert [one["client_id"] for one in callers] == [person.registration["client_id"], "robot", "nightly"]
    assert [one["subject"] for one in callers] == ["alice", "robot", None]


async def test_a_token_of_a_known_source_causes_no_question_elsewhere(stage: Stage) -> None:
    asked = Asked(True)
    ask = at(stage, MultiAuth(server=stage.auth, verifiers={"jobs": machines(), "keys": keys(), "asked": asked}))
    person = await stage.signed_in()
    before = len(stage.provider.requests)
    for token in (person.tokens["access_token"], machine_token(), API_KEY):
        assert (await ask(token)).status_code == 200
    refused = [machine_token(OTHER_KEYS), machine_token(OTHER_KEYS, issuer=BASE), machine_token(expires_in_seconds=-100)]
    assert [(await ask(token)).status_code for token in refused] == [401, 401, 401]
    assert (asked.questions, len(stage.provider.requests)) == (0, before)


async def test_what_nobody_recognises_goes_to_those_who_cannot_tell(stage: Stage) -> None:
    asked = Asked(True)
    ask = at(stage, MultiAuth(server=stage.auth, verifiers={"jobs": machines(), "asked": asked}))
    assert (await caller(await ask("an-opaque-token")))["claims"]["auth_source"] == "asked"
    assert asked.questions == 1


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (machine_token(OTHER_KEYS), reasons.TOKEN_SIGNATURE),
        (machine_token(expires_in_seconds=-100), reasons.TOKEN_EXPIRED),
        (machine_token(issuer="https://elsewhere.example"), reasons.TOKEN_ISSUER),
        ("an-opaque-token", reasons.TOKEN_NOT_ACCEPTED),
        (API_KEY + "x", reasons.TOKEN_NOT_ACCEPTED),
    ],
)
async def test_a_refusal_has_the_reason_of_its_source(token: str, reason: reasons.Reason) -> None:
    with pytest.raises(TokenRejected) as caught:
        await MultiAuth(verifiers=[machines(), keys()]).check_token(token)
    assert caught.value.reason is reason


async def test_the_log_names_both_sides_of_what_does_not_fit_and_the_answer_neither(stage: Stage) -> None:
    """Otherwise whoever set it up has to decode tokens by hand to find the slip."""
    ask = at(stage, MultiAuth(verifiers=machines(), base_url=BASE))
    answer = await ask(KEYS.create_token(subject="robot", issuer=MACHINES, audience="the-notes"))
    assert answer.json()["reason"] == "token_audience"
    event = stage.events[-1]
    assert (event.name, event.request_id) == ("rejected", answer.headers["x-request-id"])
    assert event.detail == "401 aud is 'the-notes', accepted: notes"
    assert "the-notes" not in answer.text + str(answer.headers)
    await ask("an-opaque-token")
    assert stage.events[-1].detail == "401"


async def test_a_source_that_does_not_answer_is_no_refusal() -> None:
    down = Asked(Unavailable(reasons.UPSTREAM_UNAVAILABLE))
    with pytest.raises(Unavailable):
        await MultiAuth(verifiers=[down, Asked(False)]).check_token("opaque")
    answered = await MultiAuth(verifiers=[down, Asked(True)]).check_token("opaque")
    assert answered.claims == {"auth_source": "verifier2"}


async def test_a_token_cannot_name_its_source() -> None:
    token = machine_token(additional_claims={"auth_source": "server"})
    assert (await MultiAuth(verifiers=machines()).check_token(token)).claims["auth_source"] == "verifier1"


async def test_a_token_of_the_server_for_another_path_is_refused(stage: Stage) -> None:
    """RFC 8707 §2: the server's tokens stay bound to one resource."""
    stage.auth.set_mcp_path("/other")
    other = ScriptedClient(f"{BASE}/mcp", user=stage.user(), apps=stage.apps)
    await other.discover()
    await other.register()
    attempt = other.start(resource=f"{BASE}/other")
    code = other.finish(attempt, await other.user.visit(attempt.url, other.redirect_uri))
    await other.exchange(code, attempt)
    ask = at(stage, MultiAuth(server=stage.auth, verifiers=machines()))
    answer = await ask(other.tokens["access_token"])
    await other.aclose()
    assert answer.status_code == 401
    assert "token_audience" in answer.text


async def test_scopes_are_each_sources_own(staged: SetStage) -> None:
    stage = await staged(required_scopes=["openid", "email"])
    ask = at(stage, MultiAuth(server=stage.auth, verifiers={"jobs": machines(required_scopes=["run"]), "keys": keys()}))
    person = await stage.signed_in()
    answers = [await ask(token) for token in (person.tokens["access_token"], machine_token(scopes=["run"]), API_KEY)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    lacking = await ask(machine_token(scopes=["read"]))
    assert lacking.status_code == 403
    assert "insufficient_scope" in lacking.headers["www-authenticate"]


async def test_scopes_for_everybody_can_be_named(stage: Stage) -> None:
    ask = at(stage, MultiAuth(stage.auth, keys(), required_scopes=["write"]))
    assert (await ask(API_KEY)).status_code == 403


async def test_clients_are_told_what_the_server_says(stage: Stage) -> None:
    at(stage, MultiAuth(stage.auth, keys()))
    answer = await stage.http.post(stage.resource, json={})
    assert answer.status_code == 401
    assert 'scope="openid"' in answer.headers["www-authenticate"]
    document = (await stage.http.get(f"{BASE}/.well-known/oauth-protected-resource/mcp")).json()
    assert document["authorization_servers"] == [BASE]


async def test_a_remote_server_works_the_same_way() -> None:
    remote = RemoteAuthProvider(machines(), ["https://login.example"], "https://mcp.example.com")
    both = MultiAuth(remote, {"keys": keys()})
    assert (await both.check_token(machine_token())).claims["auth_source"] == "server"
    assert (await both.check_token(API_KEY)).claims["auth_source"] == "keys"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "needs a server or a verifier"),
        ({"verifiers": []}, "needs a server or a verifier"),
        ({"server": StaticTokenVerifier({}), "verifiers": {"server": keys()}}, "is the name of the server"),
        ({"verifiers": ["a"]}, "verifier1 is a str"),
        ({"server": StaticTokenVerifier({}, base_url="https://a.example"), "base_url": "https://b.example"}, "set it there"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MultiAuth(**arguments)


def test_a_verifier_that_takes_any_applications_tokens_is_refused() -> None:
    class Careless(TokenVerifier):
        knows_application = False

    with pytest.raises(ConfigurationError, match="cannot tell which application"):
        MultiAuth(verifiers={"careless": Careless()})


def test_several_sources_say_together_whether_they_know_a_token() -> None:
    asking = IntrospectionTokenVerifier(introspection_url="https://i.example", client_id="us", client_secret="secret")
    assert MultiAuth(verifiers=[machines(), keys()]).recognises(API_KEY) is True
    assert MultiAuth(verifiers=[machines(), keys()]).recognises("opaque") is False
    assert MultiAuth(verifiers=[machines(), asking]).recognises("opaque") is None
