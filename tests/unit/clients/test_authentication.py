"""How clients may show who they are."""

import pytest
from tests.unit.clients.desk import SECRET, Desk, basic
from tests.unit.clients.fakes import APP, CALLBACK

from vestibule import reasons
from vestibule.clients.configured import ConfiguredClient

pytestmark = pytest.mark.anyio

AWKWARD = ConfiguredClient(client_id="app:1 %/ü", redirect_uris=[CALLBACK], client_secret="p@ss:w%3Ard + ünd mehr")


@pytest.mark.spec("TK-19", "TK-20")
async def test_a_secret_goes_into_the_header_or_the_body_as_registered():
    desk = Desk()
    for method in ("client_secret_basic", "client_secret_post"):
        client_id, secret = desk.register(method)
        by_header, by_body = {}, {"client_id": client_id, "client_secret": secret}
        headers = [basic(client_id, secret)] if method == "client_secret_basic" else []
        form = by_header if headers else by_body
        assert (await desk.authenticate(*headers, **form)).client_id == client_id


@pytest.mark.spec("TK-19")
async def test_header_credentials_are_form_encoded():
    client = await Desk(AWKWARD).authenticate(basic(AWKWARD.client_id, AWKWARD.client_secret))
    assert client.client_id == AWKWARD.client_id


@pytest.mark.spec("TK-19")
async def test_a_secret_that_a_client_forgot_to_encode_is_still_the_secret():
    secret = "abcdefgh+ijklm%noqr/stuv=="
    desk = Desk(ConfiguredClient(client_id="app", redirect_uris=[CALLBACK], client_secret=secret))
    assert await desk.authenticate(basic("app", secret, encode=False))
    assert await desk.authenticate(basic("app", secret))


async def test_the_client_id_may_be_repeated_in_the_body():
    desk = Desk()
    client_id, secret = desk.register("client_secret_basic")
    assert await desk.authenticate(basic(client_id, secret), client_id=client_id)


@pytest.mark.spec("RV-01")
@pytest.mark.parametrize("kind", ["dynamic", "document"])
async def test_a_public_client_says_its_name_only(kind):
    desk = Desk()
    desk.web.publish()
    client_id = desk.register()[0] if kind == "dynamic" else APP
    assert (await desk.authenticate(client_id=client_id)).kind == kind


async def test_a_blank_secret_is_no_secret_for_a_public_client():
    desk = Desk()
    client_id, _ = desk.register()
    assert await desk.authenticate(client_id=client_id, client_secret="")
    assert await desk.authenticate(basic(client_id, ""))


async def test_a_client_that_never_named_a_method_is_not_held_to_one():
    """cloudflare/workers-oauth-provider #287: the half that has to stay tolerant."""
    desk = Desk(ConfiguredClient(client_id="app", redirect_uris=[CALLBACK], client_secret=SECRET))
    assert await desk.authenticate(basic("app", SECRET))
    assert await desk.authenticate(client_id="app", client_secret=SECRET)
    client_id, _ = desk.register(defaulted=True)
    assert await desk.authenticate(client_id=client_id, client_secret="made up")


async def test_a_bearer_header_is_no_client_authentication():
    desk = Desk()
    client_id, secret = desk.register("client_secret_post")
    assert await desk.authenticate(b"Bearer something", client_id=client_id, client_secret=secret)
    assert (await desk.refused(b"Bearer something", client_id=client_id)).error == "invalid_client"


@pytest.mark.spec("TK-17", "RV-06")
@pytest.mark.parametrize(
    "form", [{}, {"client_id": "nobody"}, {"client_id": ""}, {"client_id": "vc_AAAA", "client_secret": "x"}]
)
async def test_nobody_is_an_invalid_client(form):
    error = await Desk().refused(**form)
    assert (error.error, error.status) == ("invalid_client", 401)
    assert "WWW-Authenticate" not in error.headers


@pytest.mark.spec("TK-18")
@pytest.mark.parametrize(
    "header",
    [
        basic("nobody", "x"),
        b"Basic",
        b"Basic !!!",
        b"basic " + basic("a", "b")[6:-4],
        b"Basic 4pyT",
        b"Basic /////w==",
        basic("%FF", "x", encode=False),
        basic("", "x"),
        basic("app", "wrong"),
    ],
)
async def test_failed_basic_is_answered_with_a_challenge(header):
    desk = Desk(ConfiguredClient(client_id="app", redirect_uris=[CALLBACK], client_secret=SECRET))
    error = await desk.refused(header)
    assert (error.error, error.status) == ("invalid_client", 401)
    assert error.headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.spec("TK-21")
async def test_two_ways_at_once_are_an_invalid_request():
    desk = Desk()
    client_id, secret = desk.register("client_secret_basic")
    twice = [
        ([basic(client_id, secret)], {"client_secret": secret}),
        ([basic(client_id, secret), basic(client_id, secret)], {}),
        ([basic(client_id, secret)], {"client_assertion": "a.b.c", "client_assertion_type": TYPE}),
        ([], {"client_id": client_id, "client_secret": secret, "client_assertion": "a.b.c", "client_assertion_type": TYPE}),
    ]
    for headers, form in twice:
        error = await desk.refused(*headers, **form)
        assert (error.error, error.status, error.reason) == ("invalid_request", 400, reasons.CLIENT_AUTHENTICATION_TWICE)


TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.mark.spec("TK-23")
async def test_wrong_secrets_are_slowed_down_and_the_right_one_never():
    desk = Desk()
    client_id, secret = desk.register("client_secret_post")
    statuses = [(await desk.refused(client_id=client_id, client_secret=f"wrong {n}")).status for n in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert await desk.authenticate(client_id=client_id, client_secret=secret)
    error = await desk.refused(client_id=client_id, client_secret="wrong")
    assert error.reason is reasons.CLIENT_THROTTLED
    assert 1 <= int(error.headers["Retry-After"]) <= 30
    desk.clock.advance(31)
    assert (await desk.refused(client_id=client_id, client_secret="wrong")).status == 401


@pytest.mark.spec("TK-23")
async def test_one_clients_wrong_secrets_are_not_anothers():
    desk = Desk()
    first, _ = desk.register("client_secret_post")
    second, _ = desk.register("client_secret_post")
    for _ in range(12):
        await desk.refused(client_id=first, client_secret="wrong")
    assert (await desk.refused(client_id=second, client_secret="wrong")).status == 401


async def test_no_refusal_tells_what_was_presented():
    desk = Desk()
    client_id, secret = desk.register("client_secret_post")
    for form in ({"client_id": client_id, "client_secret": "my-secret"}, {"client_id": "x", "client_secret": secret}):
        error = await desk.refused(**form)
        assert not any(value in f"{error!r} {error} {error.detail}" for value in ("my-secret", secret))
