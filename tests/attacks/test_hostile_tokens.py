"""A corpus of forged tokens, none of which the verifier may accept, whatever the JOSE library of the day does.

CVE-2026-32597 and CVE-2025-59420 (unknown ``crit`` accepted), CVE-2026-48523 (algorithm list bypassed by a JWK), CVE-2024-37568
(algorithm confusion), CVE-2026-44699 (RSA JWK as empty HMAC key), fastmcp PR3419 and PR3430 (HS* with a key set); and the rules
RS-10 to RS-15 for tokens that are honest and not for here.
"""

import json

import pytest
from tests.attacks.forge import EC, OKP, OTHER_EC, OTHER_RSA, RSA, b64, forge, jwk, pem, signature, spellings
from tests.unit.net.web import Web

from vestibule.testing.clock import FakeClock
from vestibule.unsafe import any_audience, any_issuer
from vestibule.verifiers.base import rejection
from vestibule.verifiers.jwt import JWTVerifier

pytestmark = pytest.mark.anyio

ISSUER = "https://idp.example"
AUDIENCE = "https://mcp.example/mcp"
JWKS_URI = "https://idp.example/jwks"
NOW = 1_800_000_000
HEADER = {"alg": "RS256", "typ": "at+jwt", "kid": "rsa"}
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user", "exp": NOW + 600, "iat": NOW, "client_id": "app", "scope": "read"}
KEY_SET = {
    "keys": [
        jwk(RSA, kid="rsa"),
        jwk(RSA, kid="rsa-for-rs256", alg="RS256"),
        jwk(EC, kid="ec"),
        jwk(OKP, kid="okp"),
        {"kty": "oct", "kid": "oct", "k": b64(b"a published secret of 32 bytes..")},
        jwk(OTHER_RSA, kid="for-encryption", use="enc"),
    ]
}


def by_key_set(**options):
    web = Web()
    web.answer(JWKS_URI, KEY_SET)
    expected = {"issuer": ISSUER, "audience": AUDIENCE} | options
    return JWTVerifier(jwks_uri=JWKS_URI, http_client=web.client(), clock=FakeClock(NOW), **expected)


def by_pem(key=RSA, **options):
    expected = {"issuer": ISSUER, "audience": AUDIENCE} | options
    return JWTVerifier(public_key=pem(key), clock=FakeClock(NOW), **expected)


async def refusal(verifier, token):
    """The reason's code, or None if the token was accepted."""
    if await verifier.verify_token(token) is not None:
        return None
    return rejection.get().code


async def assert_refused(token, *codes):
    """Refused by a verifier with a key set and by one with a key."""
    for verifier in (by_key_set(), by_pem()):
        assert await refusal(verifier, token) in codes


def without(name):
    return {key: value for key, value in CLAIMS.items() if key != name}


# --- the corpus is not vacuous: its honest form is accepted -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (HEADER, RSA),
        ({"alg": "RS512", "kid": "rsa"}, RSA),
        ({"alg": "PS256", "kid": "rsa"}, RSA),
        ({"alg": "ES256", "kid": "ec"}, EC),
        ({"alg": "EdDSA", "kid": "okp"}, OKP),
        ({"alg": "RS256", "typ": "JWT"}, RSA),
        ({"alg": "RS256", "typ": "application/AT+JWT", "kid": "rsa"}, RSA),
    ],
)
async def test_honest_tokens_are_accepted(header, key):
    token = await by_key_set().verify_token(forge(header, CLAIMS, key))
    assert token is not None
    assert (token.subject, token.client_id, token.scopes, token.resource) == ("user", "app", ["read"], AUDIENCE)
    assert await by_pem(key).verify_token(forge(header, CLAIMS, key)) is not None


# --- algorithms (RS-13) -------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RS-13")
@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "RS255", "rs256", "RS256 ", "A256KW", "dir", None, 256, [], {}, True]
)
@pytest.mark.parametrize("signed", ["", "x", "real"])
async def test_no_algorithm_but_the_known_ones(algorithm, signed):
    parts = f"{b64(json.dumps(HEADER | {'alg': algorithm}).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    tail = b64(signature(RSA, "RS256", parts.encode())) if signed == "real" else signed
    await assert_refused(f"{parts}.{tail}", "token_algorithm")


