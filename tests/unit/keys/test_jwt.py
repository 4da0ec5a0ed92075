"""JSON Web Tokens: hostile ones are refused with the right reason, whatever the library below would do."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st

from vestibule import reasons
from vestibule.errors import ConfigurationError, TokenRejected
from vestibule.keys import base64url, jwt
from vestibule.keys.jwt import ASYMMETRIC_ALGORITHMS, JWTKeySet, decode
from vestibule.keys.keyring import KeyRing
from vestibule.reasons import Reason

OLD, NEW = "old secret " * 4, "new secret " * 4
RING = KeyRing.from_secrets(OLD)
KEYS = JWTKeySet.from_keyring(RING)
CLAIMS = {"iss": "https://as.example", "aud": "https://rs.example/mcp", "exp": 2_000_000_000, "sub": "u"}


def pem(key: Any) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def public_pem(key: Any) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


RSA = rsa.generate_private_key(65537, 2048)
SMALL_RSA = rsa.generate_private_key(65537, 1024)
PRIVATE = {
    "RS256": RSA,
    "PS384": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def number(value: int) -> str:
    return base64url.encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def rsa_jwk(key: rsa.RSAPrivateKey, **members: Any) -> dict[str, Any]:
    public = key.public_key().public_numbers()
    return {"kty": "RSA", "n": number(public.n), "e": number(public.e), **members}


def segment(value: Any) -> str:
    return base64url.encode(value if isinstance(value, bytes) else json.dumps(value).encode())


def resign(header: Any, payload: Any = None, ring: KeyRing = RING) -> str:
    """A token with any header and payload at all, signed with the ring's own key."""
    content = f"{segment(header)}.{segment(CLAIMS if payload is None else payload)}"
    key = jwt.ECKey.import_key(ring.signing_key.private_key)
    signature = jwt.REGISTRY.get_alg("ES256").sign(content.encode(), key)
    return f"{content}.{base64url.encode(signature)}"


def forge_hmac(secret: bytes, header: dict[str, Any]) -> str:
    content = f"{segment(header)}.{segment(CLAIMS)}"
    return f"{content}.{base64url.encode(hmac.digest(secret, content.encode(), hashlib.sha256))}"


def rejected(token: str, keys: JWTKeySet = KEYS, algorithms: Any = ("ES256",)) -> Reason:
    with pytest.raises(TokenRejected) as caught:
        decode(token, keys, algorithms=algorithms)
    return caught.value.reason


HEADER = {"typ": "at+jwt", "alg": "ES256", "kid": RING.signing_key.kid}


@pytest.mark.spec("AT-01")
def test_our_own_access_tokens_verify() -> None:
    header, claims = decode(jwt.sign_access_token(RING, CLAIMS), KEYS, algorithms=("ES256",))
    assert header == HEADER
    assert claims == CLAIMS


@pytest.mark.spec("AT-01")
def test_the_published_key_set_verifies_them_too() -> None:
    published = JWTKeySet.from_jwks(RING.jwks())
    assert decode(jwt.sign_access_token(RING, CLAIMS), published, algorithms=("ES256",))[1] == CLAIMS


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_every_algorithm_signs_and_verifies(algorithm: str) -> None:
    key = PRIVATE[algorithm]
    token = jwt.sign(CLAIMS, pem(key), algorithm, {"kid": "k1"})
    header, claims = decode(token, JWTKeySet.from_pem(public_pem(key)), algorithms=ASYMMETRIC_ALGORITHMS)
    assert (header["alg"], header["kid"], claims) == (algorithm, "k1", CLAIMS)


@pytest.mark.spec("AT-04")
def test_rotation() -> None:
    old_token = jwt.sign_access_token(RING, CLAIMS)
    rotated = KeyRing.from_secrets([NEW, OLD])
    new_token = jwt.sign_access_token(rotated, CLAIMS)
    for token in (old_token, new_token):
        assert decode(token, JWTKeySet.from_keyring(rotated), algorithms=("ES256",))[1] == CLAIMS
    assert rejected(new_token) is reasons.TOKEN_KEY_UNKNOWN
    assert rejected(old_token, JWTKeySet.from_keyring(KeyRing.from_secrets(NEW))) is reasons.TOKEN_KEY_UNKNOWN


