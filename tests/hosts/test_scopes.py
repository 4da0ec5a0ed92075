"""Scopes of single tools, resources and prompts: refused by HTTP, before the server sees the call."""

from __future__ import annotations

import pytest
from tests.hosts.conftest import Host, People

from vestibule.testing.failures import CallRefused

pytestmark = pytest.mark.anyio

SHELF = ("resources/read", {"uri": "secret://shelf"})
BOOK = ("resources/read", {"uri": "secret://shelf/dune"})
ASK = ("prompts/get", {"name": "ask"})
WIPE = ("tools/call", {"name": "wipe"})
BELOW = ("tools/call", {"name": "below_wipe"})


async def challenge_of(people: People, scope: str, method: str, params: dict[str, str]) -> str:
    client = await people.sign_in("alice", scope)
    await client.call_tool("who")
    with pytest.raises(CallRefused) as refused:
        await client.session.request(client.tokens["access_token"], method, params)
    assert refused.value.status == 403
    assert 'error="insufficient_scope"' in refused.value.challenge
    assert 'resource_metadata="' in refused.value.challenge
    return refused.value.challenge


@pytest.mark.spec("RS-18", "RS-20", "PX-12")
async def test_a_tool_names_every_scope_that_it_needs_at_once(host: Host, people: People) -> None:
    assert 'scope="read admin audit"' in await challenge_of(people, "read", *WIPE)
    assert 'scope="read admin audit"' in await challenge_of(people, "read audit", *WIPE)


@pytest.mark.spec("RS-18")
@pytest.mark.parametrize("operation", [SHELF, BOOK, ASK], ids=["resource", "template", "prompt"])
async def test_resources_templates_and_prompts_do_so_too(
    host: Host, people: People, operation: tuple[str, dict[str, str]]
) -> None:
    assert 'scope="read audit"' in await challenge_of(people, "read", *operation)


async def test_a_tool_of_a_mounted_server_does_so_too(host: Host, people: People) -> None:
    if not host.is_fastmcp:
        pytest.skip("mounts no servers")
    assert 'scope="read audit"' in await challenge_of(people, "read", *BELOW)


@pytest.mark.spec("RS-18")
async def test_with_the_scopes_everything_is_open(host: Host, people: People) -> None:
    client = await people.sign_in("alice", "read admin audit")
    assert (await client.call_tool("wipe"))["content"][0]["text"] == "wiped"
    if host.is_mcp:
        for method, params in (SHELF, BOOK, ASK):
            answer = await client.session.request(client.tokens["access_token"], method, params)
            assert '"error"' not in answer.text


@pytest.mark.spec("RS-21")
async def test_a_scope_that_implies_the_others_is_enough(host: Host, people: People) -> None:
    client = await people.sign_in("alice", "read root")
    assert (await client.call_tool("wipe"))["content"][0]["text"] == "wiped"


@pytest.mark.spec("RS-33")
async def test_lists_show_to_each_user_only_what_is_open_and_are_not_to_be_shared(host: Host, people: People) -> None:
    if not host.is_fastmcp:
        pytest.skip("lists everything to everybody")
    for scope, listed in (("read", False), ("read root", True)):
        client = await people.sign_in("alice", scope)
        await client.call_tool("who")
        answer = await client.session.request(client.tokens["access_token"], "tools/list", {})
        assert ('"wipe"' in answer.text) is listed
        assert '"cacheScope":"public"' not in answer.text
