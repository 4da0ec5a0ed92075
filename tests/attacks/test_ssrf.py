"""Whoever names a URL for this server to fetch reaches nothing that is not public.

CVE-2026-45609 (spring mcp-security), GO-2026-6002 and GO-2026-5996 (ToolHive: redirects, NAT64), CVE-2026-77822 (ContextForge:
rebinding), fastmcp PR4400 and PR4426 (NAT64, 6to4, Teredo), mcp-atlassian (redirects); with the two switches that operators need:
an egress proxy (fastmcp#4292) and named internal hosts.
"""

import asyncio
import datetime
import ssl

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.unit.net.web import Names, Web

from vestibule.net.client import close_shared_clients
from vestibule.net.exchange import FetchFailed, FetchForbidden
from vestibule.net.fetch import Fetcher
from vestibule.testing.clock import FakeClock

pytestmark = [pytest.mark.anyio, pytest.mark.spec("CI-07")]

PUBLIC = "93.184.216.34"
URL = "https://app.example.com/client.json"
DIALLED = f"https://{PUBLIC}/client.json"

INTERNAL = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # metadata service of most clouds
    "100.64.0.1",  # carrier-grade NAT
    "100.100.100.200",  # metadata service
    "168.63.129.16",  # Azure's host
    "192.0.0.192",  # metadata service of Oracle's older machines
    "192.88.99.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:5601:5601",
    "fd00:ec2::254",  # metadata service
    "fc00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "5f00::1",
]


def fetcher(web, *addresses, clock=None, **options):
    names = Names(app_example_com=[list(addresses or (PUBLIC,))])
    return Fetcher(clock or FakeClock(), client=web.client(), resolver=names, **options)


async def fetch(guarded, url=URL, max_bytes=5000, seconds=5.0):
    return await guarded.get(url, max_bytes=max_bytes, timeout=seconds)


@pytest.fixture
def web():
    web = Web()
    web.answer(DIALLED, {"ok": True})
    return web


async def test_a_public_address_is_fetched(web):
    result = await fetch(fetcher(web))
    assert (result.status, result.body) == (200, b'{"ok": true}')


# --- addresses ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", INTERNAL)
async def test_a_name_of_an_internal_address_is_refused(web, address):
    with pytest.raises(FetchForbidden):
        await fetch(fetcher(web, address))
    assert not web.requests


@pytest.mark.parametrize("address", INTERNAL)
async def test_an_internal_address_in_the_url_is_refused(web, address):
    host = f"[{address}]" if ":" in address else address
    guarded = Fetcher(FakeClock(), client=web.client())
    with pytest.raises(FetchForbidden):
        await fetch(guarded, f"https://{host}/client.json")
    assert not web.requests


@pytest.mark.parametrize("addresses", [(PUBLIC, "10.0.0.1"), ("10.0.0.1", PUBLIC), (PUBLIC, "::ffff:10.0.0.1")])
async def test_one_internal_address_among_public_ones_is_enough(web, addresses):
    with pytest.raises(FetchForbidden):
        await fetch(fetcher(web, *addresses))
    assert not web.requests


@pytest.mark.parametrize(
    "url",
    [
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://[::1%25lo]/",
        "https://localhost/",
        "https://LOCALHOST/",
        "https://api.localhost/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        "https://kubernetes/",
        "https://router.home.arpa/",
        "https://wiki.corp/",
        "https://app.example.com@127.0.0.1/",
        "https://user:secret@app.example.com/",
        "https://127.0.0.1\\@app.example.com/",
        "https://app.example.com\t/",
        "https://app.example.com\r\nHost: x/",
        "https://１２７.0.0.1/",
        "https://app.example.com:0/",
        "https://app.example.com:99999/",
        "https:///client.json",
        "https:app.example.com",
        "//app.example.com/",
        "http://app.example.com/client.json",
        "ftp://app.example.com/",
        "file:///etc/passwd",
        "gopher://app.example.com/",
        "data:application/json,{}",
        "",
    ],
)
async def test_urls_in_disguise_are_refused_before_anything_is_asked(web, url):
    names = Names()
    with pytest.raises(FetchForbidden):
        await fetch(Fetcher(FakeClock(), client=web.client(), resolver=names), url)
    assert not names.asked
    assert not web.requests


async def test_a_name_that_changes_its_address_gains_nothing(web):
    names = Names(app_example_com=[[PUBLIC], ["127.0.0.1"]])
    await fetch(Fetcher(FakeClock(), client=web.client(), resolver=names))
    assert names.asked == [("app.example.com", 443)]
    request = web.requests[0]
    assert request.url.host == PUBLIC
    assert request.headers["host"] == "app.example.com"
    assert request.extensions["sni_hostname"] == "app.example.com"


