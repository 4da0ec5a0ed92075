"""Every way to a Redis: TLS, credentials, Sentinels that name another master, a cluster, and another client's settings."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.asyncio import Redis, Sentinel
from tests.races.air import until
from tests.stores.servers import RedisServer, wait_until

from vestibule.errors import ConfigurationError, Unavailable
from vestibule.storage.contract import HeldClock, StoreContract
from vestibule.storage.redis import RedisStore

pytestmark = pytest.mark.anyio


async def works(store: RedisStore) -> None:
    key = f"a/{uuid4()}"
    assert await store.put_new(key, b"first", 60)
    assert await store.swap(key, (await store.get(key)).version, b"second", 60)
    assert [(await store.get(key)).value, [found async for found, _ in store.scan(key)]] == [b"second", [key]]


async def recovers(store: RedisStore, seconds: float = 20) -> None:
    for _ in range(int(seconds / 0.1)):
        try:
            return await works(store)
        except Unavailable:
            await asyncio.sleep(0.1)
    return await works(store)


@pytest.fixture
def closed_to_strangers() -> Iterator[RedisServer]:
    server = RedisServer(password="open sesame")
    try:
        server.start()
        yield server
    finally:
        server.remove()


async def test_credentials_are_in_the_url(closed_to_strangers: RedisServer) -> None:
    port = closed_to_strangers.port
    for url in (f"redis://:open%20sesame@127.0.0.1:{port}", f"valkey://default:open%20sesame@127.0.0.1:{port}/3"):
        store = RedisStore(url)
        await works(store)
        await store.aclose()
    for url in (f"redis://127.0.0.1:{port}", f"redis://:wrong@127.0.0.1:{port}"):
        store = RedisStore(url)
        with pytest.raises(Unavailable, match="refuses the credentials"):
            await store.get("a/1")
        await store.aclose()


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "storage.md"


async def test_the_rights_that_the_documentation_names_are_enough(redis_server: RedisServer) -> None:
    [rule] = [line for line in PAGE.read_text().splitlines() if line.startswith("ACL SETUSER vestibule ")]
    assert redis_server.ask(*rule.split()) == b"+OK"
    store = RedisStore(f"redis://vestibule:password@127.0.0.1:{redis_server.port}")
    await works(store)
    store.announcements.listen(lambda _: None)
    await until(lambda: store.announcements.are_heard)
    await store.aclose()
    assert redis_server.ask("ACL", "SETUSER", "vestibule", "-evalsha", "-eval") == b"+OK"
    with pytest.raises(Unavailable, match="may not run what is needed"):
        await store.put_new("a/1", b"", 60)
    await store.aclose()
    assert redis_server.ask("ACL", "DELUSER", "vestibule") == b":1"


async def test_the_server_and_its_certificate_are_in_the_url(redis_server: RedisServer, tmp_path: Path) -> None:
    certificate = a_certificate(tmp_path)
    async with tls_in_front_of(redis_server, certificate) as port:
        for scheme in ("rediss", "valkeys"):
            store = RedisStore(f"{scheme}://localhost:{port}/0?ssl_ca_certs={certificate}")
            await works(store)
            await store.aclose()
        stranger = RedisStore(f"rediss://localhost:{port}/0")
        with pytest.raises(Unavailable):
            await stranger.get("a/1")
        await stranger.aclose()


async def test_the_settings_of_a_client_are_taken_over_and_its_connections_are_not(redis_server: RedisServer) -> None:
    client = Redis.from_url(redis_server.url, decode_responses=True)
    store = RedisStore(client, prefix=uuid4().hex)
    await works(store)
    await store.aclose()
    assert await client.ping()
    await client.aclose()


def test_a_client_that_asks_sentinels_is_not_taken_over() -> None:
    with pytest.raises(ConfigurationError, match=r"redis\+sentinel://"):
        RedisStore(Sentinel([("127.0.0.1", 1)]).master_for("service"))


def test_it_is_used_from_one_event_loop_after_the_other(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url, prefix=uuid4().hex)

    async def use() -> None:
        await works(store)
        await store.aclose()

    for _ in range(3):
        asyncio.run(use())


async def test_sentinels_name_the_master_and_after_its_end_the_next(watched) -> None:
    master, replica, sentinel = watched
    store = RedisStore(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/sessions/0", timeout=1)
    await works(store)
    assert await store.put_new("kept", b"by the replica", 600)
    wait_until(lambda: replica.ask("EXISTS", "vestibule:kept") == b":1")
    master.kill()
    with pytest.raises(Unavailable):
        await store.put_new("a/1", b"", 60)
    await recovers(store)
    assert (await store.get("kept")).value == b"by the replica"
    await store.aclose()


@pytest.mark.spec("TK-11", "RF-08")
class TestCluster(StoreContract):
    @pytest.fixture
    async def store(self, cluster: str, clock: HeldClock) -> AsyncIterator[RedisStore]:
        store = RedisStore(cluster, prefix=uuid4().hex, clock=clock)
        yield store
        await store.aclose()

    async def test_purge_removes_only_what_has_expired(self, store: RedisStore, clock: HeldClock) -> None:
        assert await store.put_new("a/1", b"", 1000)
        assert await store.purge() == 0
        assert await store.get("a/1") is not None


def a_certificate(folder: Path) -> Path:
    """A file with a certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form))
    return path


@asynccontextmanager
async def tls_in_front_of(server: RedisServer, certificate: Path) -> AsyncIterator[int]:
    """The port of a TLS server that hands everything on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    tasks: set[asyncio.Task[None]] = set()

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server.port)
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            task = asyncio.ensure_future(hand_on(*pair))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listener:
        yield listener.sockets[0].getsockname()[1]
        await asyncio.gather(*tasks)
