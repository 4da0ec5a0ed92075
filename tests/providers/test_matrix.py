"""Every provider, the same way: sign in, call, refresh, revoke, and everything that must be refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from tests.flows.stage import BASE
from tests.providers.discovery import serve_documents
from tests.providers.fakes.registry import CASES, COLUMNS, Case
from tests.providers.house import FAILED, RESOURCE, House
from tests.providers.matrix import PROPERTY

from vestibule.proxy.remote import RemoteAuthProvider
from vestibule.testing.client import CallRefused, ScriptedClient, StepFailed
from vestibule.testing.user import UnexpectedPage

pytestmark = pytest.mark.anyio

WEEKS = 3 * 7 * 86_400.0


class Row:
    """One provider in place, with its fake."""

    def __init__(self, case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.case, self.house = case, house
        self.fake = case.fake(clock=house.clock, **({} if case.name == "azure" else {"users": _users(case)}))
        house.apps.update(self.fake.apps)
        serve_documents(self.fake, monkeypatch)

    def open(self, **options: Any) -> Any:
        common = self.house.common
        if self.case.remote:
            common = {name: common[name] for name in ("base_url", "clock", "http_client")}
        auth = self.case.build(self.fake, {**common, **options})
        self.house.open(auth)
        self.scope = " ".join(auth.challenge_scopes) if self.case.remote else None
        return auth

    async def signed_in(self, user: str = "alice") -> ScriptedClient:
        """A client that asks the provider for what the challenge names, and a bridge for nothing in particular."""
        return await self.house.signed_in(user, self.scope)

    @property
    def life(self) -> float:
        return getattr(self.fake, "life", 3600) or 3600

    def token_requests(self) -> int:
        return len(self.fake.requests_to(self.fake.endpoints["token"].rpartition("/")[2]))

    def seen(self, reason: str) -> bool:
        """Whether an event tells this reason."""
        return any(reason in (event.reason or "") or reason in (event.detail or "") for event in self.house.events)


def _users(case: Case) -> dict[str, dict[str, Any]]:
    return {name: dict(claims) for name, claims in case.fake.__dataclass_fields__["users"].default_factory().items()}


MakeRow = Callable[[Case, str], Row]


@pytest.fixture
def row(house: House, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, Any], None]) -> MakeRow:
    """The row of a case, with the column noted for the matrix."""

    def make(case: Case, column: str) -> Row:
        record_property(PROPERTY, [case.name, column])
        return Row(case, house, monkeypatch)

    return make


def cell(column: str, *, only: Callable[[Case], bool] = lambda case: True) -> pytest.MarkDecorator:
    """Run for every provider that has such a thing."""
    cases = [case for case in CASES if case.test_for(column) and only(case)]
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def bridge(case: Case) -> bool:
    return not case.remote


def remote(case: Case) -> bool:
    return case.remote


async def refused(call: Awaitable[Any], status: int) -> str:
    """The challenge of a call that HTTP refuses."""
    with pytest.raises(CallRefused) as caught:
        await call
    assert caught.value.status == status
    return caught.value.challenge


def test_every_cell_is_a_test_or_has_a_reason() -> None:
    assert {column for case in CASES for column in case.not_applicable} <= set(COLUMNS)
    assert all(reason for case in CASES for reason in case.not_applicable.values())
    assert len({case.name for case in CASES}) == len(CASES)


@cell("sign in")
async def test_two_users_sign_in_and_are_two_subjects(case: Case, row: MakeRow) -> None:
    here = row(case, "sign in")
    here.open()
    subjects = [(await (await here.signed_in(user)).call_tool("whoami"))["subject"] for user in ("alice", "bob")]
    assert subjects == [here.fake.subject(user) for user in ("alice", "bob")]
    assert subjects[0] != subjects[1]


@cell("call")
async def test_calls_tell_the_caller_and_ask_nobody(case: Case, row: MakeRow) -> None:
    """While what is known is fresh: no request goes to the provider."""
    here = row(case, "call")
    here.open()
    client = await here.signed_in()
    first = await client.call_tool("whoami")
    before = len(here.fake.asked)
    for _ in range(5):
        assert await client.call_tool("whoami") == first
    assert len(here.fake.asked) == before
    assert first["client_id"] == client.registration["client_id"] or case.name in ("supabase", "propelauth")
    assert first["resource"] == RESOURCE or case.remote
    assert first["claims"]


@cell("refresh")
async def test_sessions_outlive_the_providers_tokens(case: Case, row: MakeRow) -> None:
    here = row(case, "refresh")
    here.open()
    client = await here.signed_in()
    first, before = client.tokens["access_token"], here.token_requests()
    for _ in range(3):
        here.house.clock.advance(here.life + 1)
        await client.refresh()
        assert (await client.call_tool("whoami"))["subject"] == here.fake.subject("alice")
    assert client.tokens["access_token"] != first
    renewals = here.token_requests() - before
    assert renewals == (0 if here.fake.refresh == "none" else 3)


@cell("revoke", only=bridge)
async def test_a_revoked_session_is_over_here_and_there(case: Case, row: MakeRow) -> None:
    here = row(case, "revoke")
    here.open()
    client = await here.signed_in()
    upstream = (await client.call_tool("whoami"))["token"]
    await client.revoke()
    await refused(client.call_tool("whoami"), 401)
    with pytest.raises(StepFailed) as caught:
        await client.refresh()
    assert caught.value.status == 400
    if "revoke" in here.fake.endpoints or case.name == "github":
        assert upstream not in here.fake.tokens


@cell("revoke", only=remote)
async def test_a_token_revoked_at_the_provider_ends_with_its_check(case: Case, row: MakeRow) -> None:
    here = row(case, "revoke")
    here.open()
    client = await here.signed_in()
    await client.call_tool("whoami")
    here.fake.tokens.clear()
    here.house.clock.advance(301)
    await refused(client.call_tool("whoami"), 401)


@cell("foreign app", only=bridge)
async def test_a_token_of_another_application_never_comes_in(case: Case, row: MakeRow) -> None:
    """Neither presented here, nor in place of ours in the provider's answer."""
    here = row(case, "foreign app")
    here.open()
    presented = await here.house.call_with(here.fake.issue_to("alice"))
    assert presented.status_code == 401
    here.fake.foreign = True
    client = here.house.client()
    with pytest.raises(FAILED):
        await client.login()
    assert client.tokens == {}
    assert here.seen(case.foreign)


