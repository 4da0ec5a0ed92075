"""ID tokens: one good one, and each way of being bad."""

import base64
import hashlib
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from vestibule.errors import UpstreamRefused
from vestibule.keys import jwt
from vestibule.keys.jwt import JWTKeySet
from vestibule.upstream.identity import Identity, check_id_token

ISSUER = "https://login.example.com"
NOW = 1_800_000_000
ABSENT = object()
GOOD = {
    "iss": ISSUER,
    "sub": "u-1",
    "aud": "our-id",
    "iat": NOW,
    "exp": NOW + 600,
    "nonce": "n-1",
    "email": "alice@example.com",
}

pytestmark = pytest.mark.spec("PX-10")


@cache
def private_key(algorithm: str, which: int) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if algorithm.startswith("RS"):
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP384R1() if algorithm == "ES384" else ec.SECP256R1())


def sign(claims: dict[str, object], algorithm: str = "RS256", which: int = 0, **headers: str) -> str:
    pem = private_key(algorithm, which).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return jwt.sign({name: value for name, value in claims.items() if value is not ABSENT}, pem, algorithm, headers)


def check(token: str, algorithm: str = "RS256", **options: object) -> Identity:
    public = private_key(algorithm, 0).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    settings: dict[str, object] = {
        "keys": JWTKeySet.from_pem(public),
        "issuer": ISSUER,
        "client_id": "our-id",
        "nonce": "n-1",
        "now": NOW,
        "algorithms": ["RS256", "RS512", "ES256", "ES384"],
        **options,
    }
    return check_id_token(token, **settings)  # type: ignore[arg-type]


def left_half(token: str, name: str) -> str:
    digest = hashlib.new(name, token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "ES256", "ES384"])
def test_good_token(algorithm: str) -> None:
    assert check(sign(GOOD, algorithm), algorithm) == Identity("u-1", ISSUER, GOOD)


def test_claims_are_not_shown() -> None:
    assert "alice" not in repr(check(sign(GOOD)))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["our-id"]},
        {"aud": ["our-id", "other"], "azp": "our-id"},
        {"azp": "our-id"},
        {"exp": NOW - 29, "iat": NOW - 600},
        {"iat": NOW + 29},
    ],
)
def test_other_good_tokens(changes: dict[str, object]) -> None:
    assert check(sign({**GOOD, **changes})).subject == "u-1"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"iss": "https://evil.example"}, "token_issuer"),
        ({"iss": ISSUER + "/"}, "token_issuer"),
        ({"iss": ABSENT}, "token_issuer"),
        ({"iss": [ISSUER]}, "token_issuer"),
        ({"aud": "other"}, "token_audience"),
        ({"aud": ["other"]}, "token_audience"),
        ({"aud": ABSENT}, "token_audience"),
        ({"aud": []}, "token_audience"),
        ({"aud": {"our-id": 1}}, "token_audience"),
        ({"aud": ["our-id", "other"]}, "azp is missing"),
        ({"aud": ["our-id", "other"], "azp": "other"}, "azp is another"),
        ({"azp": "other"}, "azp is another"),
        ({"azp": None}, "azp is another"),
        ({"exp": NOW - 31}, "token_expired"),
        ({"exp": ABSENT}, "exp is missing"),
        ({"exp": str(NOW + 600)}, "exp is no time"),
        ({"nbf": NOW + 31}, "token_not_yet_valid"),
        ({"iat": NOW + 31}, "token_not_yet_valid"),
        ({"iat": ABSENT}, "iat is missing"),
        ({"iat": True}, "iat is no time"),
        ({"nonce": "n-2"}, "nonce is another"),
        ({"nonce": ABSENT}, "nonce is missing"),
        ({"nonce": ["n-1"]}, "nonce is another"),
        ({"nonce": ""}, "nonce is another"),
        ({"sub": ABSENT}, "sub is missing"),
        ({"sub": ""}, "sub is missing"),
        ({"sub": 7}, "sub is missing"),
        ({"sub": "x" * 256}, "sub is missing"),
    ],
)
def test_each_check_is_made_and_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(UpstreamRefused, match=named) as refusal:
        check(sign({**GOOD, **changes}))
    assert refusal.value.reason.code == "upstream_id_token"


def test_signature_of_another_key() -> None:
    with pytest.raises(UpstreamRefused, match="token_signature"):
        check(sign(GOOD, which=1))


def test_unsigned_token() -> None:
    _, payload, _ = sign(GOOD).split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for token in (f"{header}.{payload}.", f"{header}.{payload}.AAAA"):
        with pytest.raises(UpstreamRefused, match="token_algorithm"):
            check(token)


def test_algorithm_that_is_not_offered() -> None:
    with pytest.raises(UpstreamRefused, match="token_algorithm"):
        check(sign(GOOD), algorithms=["ES256"])


def test_access_token_is_no_id_token() -> None:
    with pytest.raises(UpstreamRefused, match="token_type"):
        check(sign(GOOD, typ="at+jwt"))


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.b.c.d.e"])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(UpstreamRefused, match="token_opaque"):
        check(token)


def test_token_of_a_refresh_needs_no_nonce() -> None:
    assert check(sign({**GOOD, "nonce": ABSENT}), nonce=None).subject == "u-1"


@pytest.mark.parametrize(("algorithm", "digest"), [("RS256", "sha256"), ("RS512", "sha512"), ("ES384", "sha384")])
def test_hash_of_the_access_token(algorithm: str, digest: str) -> None:
    token = sign({**GOOD, "at_hash": left_half("the-token", digest)}, algorithm)
    assert check(token, algorithm, access_token="the-token").subject == "u-1"
    assert check(token, algorithm).subject == "u-1"
    with pytest.raises(UpstreamRefused, match="at_hash"):
        check(token, algorithm, access_token="another")


@pytest.mark.parametrize("value", ["", 7, ["x"]])
def test_hash_that_is_none(value: object) -> None:
    with pytest.raises(UpstreamRefused, match="at_hash"):
        check(sign({**GOOD, "at_hash": value}), access_token="the-token")
