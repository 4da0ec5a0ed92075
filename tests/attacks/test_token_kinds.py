"""Each thing that this server gives out works in its own place only.

fastmcp PR3524 (a refresh token passed as bearer), CVE-2026-110864 (better-auth: one secret for two purposes), and bearers that nobody
gave out: CVE-2026-59822 (LiteLLM: a made-up bearer fell through to an empty, passing object), CVE-2026-35030 (LiteLLM: the cache knew
tokens by their first characters).
"""

from __future__ import annotations

import json
import random
import string
import tracemalloc
from base64 import urlsafe_b64encode
from uuid import uuid4

import pytest
from tests.flows.stage import query_of
from tests.races.house import House
from tests.races.stores import WatchedStore
from tests.unit.clients.signing import ec_signer

from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock, ScriptedClient

pytestmark = pytest.mark.anyio

KINDS = [
    "code",
    "refresh token",
    "access token",
    "upstream access token",
    "upstream refresh token",
    "upstream id token",
    "login cookie",
    "consent cookie",
    "csrf token",
    "client assertion",
    "client id",
    "client secret",
    "upstream state",
    "admin token",
]
ADMIN_TOKEN = "xJ7qLw2Rz9Kd4Vt8Hs1Mb6Pf3Ny5Gc0A"
PLACES = {
    "bearer": "access token",
    "code": "code",
    "refresh_token": "refresh token",
    "login cookie": "login cookie",
    "consent cookie": "consent cookie",
    "csrf_token": "csrf token",
    "client_assertion": "client assertion",
    "client_secret": "client secret",
    "client_id": "client id",
    "admin": "admin token",
}


async def every_kind(house: House, client: ScriptedClient) -> dict[str, str]:
    """One living artefact of each kind, all of the same user and client."""
    await client.login()
    token_answer = json.loads(house.last_upstream_answer)
    code, _ = await house.code(client)
    attempt = client.start()
    await client.user.browser.get(attempt.url)  # a login on its way
    callback = await client.user.visit(attempt.url, house.base_url + "/auth/callback")
    cookies = {cookie.name: str(cookie.value) for cookie in client.user.browser.cookies.jar}
    signer, client_id, now = ec_signer(), client.registration["client_id"], int(house.clock.now())
    login_cookie, handle, _ = cookie_names(client)
    headers = [(b"cookie", f"{login_cookie}={cookies[login_cookie]}".encode())]
    page = await house.request("GET", "/consent", query=handle, headers=headers)
    claims = {"iss": client_id, "sub": client_id, "aud": house.base_url, "iat": now, "exp": now + 60, "jti": uuid4().hex}
    return {
        "code": code,
        "refresh token": client.tokens["refresh_token"],
        "access token": client.tokens["access_token"],
        "upstream access token": token_answer["access_token"],
        "upstream refresh token": token_answer["refresh_token"],
        "upstream id token": token_answer["id_token"],
        "login cookie": cookies[login_cookie],
        "consent cookie": next(value for name, value in cookies.items() if "consent" in name),
        "csrf token": page.body.decode().partition('name="csrf_token" value="')[2].partition('"')[0],
        "client assertion": signer.sign(claims),
        "client id": client_id,
        "client secret": client.registration["client_secret"],
        "upstream state": query_of(callback)["state"],
        "admin token": ADMIN_TOKEN,
    }


class ListeningHouse(House):
    """Keeps what the provider last answered at its token endpoint."""

    last_upstream_answer = b""

    def open(self) -> None:
        inner = self.idp.app

        async def listening(scope, receive, send):
            async def sent(message):
                if scope["path"] == "/token" and message["type"] == "http.response.body":
                    self.last_upstream_answer = message.get("body", b"")
                await send(message)

            await inner(scope, receive, sent)

        self.idp.app = listening
        super().open()
        self.idp.app = inner


def cookie_names(client: ScriptedClient) -> tuple[str, bytes, str]:
    """Of the open login and of the remembered consents; between them the query that names the login."""
    names = [str(cookie.name) for cookie in client.user.browser.cookies.jar]
    login = next(name for name in names if "-login-" in name)
    handle = login.split("-", 3)[3]  # what stands before it is ours
    return login, b"login=" + handle.encode(), next(name for name in names if "consent" in name)


async def present(house: House, client: ScriptedClient, place: str, value: str) -> bool:
    """Whether `value` was accepted in that place."""
    own = {"client_id": client.registration["client_id"], "client_secret": client.registration["client_secret"]}
    login_cookie, handle, consent_cookie = cookie_names(client)
    login = f"{login_cookie}={client.user.browser.cookies[login_cookie]}"
    match place:
        case "bearer":
            return (await house.call(value)).status == 200
        case "admin":
            headers = [(b"authorization", f"Bearer {value}".encode())]
            return (await house.request("GET", "/admin/sessions", headers=headers)).status == 200
        case "code":
            form = {"grant_type": "authorization_code", "code": value, "code_verifier": "v" * 43}
            return (await house.post("/token", **own, **form)).error != "invalid_grant"
        case "refresh_token":
            return (await house.post("/token", **own, grant_type="refresh_token", refresh_token=value)).status == 200
        case "login cookie":
            headers = [(b"cookie", f"{login_cookie}={value}".encode())]
            return (await house.request("GET", "/consent", query=handle, headers=headers)).status == 200
        case "consent cookie":
            headers = [(b"cookie", f"{login}; {consent_cookie}={value}".encode()), (b"sec-fetch-site", b"none")]
            return b"csrf_token" not in (await house.request("GET", "/consent", query=handle, headers=headers)).body
        case "csrf_token":
            headers = [(b"cookie", login.encode()), (b"content-type", b"application/x-www-form-urlencoded")]
            body = f"action=approve&csrf_token={value}".encode()
            return (await house.request("POST", "/consent", query=handle, headers=headers, body=body)).status == 200
        case "client_secret":
            form = {"client_id": own["client_id"], "client_secret": value, "grant_type": "refresh_token", "refresh_token": "x"}
            return (await house.post("/token", **form)).error != "invalid_client"
        case "client_assertion":
            form = {
                "client_id": own["client_id"],
                "client_assertion": value,
                "grant_type": "refresh_token",
                "refresh_token": "x",
            }
            kind = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
            return (await house.post("/token", **form, **kind)).error != "invalid_client"
        case _:
            form = {
                "client_id": value,
                "client_secret": own["client_secret"],
                "grant_type": "refresh_token",
                "refresh_token": "x",
            }
            return (await house.post("/token", **form)).error != "invalid_client"


