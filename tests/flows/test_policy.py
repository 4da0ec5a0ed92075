"""Who may sign in, through HTTP: at the sign-in and for as long as the session lasts."""

from __future__ import annotations

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import LOOPBACK_URI, Stage

from vestibule.policy import all_of, email_domain, group, not_, policy_from
from vestibule.testing.client import StepFailed

pytestmark = pytest.mark.anyio

ADMINS = all_of(email_domain("example.com"), group("admins"))
EVE = {"name": "Eve <b>", "email": "eve@example.com@evil.example", "email_verified": True, "groups": ["admins"]}


async def refusal(stage: Stage, name: str) -> httpx2.Response:
    """The page on which the sign-in of `name` ends."""
    client = await stage.registered(name)
    back = await client.user.visit(client.start().url, stage.callback)
    return await client.user.browser.get(back)


async def test_who_fits_gets_in_and_who_does_not_gets_nothing(staged: SetStage) -> None:
    stage = await staged(sign_in_policy=ADMINS)
    assert (await stage.signed_in("alice")).tokens["access_token"]
    stage.store.calls.clear()
    page = await refusal(stage, "bob")
    assert page.status_code == 403
    assert "put_new" not in stage.store.calls
    assert "code=" not in page.text


async def test_the_page_says_who_is_signed_in_whom_to_ask_and_the_way_back(staged: SetStage) -> None:
    stage = await staged(sign_in_policy=ADMINS, operator_contact="it@example.com")
    page = await refusal(stage, "bob")
    assert "bob@example.com" in page.text
    assert 'href="mailto:it@example.com"' in page.text
    assert f"{LOOPBACK_URI}?error=access_denied" in page.text


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("https://help.example.com/access?a=1&b=2", 'href="https://help.example.com/access?a=1&amp;b=2"'),
        ("the help desk, <room 7>", "the help desk, &lt;room 7&gt;"),
        ("javascript:alert(1)", "Whom to ask: javascript:alert(1)"),
    ],
)
async def test_the_contact_may_be_a_page_or_words(contact: str, shown: str, staged: SetStage) -> None:
    stage = await staged(sign_in_policy=ADMINS, operator_contact=contact)
    assert shown in (await refusal(stage, "bob")).text


async def test_a_refusal_is_an_event_with_the_subject_and_without_the_address(staged: SetStage) -> None:
    stage = await staged(sign_in_policy=ADMINS)
    await refusal(stage, "bob")
    [event] = [event for event in stage.events if event.reason == "sign_in_refused"]
    assert (event.name, event.subject) == ("refused", "bob")
    assert "bob@example.com" not in str(event)


async def test_an_address_with_two_signs_is_refused(staged: SetStage) -> None:
    """CVE-2026-40574"""
    stage = await staged(provider={"users": {"eve": EVE}}, sign_in_policy=email_domain("example.com", "evil.example"))
    page = await refusal(stage, "eve")
    assert page.status_code == 403
    assert "eve@example.com@evil.example" in page.text


async def test_a_session_ends_when_its_user_is_put_out(staged: SetStage) -> None:
    """The claims of the renewed sign-in decide, not those of the first."""
    users = {"alice": {"email": "alice@example.com", "email_verified": True, "groups": ["staff"]}}
    policy = policy_from({"email_domain": "example.com", "not": {"group": "leavers"}})
    stage = await staged(provider={"users": users, "access_token_seconds": 60}, sign_in_policy=policy)
    client = await stage.signed_in("alice")
    stage.clock.advance(61)
    await client.refresh()
    stage.provider.faults.id_token_claims(groups=["staff", "leavers"])
    stage.clock.advance(61)
    with pytest.raises(StepFailed) as caught:
        await client.refresh()
    assert (caught.value.status, caught.value.error) == (400, "invalid_grant")


async def test_without_the_claim_a_negation_admits_nobody(staged: SetStage) -> None:
    users = {"alice": {"email": "alice@example.com", "email_verified": True}}
    stage = await staged(provider={"users": users}, sign_in_policy=not_(group("leavers")))
    assert (await refusal(stage, "alice")).status_code == 403