@pytest.mark.spec("RS-13", "RS-15")
@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", reasons.TOKEN_OPAQUE),
        ("opaque", reasons.TOKEN_OPAQUE),
        ("a.b", reasons.TOKEN_OPAQUE),
        ("a.b.c.d.e", reasons.TOKEN_OPAQUE),
        ("e30.e30.", reasons.TOKEN_ALGORITHM),
        (resign(b"[]"), reasons.TOKEN_OPAQUE),
        (resign(b'["alg","b64"]'), reasons.TOKEN_OPAQUE),
        (resign(b"[" * 6000), reasons.TOKEN_OPAQUE),
        (resign(b'{"alg":"none","alg":"ES256"}'), reasons.TOKEN_OPAQUE),
        (resign({"kid": "x"}), reasons.TOKEN_ALGORITHM),
        (resign({**HEADER, "alg": "none"}), reasons.TOKEN_ALGORITHM),
        (f"{segment({**HEADER, 'alg': 'none'})}.{segment(CLAIMS)}.", reasons.TOKEN_ALGORITHM),
        (resign({**HEADER, "alg": "NONE"}), reasons.TOKEN_ALGORITHM),
        (resign({**HEADER, "alg": ["ES256"]}), reasons.TOKEN_ALGORITHM),
        (resign({**HEADER, "alg": "ES384"}), reasons.TOKEN_ALGORITHM),
        (resign({**HEADER, "kid": "other"}), reasons.TOKEN_KEY_UNKNOWN),
        (resign({**HEADER, "kid": 7}), reasons.TOKEN_KEY_UNKNOWN),
        (resign({**HEADER, "kid": {"a": 1}}), reasons.TOKEN_KEY_UNKNOWN),
        (resign({**HEADER, "crit": ["exp"]}), reasons.TOKEN_CRITICAL),
        (resign({**HEADER, "crit": []}), reasons.TOKEN_CRITICAL),
        (resign({**HEADER, "crit": None}), reasons.TOKEN_CRITICAL),
        (resign({**HEADER, "crit": ["b64"], "b64": False}), reasons.TOKEN_CRITICAL),
        (resign({**HEADER, "b64": False}), reasons.TOKEN_CRITICAL),
        (resign({**HEADER, "b64": 1}), reasons.TOKEN_CRITICAL),
        (resign(HEADER, b"[]"), reasons.TOKEN_CLAIMS),
        (resign(HEADER, b'"text"'), reasons.TOKEN_CLAIMS),
        (resign(HEADER, b'{"sub":"a","sub":"b"}'), reasons.TOKEN_CLAIMS),
        (resign(HEADER, b'{"a":{"b":1,"b":2}}'), reasons.TOKEN_CLAIMS),
        (resign(HEADER, b'{"exp":NaN}'), reasons.TOKEN_CLAIMS),
        (resign(HEADER, b'{"exp":-Infinity}'), reasons.TOKEN_CLAIMS),
        (resign(HEADER, b'{"sub":"\\ud800"}'), reasons.TOKEN_CLAIMS),
        (resign(HEADER, b'{"sub":"\xff"}'), reasons.TOKEN_CLAIMS),
        (resign(HEADER, b'{"a":' * 1200), reasons.TOKEN_CLAIMS),
        (resign(HEADER, b'{"exp":' + b"9" * 5000 + b"}"), reasons.TOKEN_CLAIMS),
        (resign(HEADER, {"pad": "x" * 16_000}), reasons.TOKEN_TOO_LARGE),
        ("é" * 100, reasons.TOKEN_OPAQUE),
    ],
)
def test_a_hostile_token_is_refused(token: str, reason: Reason) -> None:
    assert rejected(token, algorithms=("ES256", "none", "ES384")) is reason


@pytest.mark.spec("RS-05", "RS-11")
def test_a_changed_token_is_refused() -> None:
    header, payload, signature = jwt.sign_access_token(RING, CLAIMS).split(".")
    assert rejected(f"{header}.{segment({**CLAIMS, 'sub': 'admin'})}.{signature}") is reasons.TOKEN_SIGNATURE
    for wrong in ("", "AAAA", signature[:-4], signature + "AAAA", signature + "=", "A" * 86):
        assert rejected(f"{header}.{payload}.{wrong}") is reasons.TOKEN_SIGNATURE
    assert rejected(f"{header}.{payload}é.{signature}") is reasons.TOKEN_SIGNATURE
    other = resign(HEADER, ring=KeyRing.from_secrets(NEW))
    assert rejected(other) is reasons.TOKEN_SIGNATURE


@pytest.mark.spec("RS-13")
def test_a_public_key_is_never_a_shared_secret() -> None:
    public = public_pem(RSA)
    der = RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    jwk = rsa_jwk(RSA, kid="k")
    sets = [JWTKeySet.from_pem(public), JWTKeySet.from_jwks({"keys": [jwk]})]
    for secret in (public, public.strip(), der, json.dumps(jwk).encode(), jwk["n"].encode()):
        forged = forge_hmac(secret, {"alg": "HS256", "kid": "k"})
        for keys in sets:
            assert rejected(forged, keys, ("HS256", "RS256")) is reasons.TOKEN_ALGORITHM
    for secret in (public, der, b""):
        with pytest.raises(ConfigurationError):
            JWTKeySet.from_secret(secret)