@pytest.mark.spec("RS-13")
async def test_no_algorithm_at_all():
    header = {"typ": "at+jwt", "kid": "rsa"}
    await assert_refused(forge(header, CLAIMS, sign_as="RS256"), "token_algorithm")


@pytest.mark.spec("RS-13")
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize(("kid", "key"), [("rsa", RSA), ("rsa-for-rs256", RSA), ("ec", EC), ("okp", OKP), (None, RSA)])
async def test_a_public_key_is_no_secret_however_it_is_written(algorithm, kid, key):
    header = {"alg": algorithm, "typ": "at+jwt"} | ({"kid": kid} if kid else {})
    members = {"kid": kid} if kid else {}
    for secret in spellings(key, **members):
        token = forge(header, CLAIMS, secret)
        assert await refusal(by_key_set(), token) == "token_algorithm"
        assert await refusal(by_pem(key), token) == "token_algorithm"


@pytest.mark.spec("RS-13")
async def test_a_published_secret_is_no_key():
    secret = b"a published secret of 32 bytes.."
    assert await refusal(by_key_set(), forge({"alg": "HS256", "kid": "oct"}, CLAIMS, secret)) == "token_algorithm"
    assert await refusal(by_key_set(), forge({"alg": "RS256", "kid": "oct"}, CLAIMS)) == "token_key_unknown"


@pytest.mark.spec("RS-13")
@pytest.mark.parametrize("public_key", spellings(RSA)[:3])
def test_a_public_key_cannot_even_be_configured_as_a_secret(public_key):
    with pytest.raises(ValueError, match=r"PEM|asymmetric"):
        JWTVerifier(public_key=public_key, algorithm="HS256", issuer=ISSUER, audience=AUDIENCE)


@pytest.mark.spec("RS-13")
async def test_an_asymmetric_algorithm_is_no_hmac():
    secret = b"0123456789abcdef0123456789abcdef"
    verifier = JWTVerifier(public_key=secret, algorithm="HS256", issuer=ISSUER, audience=AUDIENCE, clock=FakeClock(NOW))
    assert await refusal(verifier, forge({"alg": "HS256"}, CLAIMS, secret)) is None
    assert await refusal(verifier, forge({"alg": "HS512"}, CLAIMS, secret)) == "token_algorithm"
    assert await refusal(verifier, forge({"alg": "RS256"}, CLAIMS)) == "token_algorithm"
    assert await refusal(verifier, forge({"alg": "HS256"}, CLAIMS, b"another")) == "token_signature"


@pytest.mark.spec("RS-13")
@pytest.mark.parametrize(
    ("algorithm", "kid", "key"),
    [
        ("ES256", "rsa", EC),
        ("EdDSA", "rsa", OKP),
        ("RS256", "ec", RSA),
        ("RS256", "okp", RSA),
        ("EdDSA", "ec", OKP),
        ("ES384", "ec", EC),
    ],
)
async def test_the_algorithm_fits_the_key_that_is_named(algorithm, kid, key):
    assert await refusal(by_key_set(), forge({"alg": algorithm, "kid": kid}, CLAIMS, key)) in (
        "token_algorithm",
        "token_signature",
    )


@pytest.mark.spec("RS-13")
async def test_a_key_is_used_for_its_own_algorithm_only():
    assert await refusal(by_key_set(), forge({"alg": "RS256", "kid": "rsa-for-rs256"}, CLAIMS)) is None
    assert await refusal(by_key_set(), forge({"alg": "RS512", "kid": "rsa-for-rs256"}, CLAIMS)) == "token_algorithm"


@pytest.mark.spec("RS-13")
async def test_the_configured_algorithm_is_the_only_one():
    verifier = by_key_set(algorithm="ES256")
    assert await refusal(verifier, forge({"alg": "ES256", "kid": "ec"}, CLAIMS, EC)) is None
    assert await refusal(verifier, forge(HEADER, CLAIMS)) == "token_algorithm"


