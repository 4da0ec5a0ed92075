"""What anybody may send without having signed in costs little, and nothing that stays."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.races.house import House

from vestibule.clients.assertions import ClientKeys
from vestibule.errors import Unavailable
from vestibule.keys import base64url
from vestibule.keys.jwt import JWTKeySet, sign
from vestibule.net.exchange import FetchFailed
from vestibule.net.fetch import Fetcher
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.uris import parse_uri
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Signer:
    """A client with a key of its own, which anybody can be."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.client_id = ""
        key = ec.generate_private_key(ec.SECP256R1())
        point = key.public_key().public_numbers()
        x, y = (base64url.encode(number.to_bytes(32)) for number in (point.x, point.y))
        self.jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        self._pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    async def register(self) -> None:
        document = {
            "redirect_uris": ["http://127.0.0.1:33418/callback"],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [self.jwk]},
            "grant_types": ["authorization_code", "refresh_token"],
        }
        headers = [(b"content-type", b"application/json")]
        answer = await self.house.request("POST", "/register", headers=headers, body=json.dumps(document).encode())
        self.client_id = answer.json()["client_id"]

    def assertion(self, jti: str) -> dict[str, str]:
        now = self.house.clock.now()
        body = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.house.base_url,
            "iat": now,
            "exp": now + 60,
            "jti": jti,
        }
        return {"client_assertion": sign(body, self._pem, "ES256"), "client_assertion_type": JWT_BEARER}


@pytest.fixture
async def signer() -> Signer:
    made = Signer(House())
    await made.register()
    return made


async def stored(house: House) -> int:
    return len([key async for key, _ in house.store.scan("")])


@pytest.mark.spec("TK-28")
@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/token", {"grant_type": "refresh_token", "refresh_token": "vsr_made-up"}),
        ("/token", {"grant_type": "refresh_token"}),
        ("/token", {"grant_type": "authorization_code", "code": "vsc_made-up", "code_verifier": "x" * 43}),
        ("/revoke", {"token": "made up"}),
        ("/revoke", {}),
        ("/introspect", {"token": "made up"}),
    ],
)
async def test_assertions_of_strangers_store_nothing(signer, path, form):
    """Whoever registers a key can sign as much as it likes: 1000 a second would be a record each."""
    for number in range(5):
        answer = await signer.house.post(path, **form, **signer.assertion(str(number)))
        assert answer.status in (200, 400)
    assert await stored(signer.house) == 0


@pytest.mark.spec("TK-28")
async def test_an_assertion_that_comes_with_a_token_of_ours_counts_once(signer):
    user = await signer.house.signed_in()
    before = await stored(signer.house)
    token = user.tokens["refresh_token"]
    for expected in ((400, "invalid_grant"), (401, "invalid_client")):  # another client's token; then the replay
        form = {"grant_type": "refresh_token", "refresh_token": token}
        answer = await signer.house.post("/token", **form, **signer.assertion("once"))
        assert (answer.status, answer.error) == expected
    assert await stored(signer.house) == before + 1


@pytest.mark.parametrize(("bits", "exponent_bits"), [(2048, 2047), (3072, 3071), (16384, 17)])
def test_keys_that_are_made_to_be_slow_are_no_keys(bits, exponent_bits):
    """Ten keys of 3072 bits with an exponent as long kept the event loop busy for 45 ms, for one anonymous request."""
    modulus, exponent = (secrets.randbits(size) | 1 << (size - 1) | 1 for size in (bits, exponent_bits))
    n, e = (base64url.encode(number.to_bytes((number.bit_length() + 7) // 8)) for number in (modulus, exponent))
    assert len(JWTKeySet.from_jwks({"keys": [{"kty": "RSA", "n": n, "e": e}]})) == 0


def test_an_address_that_is_encoded_over_and_over_is_not_unrolled():
    """Twenty such redirect URIs in one registration took 53 ms, plain ones 1.4 ms."""
    uri = parse_uri("https://app.example/" + "%25" + "25" * 1000)
    assert uri is not None
    assert uri.has_dot_segments
    begun = time.process_time()
    for _ in range(20):
        assert uri.has_dot_segments
    assert time.process_time() - begun < 0.02


async def test_names_that_are_never_resolved_keep_nobody_else_waiting(monkeypatch):
    """A look-up in the system's resolver cannot be broken off. Threads that wait for one must not be those that the provider's name
    and everything else needs."""
    released, real = threading.Event(), socket.getaddrinfo

    def resolve(host, *rest, **more):
        if str(host).endswith("black-hole.example"):
            released.wait(20)
            raise socket.gaierror
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    fetcher = Fetcher()
    fetches = [
        asyncio.create_task(fetcher.get(f"https://{number}.black-hole.example/x", max_bytes=100, timeout=0.2))
        for number in range(64)
    ]
    try:
        outcomes = await asyncio.gather(*fetches, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {FetchFailed}
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 2) == "free"
    finally:
        released.set()


class SlowWeb:
    """Servers that take a connection and never answer."""

    def __init__(self) -> None:
        self.asked = 0

    async def get(self, url, **limits):
        self.asked += 1
        await asyncio.Event().wait()


async def test_slow_key_servers_hold_a_bounded_number_of_fetches():
    """They share their connections with the fetches of client documents, which would have had to wait for one."""
    web, clock = SlowWeb(), FakeClock()
    keys = ClientKeys(web, clock)
    metadata = [
        ClientMetadata(
            redirect_uris=(), token_endpoint_auth_method="private_key_jwt", jwks_uri=f"https://{number}.example/jwks"
        )
        for number in range(100)
    ]
    waiting = [asyncio.create_task(keys.keys_for(each, "a key")) for each in metadata]
    for _ in range(10):
        await asyncio.sleep(0)
    refused = [task for task in waiting if task.done()]
    assert web.asked == 100 - len(refused) < 64
    assert {type(task.exception()) for task in refused} == {Unavailable}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