async def test_the_next_fetch_is_checked_anew(web):
    guarded = Fetcher(FakeClock(), client=web.client(), resolver=Names(app_example_com=[[PUBLIC], ["127.0.0.1"]]))
    await fetch(guarded)
    with pytest.raises(FetchForbidden):
        await fetch(guarded)


async def test_an_address_that_is_down_is_not_the_end(web):
    web.fail("https://[2606:4700::1]/client.json")
    result = await fetch(fetcher(web, "2606:4700::1", PUBLIC))
    assert result.status == 200


async def test_a_port_stays(web):
    web.answer(f"https://{PUBLIC}:8443/client.json", {})
    await fetch(fetcher(web), "https://app.example.com:8443/client.json")
    assert web.requests[0].headers["host"] == "app.example.com:8443"


@pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError])
async def test_trouble_is_a_failure_and_no_refusal(web, error):
    web.fail(DIALLED, error)
    with pytest.raises(FetchFailed):
        await fetch(fetcher(web))


async def test_a_name_without_address_is_a_failure(web):
    with pytest.raises(FetchFailed):
        await fetch(Fetcher(FakeClock(), client=web.client(), resolver=Names()))
    with pytest.raises(FetchFailed):
        await fetch(Fetcher(FakeClock(), client=web.client(), resolver=Names(app_example_com=[[]])))


# --- answers ------------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("CI-03")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(web, status):
    web.answer(DIALLED, {"evil": 1}, status=status, headers={"location": "http://127.0.0.1/"})
    result = await fetch(fetcher(web))
    assert (result.status, result.body) == (status, b"")
    assert len(web.requests) == 1


@pytest.mark.spec("CI-08")
async def test_an_answer_is_not_read_past_its_limit(web):
    sent = 0

    class Endless(httpx2.AsyncByteStream):
        async def __aiter__(self):
            nonlocal sent
            while True:
                sent += 1000
                yield b"x" * 1000

    json_type = {"content-type": "application/json"}
    web.pages[DIALLED] = lambda _request: httpx2.Response(200, headers=json_type, stream=Endless())
    with pytest.raises(FetchFailed, match="larger than 5000 bytes"):
        await fetch(fetcher(web), max_bytes=5000)
    assert sent <= 7000


@pytest.mark.parametrize(("size", "fits"), [(5000, True), (5001, False)])
async def test_the_limit_is_exact(web, size, fits):
    web.answer(DIALLED, b"x" * size)
    if fits:
        assert len((await fetch(fetcher(web))).body) == size
    else:
        with pytest.raises(FetchFailed):
            await fetch(fetcher(web))


@pytest.mark.spec("CI-08")
async def test_a_slow_drip_does_not_hold_the_server(web):
    clock = FakeClock()
    drops = 0

    class Drip(httpx2.AsyncByteStream):
        async def __aiter__(self):
            nonlocal drops
            while True:
                drops += 1
                clock.advance(1)
                yield b"x"

    json_type = {"content-type": "application/json"}
    web.pages[DIALLED] = lambda _request: httpx2.Response(200, headers=json_type, stream=Drip())
    with pytest.raises(FetchFailed, match="longer than 5 s"):
        await fetch(fetcher(web, clock=clock), seconds=5.0)
    assert drops == 6


@pytest.mark.parametrize("where", ["name service", "connection"])
async def test_silence_does_not_hold_the_server(web, where):
    async def silent(*_args):
        await asyncio.Event().wait()

    web.pages[DIALLED] = silent
    names = silent if where == "name service" else Names(app_example_com=[[PUBLIC]])
    with pytest.raises(FetchFailed, match="longer than"):
        await fetch(Fetcher(FakeClock(), client=web.client(), resolver=names), seconds=0.02)


@pytest.mark.parametrize("media_type", ["text/html", "text/plain", "application/javascript", "image/svg+xml", "json", ""])
async def test_only_json_is_read(web, media_type):
    web.answer(DIALLED, {}, headers={"content-type": media_type})
    with pytest.raises(FetchFailed, match="not JSON"):
        await fetch(fetcher(web))


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/jwk-set+json"])
async def test_every_kind_of_json_is(web, media_type):
    web.answer(DIALLED, {}, headers={"content-type": media_type})
    assert (await fetch(fetcher(web))).status == 200


