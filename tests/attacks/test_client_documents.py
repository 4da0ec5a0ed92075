"""Attacks by way of a client's metadata document."""

import asyncio
import sys

import pytest
from tests.unit.clients.fakes import APP, Web

from vestibule import reasons
from vestibule.clients.documents import ClientDocuments
from vestibule.errors import OAuthError, Unavailable
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio


@pytest.mark.spec("CI-01")
@pytest.mark.parametrize(
    "client_id",
    [
        "http://app.example/client.json",
        "https://app.example",
        "https://app.example/",
        "https://app.example/a/../client.json",
        "https://app.example/a/%2e%2e/client.json",
        "https://app.example/client.json#x",
        "https://user@app.example/client.json",
        "https://app.example@evil.example/client.json",
        "https:///client.json",
        "https://app.example\\@evil.example/client.json",
        "http://127.0.0.1:8000/client.json",
        "file:///etc/passwd",
    ],
)
async def test_an_id_that_may_not_name_a_client_is_never_fetched(client_id):
    web = Web()
    with pytest.raises(OAuthError) as caught:
        await ClientDocuments(web, FakeClock()).find(client_id)
    assert caught.value.reason is reasons.CLIENT_DOCUMENT_URL
    assert web.asked == []


@pytest.mark.spec("CI-07")
async def test_an_address_that_the_guard_forbids_is_refused_for_good():
    """GO-2026-6002, CVE-2026-77822: documents as a way into the inner network."""
    web = Web()
    web.forbid()
    with pytest.raises(OAuthError) as caught:
        await ClientDocuments(web, FakeClock()).find(APP)
    assert (caught.value.error, caught.value.reason) == ("invalid_client", reasons.CLIENT_DOCUMENT_UNREACHABLE)


@pytest.mark.spec("CI-07")
async def test_a_name_that_now_leads_inside_ends_the_copy():
    """CVE-2026-77822: a name that is public first and private later."""
    web, clock = Web(), FakeClock()
    documents = ClientDocuments(web, clock)
    web.publish()
    await documents.find(APP)
    clock.advance(1000)
    web.forbid()
    with pytest.raises(OAuthError):
        await documents.find(APP)


@pytest.mark.spec("CI-04")
@pytest.mark.parametrize(
    "members",
    [
        {"client_secret": "x"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "oct", "k": "x"}]}},
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "x", "d": "x"}]},
        },
    ],
)
async def test_a_document_that_publishes_a_secret_is_refused(members):
    web = Web()
    web.publish(**members)
    with pytest.raises(OAuthError) as caught:
        await ClientDocuments(web, FakeClock()).find(APP)
    assert caught.value.reason is reasons.CLIENT_DOCUMENT_INVALID


@pytest.mark.spec("CI-02")
@pytest.mark.parametrize(
    "named", [APP + "/", APP.upper(), "https://app.example:443/client.json", "https://other.example/client.json"]
)
async def test_a_document_cannot_speak_for_another_client(named):
    web = Web()
    web.publish(client_id=named)
    with pytest.raises(OAuthError):
        await ClientDocuments(web, FakeClock()).find(APP)


async def test_a_hundred_thousand_ids_leave_memory_flat():
    """PrefectHQ/fastmcp #4852: a cache of documents without bound."""
    web, clock = Forgetful(), FakeClock()
    documents = ClientDocuments(web, clock, max_documents=100)
    await ask_for_many(documents, 0, 5_000)
    before = sys.getallocatedblocks()
    await ask_for_many(documents, 5_000, 105_000)
    assert sys.getallocatedblocks() - before < 10_000


class Forgetful(Web):
    """Every second document exists, the others fail in turn; keeps no list of what it was asked."""

    async def get(self, url, **options):
        number = int(url.rpartition("/")[2])
        self.asked.clear()
        self.pages.clear()
        if number % 2:
            self.publish(url, headers={"cache-control": "max-age=86400"})
        elif number % 4:
            self.fail(url)
        return await super().get(url, **options)


async def ask_for_many(documents, first, last):
    for number in range(first, last):
        try:
            await documents.find(f"https://app.example/client/{number}")
        except (OAuthError, Unavailable):
            continue


async def test_slow_documents_hold_a_bounded_number_of_fetches():
    web = Web()
    web.open.clear()
    documents = ClientDocuments(web, FakeClock())
    asking = [asyncio.create_task(documents.find(f"https://app.example/client/{number}")) for number in range(500)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(web.asked) < 100
    web.open.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(result, OAuthError | Unavailable) for result in results)
