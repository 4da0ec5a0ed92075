"""Who a tool is told that it serves."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from tests.hosts.conftest import Host, People

from vestibule.testing import ScriptedClient
from vestibule.testing.failures import CallRefused

pytestmark = pytest.mark.anyio


async def call(client: ScriptedClient, tool: str) -> Any:
    result = await client.call_tool(tool)
    assert not result.get("isError"), result
    text = result["content"][0]["text"]
    return json.loads(text) if text[0] in "[{" else text


async def test_a_tool_sees_the_caller_as_vestibule_and_as_the_host_says_it(host: Host, people: People) -> None:
    seen = await call(await people.sign_in("alice"), "who")
    assert seen["class"] == host.token_class
    assert seen["ours"] == seen["host"]
    assert seen["ours"]["subject"] == "alice"
    assert seen["ours"]["scopes"] == ["read"]
    assert seen["ours"]["claims"]["groups"] == ["staff"]
    assert seen["ours"]["claims"]["sub"] == "alice"


async def test_what_a_tool_does_to_the_claims_stays_in_its_request(host: Host, people: People) -> None:
    alice = await people.sign_in("alice")
    before = await call(alice, "who")
    await call(alice, "spoil")
    after = await call(alice, "who")
    for who in ("ours", "host"):
        assert after[who]["claims"] == before[who]["claims"]
        assert after[who]["scopes"] == ["read"]


@pytest.mark.spec("RS-24")
async def test_a_session_belongs_to_the_user_who_opened_it(host: Host, people: People) -> None:
    if not host.is_mcp:
        pytest.skip("has no sessions")
    alice, bob = await people.sign_in("alice"), await people.sign_in("bob")
    await call(alice, "who")
    with pytest.raises(CallRefused) as refused:
        await alice.session.request(bob.tokens["access_token"], "tools/list", {})
    assert refused.value.status == 404


@pytest.mark.spec("RS-24")
async def test_a_session_belongs_to_the_user_also_where_both_use_one_client(host: Host, people: People) -> None:
    if not host.is_mcp:
        pytest.skip("has no sessions")
    client = await people.sign_in("alice")
    await call(client, "who")
    client.user.name = "bob"
    await people.sign_in_again(client)
    with pytest.raises(CallRefused) as refused:
        await client.call_tool("who")
    assert refused.value.status == 404


async def test_the_same_user_goes_on_after_a_refresh_and_is_seen_with_the_new_token(host: Host, people: People) -> None:
    alice = await people.sign_in("alice", "read audit")
    before = await call(alice, "who")
    await alice.refresh(scope="read")
    after = await call(alice, "who")
    for who in ("ours", "host"):
        assert before[who]["scopes"] == ["read", "audit"]
        assert after[who]["scopes"] == ["read"]


async def test_two_users_at_the_same_time_are_never_taken_for_each_other(host: Host, people: People) -> None:
    alice, bob = await people.sign_in("alice"), await people.sign_in("bob")
    met: dict[str, Any] = {}

    async def meet(name: str, client: ScriptedClient) -> None:
        met[name] = await call(client, "meet")

    async with anyio.create_task_group() as group:
        group.start_soon(meet, "alice", alice)
        group.start_soon(meet, "bob", bob)
    assert met == {"alice": ["alice"] * 3, "bob": ["bob"] * 3}
