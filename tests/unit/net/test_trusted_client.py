"""Hosts that the operator configured: their addresses are theirs to choose, the caps and the rest stay."""

import asyncio
import base64

import httpx2
import pytest
from tests.unit.net.web import Web

from vestibule.errors import Unavailable
from vestibule.net.client import close_shared_clients, trusted_client
from vestibule.net.trusted import TrustedClient

pytestmark = pytest.mark.anyio

URL = "http://10.0.0.7:8080/token"


async def test_internal_addresses_and_http_are_fine():
    web = Web()
    web.answer(URL, {"ok": True}, headers={"x-hint": "1"})
    result = await TrustedClient(web.client()).get(URL, headers={"authorization": "Bearer t"})
    assert (result.status, result.body, result.headers["X-Hint"]) == (200, b'{"ok": true}', "1")
    assert web.requests[0].headers["authorization"] == "Bearer t"


async def test_errors_come_with_their_body():
    web = Web()
    web.answer(URL, {"error": "invalid_grant"}, status=400)
    result = await TrustedClient(web.client()).post_form(URL, {"a": "1"})
    assert (result.status, result.body) == (400, b'{"error": "invalid_grant"}')


async def test_a_form_is_encoded_and_may_repeat_a_parameter():
    web = Web()
    web.answer(URL, {})
    await TrustedClient(web.client()).post_form(URL, {"scope": "a b&c", "resource": ["https://x/", "https://y/"]})
    request = web.requests[0]
    assert request.content == b"scope=a+b%26c&resource=https%3A%2F%2Fx%2F&resource=https%3A%2F%2Fy%2F"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_basic_credentials_are_form_encoded_first():
    """RFC 6749 §2.3.1."""
    web = Web()
    web.answer(URL, {})
    await TrustedClient(web.client()).post_form(URL, {}, auth=("id:1", "s ä+%"))
    scheme, _, credentials = web.requests[0].headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(credentials)) == ("Basic", b"id%3A1:s+%C3%A4%2B%25")


async def test_a_redirect_is_an_answer_and_not_followed():
    web = Web()
    web.answer(URL, status=302, headers={"location": "http://10.0.0.7:8080/elsewhere"})
    assert (await TrustedClient(web.client()).get(URL)).status == 302
    assert len(web.requests) == 1


@pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.ReadTimeout, httpx2.RemoteProtocolError, OSError, ValueError])
async def test_trouble_on_the_way_is_unavailable(error):
    web = Web()
    web.fail(URL, error)
    with pytest.raises(Unavailable) as caught:
        await TrustedClient(web.client()).get(URL)
    assert caught.value.reason.code == "upstream_unavailable"
    assert caught.value.detail == f"10.0.0.7: {error.__name__}"


async def test_too_much_is_unavailable():
    web = Web()
    web.answer(URL, b"x" * 1001)
    client = TrustedClient(web.client(), max_bytes=1000)
    with pytest.raises(Unavailable, match="larger than 1000 bytes"):
        await client.get(URL)
    web.answer(URL, b"x" * 1000)
    assert len((await client.get(URL)).body) == 1000


async def test_silence_is_unavailable():
    class Silent(httpx2.AsyncByteStream):
        async def __aiter__(self):
            yield b"{"
            await asyncio.Event().wait()

    web = Web()
    web.pages[URL] = lambda _request: httpx2.Response(200, stream=Silent())
    with pytest.raises(Unavailable, match="TimeoutError"):
        await TrustedClient(web.client(), timeout=0.02).get(URL)


async def test_nothing_secret_is_in_an_error():
    web = Web()
    url = "https://idp.example/introspect?api_key=hunter2"
    web.fail(url)
    with pytest.raises(Unavailable) as caught:
        await TrustedClient(web.client()).post_form(url, {"token": "hunter2"}, auth=("id", "hunter2"))
    assert "hunter2" not in str(caught.value)


async def test_everybody_shares_one_client_until_it_is_closed():
    first = trusted_client()
    assert trusted_client() is first
    await close_shared_clients()
    assert first.is_closed
    assert trusted_client() is not first
    await close_shared_clients()


async def test_the_shared_client_keeps_no_cookie():
    client = trusted_client()
    request = client.build_request("GET", URL)
    response = httpx2.Response(200, headers={"set-cookie": "session=1; Path=/"}, request=request)
    client.cookies.extract_cookies(response)
    assert not list(client.cookies.jar)
    await close_shared_clients()
