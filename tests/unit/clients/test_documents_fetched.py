"""Documents through the guarded fetcher, as far as the wire."""

import json

import httpx2
import pytest
from tests.unit.clients.fakes import APP, document

from vestibule import reasons
from vestibule.clients.documents import ClientDocuments
from vestibule.errors import OAuthError, Unavailable
from vestibule.net.fetch import Fetcher
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

LOCAL = "http://127.0.0.1:8123/client.json"


class Wire:
    """What is behind the sockets: one answer for all requests, one address for all names."""

    def __init__(self, *, status=200, body=None, headers=None, address="93.184.216.34"):
        self.requests, self.address = [], address
        self.response = (status, {"content-type": "application/json", **(headers or {})}, body)

    def documents(self, **options):
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self.answer))
        allowed = options.pop("allowed_hosts", ())
        return ClientDocuments(
            Fetcher(FakeClock(), client=client, resolver=self.resolve, allowed_hosts=allowed), FakeClock(), **options
        )

    def answer(self, request):
        self.requests.append(request)
        status, headers, body = self.response
        return httpx2.Response(status, headers=headers, content=json.dumps(document() if body is None else body))

    async def resolve(self, host, port):
        return [self.address]


async def test_a_document_is_read():
    assert (await Wire().documents().find(APP)).client_id == APP


@pytest.mark.spec("CI-08")
async def test_a_document_over_five_kilobytes_is_not_read():
    with pytest.raises(Unavailable) as caught:
        await Wire(body=document(client_name="x", padding="x" * 6000)).documents().find(APP)
    assert caught.value.reason is reasons.CLIENT_DOCUMENT_UNREACHABLE


@pytest.mark.spec("CI-03")
async def test_a_redirect_is_not_followed():
    wire = Wire(status=302, headers={"location": "https://app.example/other.json"})
    with pytest.raises(OAuthError):
        await wire.documents().find(APP)
    assert len(wire.requests) == 1


@pytest.mark.spec("CI-07")
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1", "::ffff:127.0.0.1", "100.64.0.1"])
async def test_a_name_that_leads_inside_is_not_dialled(address):
    wire = Wire(address=address)
    with pytest.raises(OAuthError):
        await wire.documents().find(APP)
    assert wire.requests == []


@pytest.mark.spec("CI-07")
async def test_a_loopback_document_names_a_client_in_development_only():
    wire = Wire(body=document(LOCAL), address="127.0.0.1")
    assert (await wire.documents(on_loopback=True, allowed_hosts=["127.0.0.1"]).find(LOCAL)).client_id == LOCAL
    with pytest.raises(OAuthError) as caught:
        await wire.documents(allowed_hosts=["127.0.0.1"]).find(LOCAL)
    assert caught.value.reason is reasons.CLIENT_DOCUMENT_URL
