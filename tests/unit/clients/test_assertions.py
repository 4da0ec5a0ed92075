"""Clients that sign: private_key_jwt."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from joserfc.jwk import OKPKey, RSAKey
from tests.signing import Signer, ec_signer, rsa_signer
from tests.unit.clients.desk import ISSUER, TOKEN_ENDPOINT, Desk
from tests.unit.clients.fakes import APP
from tests.unit.clients.signing import JWKS_URI, SIGNER, claims, form

from vestibule import reasons
from vestibule.errors import Unavailable

pytestmark = [pytest.mark.anyio, pytest.mark.spec("TK-28")]


@pytest.fixture
def desk():
    desk = Desk()
    desk.web.publish(token_endpoint_auth_method="private_key_jwt", jwks=SIGNER.jwks)
    return desk


@pytest.mark.parametrize("client_id", [{}, {"client_id": APP}])
@pytest.mark.parametrize("audience", [ISSUER, ISSUER + "/", TOKEN_ENDPOINT, [ISSUER]])
async def test_a_fresh_assertion_for_this_server_authenticates(desk, audience, client_id):
    client = await desk.authenticate(**form(SIGNER.sign(claims(desk, aud=audience)), **client_id))
    assert client.client_id == APP


@pytest.mark.parametrize(
    "signer",
    [
        rsa_signer(),
        Signer(rsa.generate_private_key(65537, 2048), RSAKey, "PS256"),
        Signer(ed25519.Ed25519PrivateKey.generate(), OKPKey, "EdDSA"),
    ],
    ids=lambda signer: signer.algorithm,
)
async def test_the_usual_algorithms_are_understood(desk, signer):
    desk.web.publish(token_endpoint_auth_method="private_key_jwt", jwks=signer.jwks)
    assert await desk.authenticate(**form(signer.sign(claims(desk))))


async def test_a_client_that_registered_itself_may_sign_too(desk):
    client_id, _ = desk.register("private_key_jwt", jwks=SIGNER.jwks)
    assert await desk.authenticate(**form(SIGNER.sign(claims(desk, iss=client_id, sub=client_id))))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example/client.json"},
        {"iss": None},
        {"aud": "https://other.example"},
        {"aud": [ISSUER, "https://other.example"]},
        {"aud": [ISSUER, TOKEN_ENDPOINT]},
        {"aud": [[ISSUER]]},
        {"aud": []},
        {"aud": None},
        {"aud": ISSUER + "/mcp"},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 0},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 2000},
    ],
    ids=str,
)
async def test_an_assertion_with_a_wrong_claim_is_refused_and_burns_nothing(desk, changes):
    error = await desk.refused(**form(SIGNER.sign(claims(desk, **changes))))
    assert (error.error, error.status, error.reason) == ("invalid_client", 401, reasons.ASSERTION_INVALID)
    assert desk.spent == {}


@pytest.mark.parametrize(
    ("name", "offset"), [("exp", -61), ("exp", 700), ("exp", 10**9), ("nbf", 61), ("iat", 61)], ids=lambda value: str(value)
)
async def test_an_assertion_of_another_time_is_refused(desk, name, offset):
    error = await desk.refused(**form(SIGNER.sign(claims(desk, **{name: int(desk.clock.now()) + offset}))))
    assert error.reason is reasons.ASSERTION_INVALID


@pytest.mark.parametrize(("name", "offset"), [("exp", -50), ("exp", 600), ("nbf", 50), ("iat", 50), ("iat", -5000)])
async def test_clocks_may_differ_a_little(desk, name, offset):
    assert await desk.authenticate(**form(SIGNER.sign(claims(desk, **{name: int(desk.clock.now()) + offset}))))


async def test_an_assertion_without_a_subject_is_refused_whoever_the_request_names(desk):
    error = await desk.refused(**form(SIGNER.sign(claims(desk, sub=None)), client_id=APP))
    assert error.reason is reasons.ASSERTION_INVALID


async def test_an_assertion_is_used_once_and_remembered_until_it_ends(desk):
    assertion = SIGNER.sign(claims(desk))
    assert await desk.authenticate(**form(assertion))
    error = await desk.refused(**form(assertion))
    assert (error.error, error.reason) == ("invalid_client", reasons.ASSERTION_REPLAYED)
    assert list(desk.spent.values()) == [360.0]


async def test_two_clients_may_use_the_same_jti(desk):
    other = "https://other.example/client.json"
    desk.web.publish(other, token_endpoint_auth_method="private_key_jwt", jwks=SIGNER.jwks)
    assert await desk.authenticate(**form(SIGNER.sign(claims(desk, jti="1"))))
    assert await desk.authenticate(**form(SIGNER.sign(claims(desk, jti="1", iss=other, sub=other))))


async def test_only_the_registered_algorithm_counts_if_one_was_registered(desk):
    desk.web.publish(token_endpoint_auth_method="private_key_jwt", jwks=SIGNER.jwks, token_endpoint_auth_signing_alg="RS256")
    assert (await desk.refused(**form(SIGNER.sign(claims(desk))))).reason is reasons.ASSERTION_INVALID


@pytest.mark.parametrize(
    "others",
    [
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
        {"client_assertion_type": ""},
        {"client_assertion": ""},
        {"client_id": "https://other.example/client.json"},
    ],
    ids=str,
)
async def test_an_assertion_that_does_not_fit_the_rest_of_the_request_is_refused(desk, others):
    assert (await desk.refused(**{**form(SIGNER.sign(claims(desk))), **others})).error == "invalid_client"


async def test_keys_behind_a_url_are_fetched_once_and_again_for_a_new_key(desk):
    desk.web.publish(token_endpoint_auth_method="private_key_jwt", jwks_uri=JWKS_URI)
    desk.web.answer(JWKS_URI, SIGNER.jwks)
    for _ in range(3):
        assert await desk.authenticate(**form(SIGNER.sign(claims(desk))))
    assert desk.web.asked.count(JWKS_URI) == 1
    newer = ec_signer("k2")
    desk.web.answer(JWKS_URI, json.loads(json.dumps({"keys": [SIGNER.jwk, newer.jwk]})))
    desk.clock.advance(100)
    assert await desk.authenticate(**form(newer.sign(claims(desk))))


async def test_keys_that_cannot_be_fetched_are_passing_trouble(desk):
    desk.web.publish(token_endpoint_auth_method="private_key_jwt", jwks_uri=JWKS_URI)
    desk.web.fail(JWKS_URI)
    with pytest.raises(Unavailable):
        await desk.authenticate(**form(SIGNER.sign(claims(desk))))