# --- keys (RS-11) -------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RS-11")
@pytest.mark.parametrize("key", [OTHER_RSA, RSA])
@pytest.mark.parametrize(
    "embedded",
    [
        {"jwk": jwk(OTHER_RSA)},
        {"jwk": jwk(OTHER_RSA, kid="rsa")},
        {"jku": "https://attacker.example/jwks"},
        {"x5u": "https://attacker.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"jku": "file:///etc/passwd", "kid": "attacker"},
    ],
)
async def test_keys_in_the_token_are_not_looked_at(embedded, key):
    web = Web()
    web.answer(JWKS_URI, KEY_SET)
    verifier = JWTVerifier(jwks_uri=JWKS_URI, http_client=web.client(), issuer=ISSUER, audience=AUDIENCE, clock=FakeClock(NOW))
    verdict = await refusal(verifier, forge(HEADER | embedded, CLAIMS, key))
    unknown = "kid" in embedded
    assert verdict == ("token_key_unknown" if unknown else None if key is RSA else "token_signature")
    assert {str(request.url) for request in web.requests} == {JWKS_URI}


@pytest.mark.spec("RS-11")
@pytest.mark.parametrize("kid", ["", "unknown", "RSA", "rsa\x00", "../rsa", "' or 1=1 --", "for-encryption", "k" * 10_000])
async def test_an_unknown_key_id_is_refused(kid):
    assert await refusal(by_key_set(), forge(HEADER | {"kid": kid}, CLAIMS)) == "token_key_unknown"


@pytest.mark.spec("RS-11")
@pytest.mark.parametrize("kid", [1, 0, True, [], ["rsa"], {"rsa": 1}, 1.5])
async def test_a_key_id_that_is_no_text_is_refused(kid):
    assert await refusal(by_key_set(), forge(HEADER | {"kid": kid}, CLAIMS)) is not None


@pytest.mark.spec("RS-11")
async def test_the_key_of_somebody_else_is_refused():
    await assert_refused(forge(HEADER, CLAIMS, OTHER_RSA), "token_signature")
    await assert_refused(forge({"alg": "RS256"}, CLAIMS, OTHER_RSA), "token_signature")
    assert await refusal(by_key_set(), forge({"alg": "ES256", "kid": "ec"}, CLAIMS, OTHER_EC)) == "token_signature"
    assert (
        await refusal(by_key_set(), forge({"alg": "RS256", "kid": "for-encryption"}, CLAIMS, OTHER_RSA)) == "token_key_unknown"
    )


@pytest.mark.spec("RS-11")
async def test_a_signature_that_was_touched_is_refused():
    honest = forge({"alg": "ES256", "kid": "ec"}, CLAIMS, EC)
    parts, _, signed = honest.rpartition(".")
    header, _, claims = parts.partition(".")
    variants = [
        f"{parts}.",
        f"{parts}.{signed[:-4]}",
        f"{parts}.{b64(bytes(64))}",  # r = s = 0 (CVE-2022-21449)
        f"{parts}.{signed}=",
        f"{parts}.{signed}A",
        f"{parts}.{signed}\n",
        f"{header}.{b64(json.dumps(CLAIMS | {'sub': 'admin'}).encode())}.{signed}",
        f"{b64(json.dumps({'alg': 'ES256', 'kid': 'ec', 'x': 1}).encode())}.{claims}.{signed}",
    ]
    assert await refusal(by_key_set(), honest) is None
    for token in variants:
        assert await refusal(by_key_set(), token) is not None


# --- header (RS-14, RS-15) ----------------------------------------------------------------------------------------------------


@pytest.mark.spec("RS-15")
@pytest.mark.parametrize("critical", [["exp"], ["x-unknown"], ["b64"], [], "x", None, [1], {"a": 1}, ["alg"], ["http://x/y"]])
async def test_every_critical_extension_is_refused(critical):
    await assert_refused(forge(HEADER | {"crit": critical, "x-unknown": 1, "b64": True}, CLAIMS), "token_critical")


@pytest.mark.spec("RS-15")
async def test_an_unencoded_payload_is_refused():
    """RFC 7797."""
    await assert_refused(forge(HEADER | {"b64": False}, CLAIMS), "token_critical")
    await assert_refused(forge(HEADER | {"b64": False, "crit": ["b64"]}, CLAIMS), "token_critical")
    header = b64(json.dumps(HEADER | {"b64": False, "crit": ["b64"]}).encode())
    message = f"{header}.{json.dumps(CLAIMS)}"
    await assert_refused(f"{message}.{b64(signature(RSA, 'RS256', message.encode()))}", "token_critical", "token_opaque")


@pytest.mark.spec("RS-14", "RS-08")
@pytest.mark.parametrize(
    "kind",
    [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "client-authentication+jwt",
        "id_token+jwt",
        "refresh+jwt",
        "JOSE",
        "text/at+jwt",
        "oauth-authz-req+jwt",
        "at+jwt2",
        " at+jwt",
        None,
        1,
        [],
        ["at+jwt"],
        True,
    ],
)
async def test_other_kinds_of_jwt_are_no_access_tokens(kind):
    await assert_refused(forge(HEADER | {"typ": kind}, CLAIMS), "token_type", "token_signature")


@pytest.mark.spec("RS-14")
@pytest.mark.parametrize("kind", ["JWT", "logout+jwt", None])
async def test_where_at_jwt_is_expected_nothing_else_is_accepted(kind):
    header = {"alg": "RS256", "kid": "rsa"} | ({"typ": kind} if kind else {})
    verifier = by_key_set(token_types=["at+jwt"])
    assert await refusal(verifier, forge(header, CLAIMS)) == "token_type"
    assert await refusal(verifier, forge(HEADER, CLAIMS)) is None


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"none","alg":"RS256","kid":"rsa"}',
        '{"alg":"RS256","alg":"none","kid":"rsa"}',
        '{"alg":"RS256","kid":"x","kid":"rsa"}',
        '{"alg":"RS256","kid":"rsa","n":NaN}',
        '{"alg":"RS256","kid":"rsa"} x',
        '["RS256"]',
        '"RS256"',
        "null",
        "",
        b"\xff\xfe",
        '{"alg":"RS256","x":' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