@cell("foreign app", only=remote)
async def test_a_token_for_another_server_is_refused(case: Case, row: MakeRow) -> None:
    here = row(case, "foreign app")
    here.open()
    token = here.fake.issue_to("alice", resource="https://another.example.com/mcp", **dict(case.foreign_claims))
    answer = await here.house.call_with(token)
    assert (answer.status_code, answer.json()["reason"]) == (401, case.foreign)


@cell("down: 503", only=bridge)
async def test_a_provider_that_is_down_costs_no_session(case: Case, row: MakeRow) -> None:
    await _costs_no_session(row(case, "down: 503"), 500)


@cell("limited: 503", only=bridge)
async def test_a_provider_that_limits_our_rate_costs_no_session(case: Case, row: MakeRow) -> None:
    await _costs_no_session(row(case, "limited: 503"), 429)


async def _costs_no_session(here: Row, status: int) -> None:
    """The provider answers every request with `status` for a while."""
    here.fake.status = status
    here.open()
    client = await here.signed_in()
    held = dict(client.tokens)
    here.fake.down.add("")
    if here.fake.refresh == "none":
        here.house.clock.advance(700)  # the check is overdue, and nobody answers
        await refused(client.call_tool("whoami"), 503)
    else:
        here.house.clock.advance(here.life + 1)
        with pytest.raises(StepFailed) as caught:
            await client.refresh()
        assert caught.value.status == 503
    here.fake.down.clear()
    here.house.clock.advance(10)
    client.tokens = held
    await client.refresh()
    assert (await client.call_tool("whoami"))["subject"] == here.fake.subject("alice")


@cell("down: 503", only=remote)
async def test_a_token_that_nobody_can_check_is_503(case: Case, row: MakeRow) -> None:
    await _nobody_can_tell(row(case, "down: 503"), 500)


