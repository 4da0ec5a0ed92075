"""The verifier of JWTs as its users meet it; what it refuses is in tests/attacks/test_hostile_tokens.py."""

import httpx2
import pytest
from tests.unit.net.web import Web

from vestibule import reasons
from vestibule.errors import ConfigurationError, TokenRejected, Unavailable
from vestibule.unsafe import any_audience, any_issuer
from vestibule.verifiers.base import rejection
from vestibule.verifiers.jwt import JWTVerifier, RSAKeyPair

pytestmark = pytest.mark.anyio

ISSUER, AUDIENCE = "https://idp.example", "https://mcp.example/mcp"
PAIR = RSAKeyPair.generate()
EXPECTED = {"issuer": ISSUER, "audience": AUDIENCE}


def token(**changes):
    return PAIR.create_token(**({"subject": "alice", "issuer": ISSUER, "audience": AUDIENCE} | changes))


def verifier(**options):
    return JWTVerifier(**({"public_key": PAIR.public_key} | EXPECTED | options))


# --- what comes out -----------------------------------------------------------------------------------------------------------


async def test_a_token_becomes_what_is_known_of_the_caller():
    presented = token(scopes=["read", "write"], additional_claims={"client_id": "app", "email": "a@b.example"})
    known = await verifier().verify_token(presented)
    assert known.token == presented
    assert (known.subject, known.client_id, known.scopes, known.resource) == ("alice", "app", ["read", "write"], AUDIENCE)
    assert known.claims["email"] == "a@b.example"
    assert known.expires_at == known.claims["exp"]
    assert rejection.get() is None


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "a b"}, ["a", "b"]),
        ({"scp": "a b"}, ["a", "b"]),
        ({"scope": ["a", "b"]}, ["a", "b"]),
        ({"scp": ["a", "b"]}, ["a", "b"]),
        ({"scope": ["a b"]}, ["a b"]),
        ({"scope": ["a", 1, None]}, ["a"]),
        ({"scope": {"a": 1}}, []),
        ({"scope": 1}, []),
        ({"scope": None}, []),
        ({}, []),
    ],
)
async def test_scopes_are_read_in_every_common_form(claims, scopes):
    assert (await verifier().verify_token(token(additional_claims=claims))).scopes == scopes


@pytest.mark.parametrize("name", ["client_id", "azp", "cid", "appid"])
async def test_the_client_is_read_under_every_common_name(name):
    assert (await verifier().verify_token(token(additional_claims={name: "app"}))).client_id == "app"


async def test_a_user_is_never_taken_for_a_client():
    assert (await verifier().verify_token(token())).client_id == ""


async def test_of_several_audiences_the_accepted_one_is_the_resource():
    known = await verifier().verify_token(token(audience=["https://other.example", AUDIENCE]))
    assert known.resource == AUDIENCE


async def test_several_issuers_and_audiences():
    several = verifier(issuer=[ISSUER, "https://second.example"], audience=["api", AUDIENCE])
    assert await several.verify_token(token(issuer="https://second.example", audience="api"))
    assert await several.verify_token(token(issuer="https://third.example", audience="api")) is None


# --- why not ------------------------------------------------------------------------------------------------------------------


async def test_the_reason_travels_beside_the_no():
    assert await verifier().verify_token(token(expires_in_seconds=-60)) is None
    assert rejection.get() is reasons.TOKEN_EXPIRED
    assert await verifier().verify_token(token()) is not None
    assert rejection.get() is None


@pytest.mark.spec("RS-19")
async def test_a_missing_scope_is_told_apart():
    needy = verifier(required_scopes=["read", "write"])
    assert await needy.verify_token(token(scopes=["read"])) is None
    assert rejection.get() is reasons.SCOPE_MISSING
    with pytest.raises(TokenRejected) as caught:
        await needy.check_token(token(scopes=["read"]))
    assert caught.value.detail == "lacks write"
    assert await needy.verify_token(token(scopes=["write", "read"])) is not None


@pytest.mark.spec("RS-21")
async def test_a_scope_that_includes_the_missing_one_is_enough():
    needy = verifier(required_scopes=["read"])
    needy.scope_hierarchy = {"admin": ["write"], "write": ["read"]}
    assert await needy.verify_token(token(scopes=["admin"])) is not None


@pytest.mark.spec("RS-19")
async def test_a_bad_token_without_scopes_is_bad_in_the_first_place():
    await verifier(required_scopes=["read"]).verify_token(token(expires_in_seconds=-60))
    assert rejection.get() is reasons.TOKEN_EXPIRED


async def test_keys_that_cannot_be_had_are_no_no():
    web = Web()
    web.fail("https://idp.example/jwks")
    remote = JWTVerifier(jwks_uri="https://idp.example/jwks", http_client=web.client(), **EXPECTED)
    with pytest.raises(Unavailable):
        await remote.verify_token(token(kid="1"))


async def test_an_internal_key_set_is_refused_where_the_guard_is_on():
    guarded = JWTVerifier(jwks_uri="https://169.254.169.254/jwks", ssrf_safe=True, **EXPECTED)
    with pytest.raises(Unavailable) as caught:
        await guarded.verify_token(token(kid="1"))
    assert caught.value.detail == "jwks_uri: not a public host"


async def test_leeway_is_in_seconds():
    assert await verifier(leeway=100).verify_token(token(expires_in_seconds=-60)) is not None
    assert await verifier(leeway=0).verify_token(token(expires_in_seconds=0)) is None


# --- what cannot be configured ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"public_key": None}, "either public_key or jwks_uri"),
        ({"jwks_uri": "https://idp.example/jwks"}, "not both"),
        ({"algorithm": "none"}, "Unsupported algorithm"),
        ({"algorithm": ["RS256", "XX"]}, "Unsupported algorithm: XX"),
        ({"algorithm": []}, "Unsupported algorithm"),
        ({"algorithm": ["RS256", "HS256"]}, "cannot be mixed"),
        ({"algorithm": "HS256"}, "PEM"),
        ({"public_key": None, "jwks_uri": "https://idp.example/jwks", "algorithm": "HS256"}, "no secret"),
        ({"public_key": "a secret"}, "name its algorithm"),
        ({"public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}, "PEM"),
        ({"issuer": None}, "any_issuer"),
        ({"issuer": ""}, "any_issuer"),
        ({"issuer": [ISSUER, ""]}, "any_issuer"),
        ({"audience": None}, "any_audience"),
        ({"audience": []}, "any_audience"),
        ({"audience": any_issuer}, "does not belong"),
        ({"issuer": any_audience}, "does not belong"),
        ({"required_scopes": "read write"}, "list of scopes"),
        ({"ssrf_safe": True, "http_client": httpx2.AsyncClient()}, "leave http_client out"),
    ],
)
def test_what_cannot_work_is_refused_at_once(options, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        verifier(**options)
    assert isinstance(caught.value, ValueError)


def test_a_secret_is_not_in_the_error():
    with pytest.raises(ConfigurationError) as caught:
        verifier(public_key="hunter2-hunter2-hunter2")
    assert "hunter2" not in str(caught.value)


# --- the key pair -------------------------------------------------------------------------------------------------------------


def test_the_private_key_is_not_shown():
    assert "PRIVATE" not in repr(PAIR)
    assert PAIR.private_key.startswith("-----BEGIN PRIVATE KEY-----")


async def test_a_pair_of_its_own_signs_for_nobody_else():
    stranger = RSAKeyPair.generate().create_token(issuer=ISSUER, audience=AUDIENCE)
    assert await verifier().verify_token(stranger) is None
    assert rejection.get() is reasons.TOKEN_SIGNATURE