async def test_an_ambiguous_header_is_refused(header):
    await assert_refused(forge(header, CLAIMS), "token_opaque", "token_too_large")


# --- claims: issuer and audience (RS-10, RS-11) -------------------------------------------------------------------------------


@pytest.mark.spec("RS-11")
@pytest.mark.parametrize(
    "issuer",
    [
        ISSUER + "/",
        ISSUER.upper(),
        "http://idp.example",
        ISSUER + ".evil.example",
        ISSUER + "\x00",
        "",
        None,
        1,
        [ISSUER],
        {"a": ISSUER},
    ],
)
async def test_another_issuer_is_refused(issuer):
    await assert_refused(forge(HEADER, CLAIMS | {"iss": issuer}), "token_issuer")


@pytest.mark.spec("RS-11")
async def test_no_issuer_is_refused():
    await assert_refused(forge(HEADER, without("iss")), "token_issuer")


@pytest.mark.spec("RS-09", "RS-10")
@pytest.mark.parametrize(
    "audience",
    [
        "https://mcp.example",
        "https://mcp.example/",
        AUDIENCE + "/",
        AUDIENCE.upper(),
        "https://mcp.example/mcp2",
        "https://other.example/mcp",
        "",
        None,
        1,
        True,
        {},
        {"0": AUDIENCE},
        [],
        [[AUDIENCE]],
        [AUDIENCE, [AUDIENCE]],
        [AUDIENCE, 1],
        [None],
        ["https://other.example"],
    ],
)
async def test_another_audience_is_refused(audience):
    await assert_refused(forge(HEADER, CLAIMS | {"aud": audience}), "token_audience")


@pytest.mark.spec("RS-10")
async def test_no_audience_is_refused():
    await assert_refused(forge(HEADER, without("aud")), "token_audience")


@pytest.mark.spec("RS-10", "RS-11")
async def test_what_is_switched_off_by_name_leaves_everything_else_on():
    verifier = by_key_set(issuer=any_issuer, audience=any_audience)
    assert await refusal(verifier, forge(HEADER, CLAIMS | {"iss": "https://other.example", "aud": "x"})) is None
    for token, code in [
        (forge(HEADER, CLAIMS, OTHER_RSA), "token_signature"),
        (forge(HEADER, CLAIMS | {"exp": NOW - 600}), "token_expired"),
        (forge(HEADER | {"crit": ["x"]}, CLAIMS), "token_critical"),
        (forge(HEADER | {"typ": "logout+jwt"}, CLAIMS), "token_type"),
    ]:
        assert await refusal(verifier, token) == code


# --- claims: times (RS-12) ----------------------------------------------------------------------------------------------------


NO_TIMES = ["", "soon", str(NOW + 600), True, None, [], {}, [NOW + 600], -1, -1e300, 1e300, 10**30, 253_402_300_800]


@pytest.mark.spec("RS-12")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", NO_TIMES)
async def test_what_is_no_time_is_refused(name, value):
    await assert_refused(forge(HEADER, CLAIMS | {name: value}), "token_claims")