def test_a_shared_secret_checks_hmac_tokens_only() -> None:
    keys = JWTKeySet.from_secret(b"s" * 32)
    assert decode(forge_hmac(b"s" * 32, {"alg": "HS256"}), keys, algorithms=("HS256",))[1] == CLAIMS
    assert rejected(forge_hmac(b"t" * 32, {"alg": "HS256"}), keys, ("HS256",)) is reasons.TOKEN_SIGNATURE
    assert rejected(resign(HEADER), keys, ("HS256", "ES256")) is reasons.TOKEN_ALGORITHM


@pytest.mark.spec("RS-11")
def test_keys_that_a_token_brings_along_are_not_looked_at() -> None:
    mallory = KeyRing.from_secrets(NEW)
    (jwk,) = mallory.jwks()["keys"]
    brought = {"jwk": jwk, "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x", "x5c": ["AAAA"]}
    assert rejected(resign({**HEADER, **brought}, ring=mallory)) is reasons.TOKEN_SIGNATURE
    assert rejected(resign({**HEADER, **brought, "kid": jwk["kid"]}, ring=mallory)) is reasons.TOKEN_KEY_UNKNOWN
    assert decode(resign({**HEADER, **brought}), KEYS, algorithms=("ES256",))[1] == CLAIMS


def test_a_strange_key_does_not_take_the_others_down() -> None:
    (good,) = RING.jwks()["keys"]
    strange = [
        None,
        "key",
        {},
        {"kty": ["EC"]},
        {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": 5},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": 3, "e": "AQAB"},
        {**rsa_jwk(SMALL_RSA), "kid": "small"},
        {**rsa_jwk(RSA), "e": "AA"},
        {**good, "use": "enc"},
        {**good, "use": {}},
        {**good, "key_ops": ["sign"]},
        {**good, "key_ops": "verify"},
        {**good, "kid": 5},
        {**good, "alg": 5},
        {**good, "x": good["y"]},
    ]
    keys = JWTKeySet.from_jwks({"keys": [*strange, good]})
    assert len(keys) == 1
    assert keys.knows(good["kid"])
    assert decode(jwt.sign_access_token(RING, CLAIMS), keys, algorithms=("ES256",))[1] == CLAIMS
    for document in ({}, {"keys": None}, {"keys": {"a": good}}):
        assert len(JWTKeySet.from_jwks(document)) == 0


def test_a_key_is_used_with_its_own_algorithm_only() -> None:
    token = jwt.sign(CLAIMS, pem(RSA), "RS256")
    assert decode(token, JWTKeySet.from_jwks({"keys": [rsa_jwk(RSA)]}), algorithms=("RS256",))[1] == CLAIMS
    bound = JWTKeySet.from_jwks({"keys": [rsa_jwk(RSA, alg="PS256")]})
    assert rejected(token, bound, ("RS256", "PS256")) is reasons.TOKEN_ALGORITHM


def test_a_token_without_key_id_is_tried_with_every_fitting_key() -> None:
    keys = JWTKeySet.from_jwks({"keys": [*KeyRing.from_secrets([NEW, OLD]).jwks()["keys"], rsa_jwk(RSA, kid="r")]})
    assert decode(resign({"alg": "ES256"}), keys, algorithms=("ES256",))[1] == CLAIMS


@pytest.mark.parametrize(
    "material", [b"", b"no key", public_pem(RSA)[:100], public_pem(SMALL_RSA), public_pem(x25519.X25519PrivateKey.generate())]
)
def test_a_useless_public_key_is_a_matter_of_configuration(material: bytes) -> None:
    with pytest.raises(ConfigurationError):
        JWTKeySet.from_pem(material)