@cell("limited: 503", only=remote)
async def test_a_token_that_may_not_be_checked_so_often_is_503(case: Case, row: MakeRow) -> None:
    await _nobody_can_tell(row(case, "limited: 503"), 429)


async def _nobody_can_tell(here: Row, status: int) -> None:
    here.fake.status = status
    here.open()
    client = await here.signed_in()
    here.fake.down.add("")
    challenge = await refused(client.call_tool("whoami"), 503)
    assert challenge == ""
    here.fake.down.clear()
    here.house.clock.advance(60)
    assert (await client.call_tool("whoami"))["subject"] == here.fake.subject("alice")


@cell("audience: 401", only=bridge)
async def test_a_token_for_another_resource_is_refused(case: Case, row: MakeRow) -> None:
    """Of the same issuer with the same keys and the same store."""
    here = row(case, "audience: 401")
    store = here.house.common["client_storage"]
    here.open(client_storage=store)
    first = here.house.apps[BASE]
    here.open(client_storage=store, resource_base_url="http://127.0.0.1:9501")
    here.house.apps["http://127.0.0.1:9501"] = here.house.apps[BASE]
    person = here.house.client().user
    client = ScriptedClient("http://127.0.0.1:9501/mcp", user=person, apps=here.house.apps)
    await client.login()
    await client.aclose()
    here.house.apps[BASE] = first
    answer = await here.house.call_with(client.tokens["access_token"])
    assert (answer.status_code, answer.json()["reason"]) == (401, "token_audience")


@cell("audience: 401", only=remote)
async def test_a_token_for_another_audience_is_refused(case: Case, row: MakeRow) -> None:
    here = row(case, "audience: 401")
    here.open()
    other = {} if here.fake.opaque else {"aud": "https://another.example.com/mcp"}
    token = here.fake.issue_to("alice", resource="https://another.example.com/mcp", **other)
    answer = await here.house.call_with(token)
    assert (answer.status_code, answer.json()["reason"]) == (401, "token_audience")


@cell("policy")
async def test_whom_the_policy_refuses_gets_a_page_and_no_grant(case: Case, row: MakeRow) -> None:
    here = row(case, "policy")
    alice = here.fake.subject("alice")
    here.open(sign_in_policy=lambda claims: alice in (claims.get("sub"), claims.get("uid")))
    await here.signed_in("alice")
    stranger = here.house.client("bob")
    with pytest.raises(UnexpectedPage) as caught:
        await stranger.login()
    assert caught.value.page.status == 403
    assert stranger.tokens == {}
    assert here.seen("sign_in_refused")


@cell("disabled", only=bridge)
async def test_a_user_who_was_disabled_is_out(case: Case, row: MakeRow) -> None:
    """At the next check of an opaque token, at the next renewal of another."""
    here = row(case, "disabled")
    here.open()
    client = await here.signed_in()
    await client.call_tool("whoami")
    here.fake.disabled.add("alice")
    if here.fake.opaque:
        here.house.clock.advance(301)
        await refused(client.call_tool("whoami"), 401)
    here.house.clock.advance(here.life)
    with pytest.raises(StepFailed) as caught:
        await client.refresh()
    assert caught.value.status == 400
    await refused(client.call_tool("whoami"), 401)


@cell("disabled", only=remote)
async def test_a_disabled_user_is_out_at_the_next_check(case: Case, row: MakeRow) -> None:
    here = row(case, "disabled")
    here.open()
    client = await here.signed_in()
    await client.call_tool("whoami")
    here.fake.disabled.add("alice")
    here.house.clock.advance(301)
    await refused(client.call_tool("whoami"), 401)


@pytest.mark.parametrize("case", [case for case in CASES if case.remote], ids=lambda case: case.name)
async def test_the_providers_metadata_is_shown_here_too(case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Row(case, house, monkeypatch)
    auth = here.open()
    assert isinstance(auth, RemoteAuthProvider)
    answer: httpx2.Response = await house.http().get(f"{BASE}/.well-known/oauth-authorization-server")
    assert answer.json()["issuer"] == here.fake.issuer
