"""Client ID metadata documents: what is fetched, what is kept, and for how long."""

import asyncio

import pytest
from tests.unit.clients.fakes import APP, CALLBACK, Web

from vestibule import reasons
from vestibule.clients.documents import ClientDocuments
from vestibule.clients.pinned import PINNED_DOCUMENTS
from vestibule.errors import OAuthError, Unavailable
from vestibule.protocol.redirect_uris import AllowedRedirectURIs

pytestmark = pytest.mark.anyio

CLAUDE_CODE = "https://claude.ai/oauth/claude-code-client-metadata"


@pytest.fixture
def web():
    return Web()


@pytest.fixture
def documents(web, clock):
    return ClientDocuments(web, clock)


async def refusal(finding):
    with pytest.raises(OAuthError) as caught:
        await finding
    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)
    return caught.value.reason


async def test_a_client_is_what_its_document_says(web, documents):
    web.publish(grant_types=["authorization_code", "refresh_token"])
    client = await documents.find(APP)
    assert (client.client_id, client.kind, client.auth_method, client.secret) == (APP, "document", "none", None)
    assert client.metadata.redirect_uris == (CALLBACK,)
    assert client.allows_grant("refresh_token")


@pytest.mark.spec("CI-09")
@pytest.mark.parametrize(
    ("headers", "fresh", "stale"),
    [({"cache-control": "max-age=1000"}, 990, 1010), ({}, 290, 310), ({"cache-control": "max-age=9999999"}, 86000, 86500)],
)
async def test_a_document_is_kept_for_as_long_as_its_headers_say(web, clock, documents, headers, fresh, stale):
    web.publish(headers=headers)
    await documents.find(APP)
    clock.advance(fresh)
    await documents.find(APP)
    assert len(web.asked) == 1
    clock.advance(stale - fresh)
    await documents.find(APP)
    assert len(web.asked) == 2


@pytest.mark.spec("CI-09", "CI-12")
async def test_a_document_that_must_not_be_kept_is_read_each_time(web, documents):
    web.publish(headers={"cache-control": "no-store"})
    before = await documents.find(APP)
    web.publish(headers={"cache-control": "no-store"}, redirect_uris=["https://app.example/new"])
    after = await documents.find(APP)
    assert after.metadata.redirect_uris == ("https://app.example/new",)
    assert after.fingerprint != before.fingerprint


async def test_many_who_wait_for_one_document_cause_one_fetch(web, documents):
    web.publish()
    web.open.clear()
    waiting = [asyncio.create_task(documents.find(APP)) for _ in range(20)]
    await asyncio.sleep(0)
    web.open.set()
    assert len({id(client) for client in await asyncio.gather(*waiting)}) == 1
    assert len(web.asked) == 1