async def test_a_compressed_answer_cannot_unfold(web):
    json_type = {"content-type": "application/json", "content-encoding": "gzip"}
    web.pages[DIALLED] = lambda _request: httpx2.Response(200, headers=json_type, stream=httpx2.ByteStream(b"\x1f\x8b"))
    with pytest.raises(FetchFailed, match="compressed"):
        await fetch(fetcher(web))
    assert web.requests[0].headers["accept-encoding"] == "identity"


# --- the operator's two switches ----------------------------------------------------------------------------------------------


async def test_a_named_internal_host_is_reached_and_no_other():
    web = Web()
    web.answer("https://10.0.0.5/client.json", {})
    names = Names(apps_internal=[["10.0.0.5"]], other_internal=[["10.0.0.5"]], sub_apps_internal=[["10.0.0.5"]])
    guarded = Fetcher(FakeClock(), client=web.client(), resolver=names, allowed_hosts=["Apps.Internal"])
    assert (await fetch(guarded, "https://apps.internal/client.json")).status == 200
    for url in ("https://other.internal/client.json", "https://sub.apps.internal/client.json", "https://10.0.0.5/client.json"):
        with pytest.raises(FetchForbidden):
            await fetch(guarded, url)


async def test_plain_http_is_for_an_allowed_loopback_only():
    web = Web()
    web.answer("http://127.0.0.1:8000/client.json", {})
    names = Names(**{"127.0.0.1": [["127.0.0.1"]], "apps.internal": [["10.0.0.5"]]})
    guarded = Fetcher(FakeClock(), client=web.client(), resolver=names, allowed_hosts=["127.0.0.1", "apps.internal"])
    assert (await fetch(guarded, "http://127.0.0.1:8000/client.json")).status == 200
    for url in ("http://apps.internal/client.json", "http://localhost:8000/client.json", "http://app.example.com/"):
        with pytest.raises(FetchForbidden):
            await fetch(guarded, url)


async def test_an_egress_proxy_gets_names_and_only_public_ones():
    first_lines = []

    async def proxy(reader, writer):
        first_lines.append(await reader.readline())
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        names = Names()
        guarded = Fetcher(FakeClock(), egress_proxy=address, resolver=names)
        with pytest.raises(FetchFailed):
            await fetch(guarded)
        for host in ("127.0.0.1", "[::1]", "localhost", "vault.internal", "10.0.0.1", "intranet", "[64:ff9b::7f00:1]"):
            with pytest.raises(FetchForbidden):
                await fetch(guarded, f"https://{host}/client.json")
        await close_shared_clients()
    assert first_lines == [b"CONNECT app.example.com:443 HTTP/1.1\r\n"]
    assert not names.asked


# --- over real sockets --------------------------------------------------------------------------------------------------------


class Server:
    """A small server that counts its connections and remembers what each asked for."""

    def __init__(self, tls=None):
        self.tls = tls
        self.requests = []
        self.port = 0

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        await close_shared_clients()
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader, writer):
        try:
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\n{}")
            await writer.drain()
        finally:
            writer.close()


async def test_the_shared_client_uses_no_connection_no_cookie_and_no_environment_twice(monkeypatch):
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    async with Server() as server:
        guarded = Fetcher(allowed_hosts=["127.0.0.1"])
        for _ in range(2):
            assert (await fetch(guarded, f"http://127.0.0.1:{server.port}/")).body == b"{}"
    assert len(server.requests) == 2
    assert all("connection: close" in request and "cookie:" not in request for request in server.requests)


def certificate(name):
    """A certificate for `name` that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(("name", "fits"), [("app.example.com", True), ("other.example.com", False)])
async def test_the_certificate_is_checked_for_the_name_while_the_address_is_dialled(tmp_path, name, fits):
    pem, key = certificate(name)
    (tmp_path / "pair.pem").write_bytes(pem + key)
    (tmp_path / "authority.pem").write_bytes(pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "pair.pem")
    asked_names = []
    tls.sni_callback = lambda _socket, asked, _context: asked_names.append(asked)
    trust = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
    async with Server(tls) as server, httpx2.AsyncClient(verify=trust) as client:
        names = Names(app_example_com=[["127.0.0.1"]])
        guarded = Fetcher(client=client, resolver=names, allowed_hosts=["app.example.com"])
        url = f"https://app.example.com:{server.port}/client.json"
        if fits:
            assert (await fetch(guarded, url)).body == b"{}"
            assert f"host: app.example.com:{server.port}" in server.requests[0]
        else:
            with pytest.raises(FetchFailed):
                await fetch(guarded, url)
            assert not server.requests
    assert asked_names == ["app.example.com"]