@pytest.mark.spec("RS-12")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "0x7fffffff", "1_800_000_600"]
)
async def test_what_is_no_number_is_refused(name, value):
    claims = json.dumps(without(name))[:-1] + f', "{name}": {value}}}'
    await assert_refused(forge(HEADER, claims), "token_claims")


@pytest.mark.spec("RS-12")
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"exp": NOW - 30}, "token_expired"),
        ({"exp": NOW - 29.5}, None),
        ({"exp": NOW - 30.5}, "token_expired"),
        ({"exp": 0}, "token_expired"),
        ({"exp": -0.0}, "token_expired"),
        ({"nbf": NOW + 30}, None),
        ({"nbf": NOW + 31}, "token_not_yet_valid"),
        ({"nbf": NOW + 30.5}, "token_not_yet_valid"),
        ({"iat": NOW + 31}, "token_not_yet_valid"),
        ({"iat": NOW + 10**8, "nbf": NOW - 10, "exp": NOW + 10**9}, "token_not_yet_valid"),
    ],
)
async def test_times_are_bounds(changed, code):
    assert await refusal(by_pem(), forge(HEADER, CLAIMS | changed)) == code


@pytest.mark.spec("RS-12")
async def test_a_token_without_an_end_is_refused():
    await assert_refused(forge(HEADER, without("exp")), "token_claims")


# --- claims: form -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        json.dumps(CLAIMS)[:-1] + ', "sub": "admin"}',
        json.dumps(CLAIMS)[:-1] + ', "aud": "https://other.example"}',
        '{"exp": 1, ' + json.dumps(CLAIMS)[1:],
        json.dumps(CLAIMS)[:-1] + ', "x": {"a": 1, "a": 2}}',
        json.dumps([CLAIMS]),
        json.dumps("claims"),
        "null",
        "1",
        "",
        "{",
        json.dumps(CLAIMS) + "x",
        b"\xff\xfe\x00",
        json.dumps(CLAIMS).encode("utf-16"),
    ],
)
async def test_ambiguous_claims_are_refused(claims):
    await assert_refused(forge(HEADER, claims), "token_claims")


async def test_claims_nested_without_end_are_refused():
    deep = json.dumps(CLAIMS)[:-1] + ', "x": ' + "[" * 5000 + "]" * 5000 + "}"
    await assert_refused(forge(HEADER, deep), "token_claims", "token_too_large")


@pytest.mark.parametrize("subject", [1, True, [], {}, ["user"]])
async def test_a_subject_is_a_text(subject):
    await assert_refused(forge(HEADER, CLAIMS | {"sub": subject}), "token_claims")


# --- size and shape -----------------------------------------------------------------------------------------------------------


async def test_a_megabyte_is_refused_before_it_is_read():
    await assert_refused(forge(HEADER, CLAIMS | {"x": "x" * 1_000_000}), "token_too_large")
    await assert_refused("x" * 1_000_000, "token_too_large")
    await assert_refused("." * 1_000_000, "token_too_large")


@pytest.mark.spec("RS-05")
@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "....",
        "a.b.c",
        "e30.e30.",
        "e30.e30.e30",
        "opaque",
        "ghp_" + "a" * 36,
        "\x00",
        "ü.ü.ü",
        "\udc80",
        "Bearer x",
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA",
        '{"payload":"e30","signatures":[]}',
        " " + "e30.e30.e30",
    ],
)
async def test_what_is_no_jwt_is_refused(token):
    await assert_refused(token, "token_opaque", "token_algorithm")


async def test_an_opaque_token_is_named_as_such():
    await assert_refused("ya29.a0AfH6SMBopaque", "token_opaque")


async def test_nothing_that_can_be_made_up_without_a_known_algorithm_causes_a_request():
    web = Web()
    web.answer(JWKS_URI, KEY_SET)
    verifier = JWTVerifier(jwks_uri=JWKS_URI, http_client=web.client(), issuer=ISSUER, audience=AUDIENCE, clock=FakeClock(NOW))
    for token in (
        "opaque",
        "a.b.c",
        forge({"alg": "none"}, CLAIMS, sign_as="RS256"),
        forge({"alg": "HS256"}, CLAIMS, b"x"),
        "x" * 10**6,
    ):
        assert await refusal(verifier, token) is not None
    assert not web.requests