async def test_one_who_stops_waiting_does_not_take_the_document_from_the_others(web, documents):
    web.publish()
    web.open.clear()
    first, second = (asyncio.create_task(documents.find(APP)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    web.open.set()
    assert (await second).client_id == APP


@pytest.mark.spec("CI-03")
@pytest.mark.parametrize("status", [201, 204, 301, 302, 304, 400, 401, 404, 410])
async def test_anything_but_200_is_no_document_and_ends_the_copy(web, clock, documents, status):
    web.publish()
    await documents.find(APP)
    clock.advance(1000)
    web.answer(APP, b"{}", status=status, headers={"location": "https://app.example/elsewhere.json"})
    assert await refusal(documents.find(APP)) is reasons.CLIENT_DOCUMENT_UNREACHABLE
    web.fail()
    with pytest.raises(Unavailable):
        await documents.find(APP)
    assert set(web.asked) == {APP}


@pytest.mark.spec("CI-09")
@pytest.mark.parametrize("failure", [403, 408, 429, 500, 503, "transport"])
async def test_trouble_on_the_way_leaves_the_last_copy_in_use(web, clock, documents, failure):
    web.publish()
    before = await documents.find(APP)
    clock.advance(1000)
    web.fail() if failure == "transport" else web.answer(APP, status=failure)
    assert await documents.find(APP) == before
    assert await documents.find(APP) == before
    assert len(web.asked) == 2, "while the copy stands in, the other side is left alone"
    web.publish(client_name="Back again")
    clock.advance(61)
    assert (await documents.find(APP)).metadata.client_name == "Back again"


async def test_a_copy_does_not_stand_in_for_ever(web, clock, documents):
    web.publish()
    await documents.find(APP)
    web.fail()
    for _ in range(24):
        clock.advance(3500)
        await documents.find(APP)
    clock.advance(2 * 3600)
    with pytest.raises(Unavailable):
        await documents.find(APP)


@pytest.mark.parametrize("failure", [403, 429, 502, "transport"])
async def test_without_a_copy_trouble_is_passing_and_not_the_clients_end(web, documents, failure):
    web.fail() if failure == "transport" else web.answer(APP, status=failure)
    with pytest.raises(Unavailable) as caught:
        await documents.find(APP)
    assert caught.value.reason is reasons.CLIENT_DOCUMENT_UNREACHABLE
    assert caught.value.retry_after > 0


@pytest.mark.spec("CI-09")
@pytest.mark.parametrize("status", [404, 500])
async def test_a_document_that_appears_after_a_failure_is_seen_at_once(web, documents, status):
    web.answer(APP, status=status)
    with pytest.raises((OAuthError, Unavailable)):
        await documents.find(APP)
    web.publish()
    assert (await documents.find(APP)).client_id == APP


@pytest.mark.spec("CI-09")
@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", {"client_id": APP}, {"client_id": APP + "/", "client_name": "x"}])
async def test_a_bad_document_is_never_kept(web, documents, body):
    web.answer(APP, body, headers={"cache-control": "max-age=1000"})
    for _ in range(5):
        assert await refusal(documents.find(APP)) is reasons.CLIENT_DOCUMENT_INVALID
    web.publish()
    assert (await documents.find(APP)).client_id == APP


async def test_a_document_that_became_bad_ends_the_copy(web, clock, documents):
    web.publish()
    await documents.find(APP)
    clock.advance(1000)
    web.answer(APP, b"{}")
    assert await refusal(documents.find(APP)) is reasons.CLIENT_DOCUMENT_INVALID
    web.fail()
    with pytest.raises(Unavailable):
        await documents.find(APP)


async def test_whoever_keeps_failing_is_asked_at_intervals_only(web, clock, documents):
    web.fail()
    for _ in range(50):
        with pytest.raises(Unavailable):
            await documents.find(APP)
    assert len(web.asked) == 2
    web.publish()
    clock.advance(6)
    assert (await documents.find(APP)).client_id == APP


@pytest.mark.parametrize("failure", [403, 429, 500, "transport"])
async def test_a_well_known_document_that_cannot_be_fetched_is_known_all_the_same(web, documents, failure):
    web.fail(CLAUDE_CODE) if failure == "transport" else web.answer(CLAUDE_CODE, status=failure)
    client = await documents.find(CLAUDE_CODE)
    assert client.metadata == PINNED_DOCUMENTS[CLAUDE_CODE]
    assert client.loopback_spellings


async def test_a_pinned_copy_gives_way_to_the_document_and_to_its_end(web, clock, documents):
    web.fail(CLAUDE_CODE)
    await documents.find(CLAUDE_CODE)
    clock.advance(61)
    web.publish(CLAUDE_CODE, client_name="Newer")
    assert (await documents.find(CLAUDE_CODE)).metadata.client_name == "Newer"
    clock.advance(1000)
    web.answer(CLAUDE_CODE, status=410)
    assert await refusal(documents.find(CLAUDE_CODE)) is reasons.CLIENT_DOCUMENT_UNREACHABLE


async def test_redirect_uris_that_the_operator_does_not_admit_are_left_out(web, clock):
    web.publish(redirect_uris=[CALLBACK, "https://evil.example/callback"])
    documents = ClientDocuments(web, clock, allowed=AllowedRedirectURIs(["https://app.example/*"]))
    assert (await documents.find(APP)).metadata.redirect_uris == (CALLBACK,)