def test_the_public_half_of_a_private_pem_verifies() -> None:
    keys = JWTKeySet.from_pem(pem(RSA))
    assert decode(jwt.sign(CLAIMS, pem(RSA), "RS256"), keys, algorithms=("RS256",))[1] == CLAIMS


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        ("no key", "RS256"),
        (pem(RSA), "ES256"),
        (pem(RSA), "HS256"),
        (pem(RSA), "none"),
        (pem(SMALL_RSA), "RS256"),
        (rsa_jwk(RSA), "RS256"),
        ({"kty": "oct", "k": "AAAA"}, "HS256"),
        ({}, "RS256"),
        (public_pem(RSA), "RS256"),
    ],
)
def test_a_useless_private_key_is_a_matter_of_configuration(key: Any, algorithm: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        jwt.sign(CLAIMS, key, algorithm)
    assert "BEGIN" not in str(caught.value)


def test_a_private_jwk_signs() -> None:
    private = PRIVATE["ES256"]
    numbers = private.private_numbers()
    x, y, d = (
        base64url.encode(value.to_bytes(32, "big"))
        for value in (numbers.public_numbers.x, numbers.public_numbers.y, numbers.private_value)
    )
    token = jwt.sign(CLAIMS, {"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": d}, "ES256")
    assert decode(token, JWTKeySet.from_pem(public_pem(private)), algorithms=("ES256",))[1] == CLAIMS


@pytest.mark.spec("RS-12")
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1000.0}, reasons.TOKEN_EXPIRED),
        ({"exp": 970}, reasons.TOKEN_EXPIRED),
        ({"exp": 0}, reasons.TOKEN_EXPIRED),
        ({}, reasons.TOKEN_CLAIMS),
        ({"exp": None}, reasons.TOKEN_CLAIMS),
        ({"exp": "2000"}, reasons.TOKEN_CLAIMS),
        ({"exp": True}, reasons.TOKEN_CLAIMS),
        ({"exp": -1}, reasons.TOKEN_CLAIMS),
        ({"exp": 10**300}, reasons.TOKEN_CLAIMS),
        ({"exp": float("inf")}, reasons.TOKEN_CLAIMS),
        ({"exp": [2000]}, reasons.TOKEN_CLAIMS),
        ({"exp": 2000, "nbf": 1031}, reasons.TOKEN_NOT_YET_VALID),
        ({"exp": 2000, "nbf": "0"}, reasons.TOKEN_CLAIMS),
        ({"exp": 2000, "iat": 1031}, reasons.TOKEN_NOT_YET_VALID),
        ({"exp": 2000, "iat": {}}, reasons.TOKEN_CLAIMS),
    ],
)
def test_a_token_outside_its_time_is_refused(claims: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(TokenRejected) as caught:
        jwt.check_times(claims, 1030 if claims.get("exp") == 1000.0 else 1000, 30)
    assert caught.value.reason is reason


def test_a_token_inside_its_time_passes() -> None:
    jwt.check_times({"exp": 971, "nbf": 1030, "iat": 1030.0}, 1000, 30)
    jwt.check_times({}, 1000, 30, require_exp=False)


@pytest.mark.spec("RS-09", "RS-10", "RS-11", "RS-14")
@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            lambda value: jwt.check_issuer({"iss": value}, "https://as.example"),
            ["https://as.example"],
            ["https://as.example/", "https://AS.example", "", None, ["https://as.example"], {}],
        ),
        (
            lambda value: jwt.check_audience({"aud": value}, ["https://rs.example/mcp", "https://rs.example"]),
            ["https://rs.example/mcp", ["other", "https://rs.example"]],
            [
                "https://rs.example/",
                "",
                None,
                [],
                [["https://rs.example"]],
                ["https://rs.example", 5],
                {"https://rs.example": 1},
            ],
        ),
        (
            lambda value: jwt.check_type({"typ": value}, {"at+jwt"}),
            ["at+jwt", "AT+JWT", "application/at+jwt"],
            ["JWT", "logout+jwt", "", None, ["at+jwt"], "x/at+jwt"],
        ),
        (lambda value: jwt.check_type({"typ": value} if value else {}, {"at+jwt", ""}), [None], ["JWT"]),
    ],
)
def test_issuer_audience_and_type(check: Callable[[Any], None], good: list[Any], bad: list[Any]) -> None:
    for value in good:
        check(value)
    for value in bad:
        with pytest.raises(TokenRejected):
            check(value)


def test_peeking_reads_without_trust() -> None:
    token = forge_hmac(b"x", {"alg": "HS256", "kid": "k"})
    assert jwt.peek_header(token) == {"alg": "HS256", "kid": "k"}
    assert jwt.peek_claims(token) == CLAIMS
    for junk in ("", "a.b.c", "e30.!.x", "e30.W10.", "x" * 20_000):
        assert jwt.peek_claims(junk) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3)
)
MEMBERS = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "cty", "other"])


@given(st.text() | st.binary().map(lambda data: urlsafe_b64encode(data).decode()))
def test_junk_is_rejected_and_never_fails(text: str) -> None:
    rejected(text)
    rejected(f"{text}.{text}.{text}")
    jwt.peek_header(f"{text}.{text}.{text}")
    jwt.peek_claims(f"e30.{text}.{text}")


@given(st.dictionaries(MEMBERS, JSON, max_size=4), JSON)
def test_strange_headers_and_payloads_never_fail(header: dict[str, Any], payload: Any) -> None:
    with contextlib.suppress(TokenRejected):
        decode(resign({**HEADER, **header}, payload), KEYS, algorithms=("ES256",))


@given(st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "kid", "use", "key_ops", "d"]), JSON))
def test_strange_keys_never_fail(members: dict[str, Any]) -> None:
    (good,) = RING.jwks()["keys"]
    JWTKeySet.from_jwks({"keys": [members, {**good, **members}, {**rsa_jwk(RSA), **members}]})