@pytest.mark.spec("RS-08", "RS-16", "PX-11")
async def test_every_kind_in_every_place():
    clock = FakeClock()
    store = WatchedStore(MemoryStore(clock))
    options = {"require_authorization_consent": "remember", "admin_token": ADMIN_TOKEN}
    house = ListeningHouse(store=store, clock=clock, options=options)
    client = await house.client(auth_method="client_secret_post")
    await remember_consent(client)
    kinds = await every_kind(house, client)
    assert set(kinds) == set(KINDS)
    store.verbs.clear()
    accepted = {
        (place, kind)
        for place, own in PLACES.items()
        for kind, value in kinds.items()
        if kind != own and await present(house, client, place, value)
    }
    assert accepted == set()
    assert store.writes == []
    # The same presentations do find their own kind: a matrix that refuses everything would prove nothing.
    for place in (
        "bearer",
        "login cookie",
        "consent cookie",
        "csrf_token",
        "refresh_token",
        "client_secret",
        "client_id",
        "admin",
    ):
        assert await present(house, client, place, kinds[PLACES[place]]), place


async def remember_consent(client: ScriptedClient) -> None:
    browser = client.user.browser
    consent = (await browser.get(client.start().url)).headers["location"]
    page = await browser.get(consent)
    token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    await browser.post(consent, data={"csrf_token": token, "action": "approve", "remember": "yes"})


@pytest.mark.spec("RV-03", "IN-02")
@pytest.mark.parametrize("path", ["/revoke", "/introspect"])
async def test_other_kinds_at_revocation_and_introspection_do_nothing(path):
    house = ListeningHouse(options={"require_authorization_consent": "remember"})
    client = await house.client(auth_method="client_secret_post")
    await remember_consent(client)
    kinds = await every_kind(house, client)
    own = {"client_id": client.registration["client_id"], "client_secret": client.registration["client_secret"]}
    for kind in set(KINDS) - {"access token", "refresh token"}:
        answer = await house.post(path, **own, token=kinds[kind])
        assert answer.status == 200
        assert answer.body == (b"" if path == "/revoke" else b'{"active":false}'), kind
    assert (await house.call(kinds["access token"])).status == 200


@pytest.mark.spec("RS-05")
async def test_made_up_bearers_never_reach_the_server():
    """CVE-2026-59822, PYSEC-2026-4067."""
    house = House()
    chance = random.Random(7)
    fixed = [b"", b"Bearer", b"Bearer ", b"Bearer null", b"Bearer undefined", b"Bearer None", b"Bearer 0", b"Bearer {}", b"x"]
    made = [("Bearer " + "".join(chance.choices(string.printable, k=chance.randrange(200)))).encode() for _ in range(300)]
    header = urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=")
    for value in [*fixed, *made, b"Bearer " + header + b".e30.", b"Bearer sk-1234"]:
        answer = await house.request("POST", "/mcp", headers=[(b"authorization", value)], body=b"{}")
        assert answer.status in (400, 401), value
        assert b"reached" not in answer.body


@pytest.mark.spec("RS-05")
@pytest.mark.parametrize("verdict", [None, False, 0, "", "yes", {}, object(), ValueError("broken"), TypeError("broken")])
async def test_a_verifier_that_does_not_say_yes_says_no(verdict):
    """CVE-2026-59822: an empty object was taken for a user."""
    house = House()

    async def verify_token(token: str):
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    house.proxy.verify_token = verify_token
    house.app = house.proxy.protect(house.app, "/mcp")
    answer = await house.call("anything")
    assert answer.status in (401, 503)
    assert b"reached" not in answer.body


@pytest.mark.spec("RS-05")
async def test_tokens_alike_at_both_ends_are_two_tokens():
    """CVE-2026-35030: a token cache that was keyed by the first 20 characters."""
    house = House()
    token = (await house.signed_in()).tokens["access_token"]
    assert (await house.call(token)).status == 200
    middle = len(token) // 2
    for at in (middle, middle + 40, len(token) - 30):
        forged = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert (await house.call(forged)).status == 401
    assert (await house.call(token + "A")).status == 401
    assert (await house.call(token[:-1])).status == 401
    assert (await house.call(token)).status == 200


async def test_a_hundred_thousand_made_up_tokens_leave_memory_flat():
    house = House()
    token = (await house.signed_in()).tokens["access_token"]
    head, _, tail = token.rpartition(".")
    for number in range(2000):
        await house.proxy.verify_token(f"warm-up-{number}")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(98_000):
            assert await house.proxy.verify_token(f"made-up-{number}.{'x' * 40}") is None
        for number in range(2_000):
            assert await house.proxy.verify_token(f"{head}.{number:06d}{tail[6:]}") is None
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 200_000
    assert (await house.call(token)).status == 200
