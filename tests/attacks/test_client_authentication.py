"""Attacks on client authentication."""

import json
from base64 import urlsafe_b64encode

import pytest
from tests.unit.clients.desk import SECRET, Desk, basic
from tests.unit.clients.fakes import APP, CALLBACK
from tests.unit.clients.signing import JWKS_URI, SIGNER, claims, ec_signer, form

from vestibule import reasons
from vestibule.clients.configured import ConfiguredClient
from vestibule.keys import base64url
from vestibule.keys.jwt import sign

pytestmark = pytest.mark.anyio


@pytest.mark.spec("TK-22", "DCR-03", "RV-06")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_client_with_a_secret_never_authenticates_without_it(method):
    """CVE-2026-44476: registration gave a secret, and a blank one passed."""
    desk = Desk()
    client_id, secret = desk.register(method)
    wrong_place = {"client_id": client_id, "client_secret": secret} if method == "client_secret_basic" else {}
    attempts = [
        ([], {"client_id": client_id}),
        ([], {"client_id": client_id, "client_secret": ""}),
        ([], {"client_id": client_id, "client_secret": " "}),
        ([], {"client_id": client_id, "client_secret": "None"}),
        ([], {"client_id": client_id, "client_secret": secret[:-1]}),
        ([], {"client_id": client_id, "client_secret": base64url.encode(base64url.decode(secret)[:16])}),
        ([], {"client_id": client_id, "client_secret": client_id}),
        ([basic(client_id, "")], {}),
        ([basic(client_id, "")], {"client_id": client_id}),
        ([basic(client_id, "wrong")], {}),
        ([b"Bearer " + secret.encode()], {"client_id": client_id}),
        ([], wrong_place) if wrong_place else ([basic(client_id, secret)], {}),
    ]
    for headers, parameters in attempts:
        error = await desk.refused(*headers, **parameters)
        assert error.error == "invalid_client", parameters


@pytest.mark.spec("TK-22")
async def test_a_configured_client_never_authenticates_without_its_secret():
    desk = Desk(ConfiguredClient(client_id="app", redirect_uris=[CALLBACK], client_secret=SECRET))
    for headers, parameters in [
        ([], {}),
        ([], {"client_secret": ""}),
        ([], {"client_secret": SECRET[:-1]}),
        ([basic("app", "")], {}),
    ]:
        assert (await desk.refused(*headers, **{"client_id": "app", **parameters})).error == "invalid_client"


async def test_a_method_that_was_named_is_enforced():
    """cloudflare/workers-oauth-provider #276."""
    desk = Desk()
    public, _ = desk.register("none")
    assert (await desk.refused(client_id=public, client_secret="made up")).error == "invalid_client"
    assert (await desk.refused(basic(public, "made up"))).error == "invalid_client"


async def test_who_authenticated_is_who_the_body_names():
    """CVE-2026-118669: authenticated as one client, acting as another."""
    desk = Desk()
    mine, secret = desk.register("client_secret_basic")
    for method in ("none", "client_secret_basic") * 5:
        victim, _ = desk.register(method)
        error = await desk.refused(basic(mine, secret), client_id=victim)
        assert (error.error, error.status) == ("invalid_client", 401)
        assert "WWW-Authenticate" in error.headers


@pytest.mark.spec("CI-11", "TK-28")
async def test_a_declared_key_is_enforced():
    desk = Desk()
    desk.web.publish(token_endpoint_auth_method="private_key_jwt", jwks=SIGNER.jwks)
    for headers, parameters in [([], {}), ([], {"client_secret": "x"}), ([basic(APP, "")], {}), ([basic(APP, "x")], {})]:
        assert (await desk.refused(*headers, **{"client_id": APP, **parameters})).error == "invalid_client"


@pytest.mark.spec("TK-28")
async def test_an_assertion_of_a_public_client_is_not_looked_at():
    desk = Desk()
    desk.web.publish()
    assert (await desk.refused(**form(SIGNER.sign(claims(desk))))).error == "invalid_client"


def forge(header, payload, signature=b""):
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.spec("TK-28")
async def test_forged_assertions_are_refused():
    desk = Desk()
    desk.web.publish(token_endpoint_auth_method="private_key_jwt", jwks=SIGNER.jwks)
    body = claims(desk)
    foreign, good = ec_signer(), SIGNER.sign(body)
    forgeries = [
        forge({"alg": "none"}, body),
        forge({"alg": "HS256", "kid": "k1"}, body, b"x" * 32),
        foreign.sign(body),
        foreign.sign(body, kid="k2"),
        sign(body, foreign.pem, "ES256", {"kid": "k1", "jwk": foreign.jwk}),
        SIGNER.sign(body, typ="at+jwt"),
        forge({"alg": "ES256", "kid": "k1", "crit": ["x"], "x": 1}, body, b"x" * 64),
        good[:-4] + "AAAA",
        good.rpartition(".")[0] + ".",
        good + ".x",
        "x" * 20000,
        "a.b.c",
        "..",
    ]
    for forgery in forgeries:
        error = await desk.refused(**form(forgery, client_id=APP))
        assert (error.error, error.status) == ("invalid_client", 401), forgery[:60]
    assert desk.spent == {}
    assert await desk.authenticate(**form(good))


@pytest.mark.spec("TK-28")
async def test_unknown_key_ids_do_not_make_this_server_flood_another():
    """ark #2457, keepass4web #313: a fetch per made-up kid."""
    desk = Desk()
    desk.web.publish(token_endpoint_auth_method="private_key_jwt", jwks_uri=JWKS_URI)
    desk.web.answer(JWKS_URI, SIGNER.jwks)
    assert await desk.authenticate(**form(SIGNER.sign(claims(desk))))
    for number in range(50):
        await desk.refused(**form(ec_signer().sign(claims(desk), kid=f"made-up-{number}")))
    assert desk.web.asked.count(JWKS_URI) <= 3


@pytest.mark.spec("TK-28", "CI-07")
async def test_keys_at_a_forbidden_address_are_no_keys():
    desk = Desk()
    desk.web.publish(token_endpoint_auth_method="private_key_jwt", jwks_uri="https://inside.example/jwks.json")
    desk.web.forbid("https://inside.example/jwks.json")
    error = await desk.refused(**form(SIGNER.sign(claims(desk))))
    assert (error.error, error.reason) == ("invalid_client", reasons.ASSERTION_INVALID)
