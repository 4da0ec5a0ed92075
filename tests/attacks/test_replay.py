"""What was used, revoked or meant for somebody else is refused: at once, after a restart, and on every store.

CVE-2026-68079 and CVE-2026-68481 (Apache CXF: self-contained codes redeemable for ever, revoked tokens still active), Cloudflare
workers-oauth-provider 0.3.0 #144/#148, 0.8.0 #188/#225, 0.8.3 #240/#246, CVE-2026-53512 (better-auth: refresh without the client),
GHSA-6rrr-78xp-5jp8 (Zitadel: refresh after the user was locked), CVE-2026-75866 (Punk-OAuth2: grants outside the registration),
CVE-2026-118669 (oauthlib: the authenticated client is not the one of the body).
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.races.house import House

from vestibule.protocol.pkce import new_verifier
from vestibule.storage.memory import MemoryStore
from vestibule.storage.sqlite import SQLiteStore
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

FORM = (b"content-type", b"application/x-www-form-urlencoded")


def adapted(path: Path, clock: FakeClock) -> Any:
    key_value = pytest.importorskip("key_value.aio.stores.memory")
    return key_value.MemoryStore()


STORES: dict[str, Callable[[Path, FakeClock], Any]] = {
    "memory": lambda path, clock: MemoryStore(clock),
    "sqlite": lambda path, clock: SQLiteStore(path / "state" / "state.sqlite3", clock),
    "key-value": adapted,
}


@pytest.fixture(params=STORES)
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A house on each store."""
    clock = FakeClock()
    store = STORES[request.param](tmp_path, clock)
    yield House(store=store, clock=clock)
    if isinstance(store, SQLiteStore):
        await store.aclose()


@pytest.mark.spec("TK-03", "TK-05", "RV-05", "RS-30")
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_was_used_or_revoked_stays_so(house, restarted):
    """CVE-2026-68079, CVE-2026-68481: every artefact that speaks for itself needs a record that it was spent or revoked."""

    def again() -> None:
        if restarted:
            house.open()

    client = await house.client()
    code, attempt = await house.code(client)
    tokens = (await house.redeem(client, code, attempt)).json()
    again()
    replay = await house.redeem(client, code, attempt)
    assert (replay.status, replay.error) == (400, "invalid_grant")
    assert (await house.call(tokens["access_token"])).status == 200
    again()
    assert (await house.revoke(client, tokens["refresh_token"])).status == 200
    again()
    assert (await house.call(tokens["access_token"])).status == 401
    assert (await house.refresh(client, tokens["refresh_token"])).error == "invalid_grant"
    house.clock.advance(3000)
    again()
    assert (await house.call(tokens["access_token"])).status == 401
    assert (await house.redeem(client, code, attempt)).error == "invalid_grant"


@pytest.mark.spec("AZ-21", "RF-10", "RS-12")
async def test_what_has_ended_stays_so_after_a_restart():
    house = House()
    client = await house.client()
    code, attempt = await house.code(client)
    house.clock.advance(301)
    house.open()
    assert (await house.redeem(client, code, attempt)).error == "invalid_grant"
    await client.login()
    house.clock.advance(31 * 86_400)
    house.open()
    assert (await house.call(client.tokens["access_token"])).status == 401
    assert (await house.refresh(client, client.tokens["refresh_token"])).error == "invalid_grant"


@pytest.mark.spec("TK-06", "TK-07", "TK-08", "TK-09", "TK-24")
async def test_a_refused_redemption_leaves_the_code_usable():
    """Cloudflare 0.8.3: the code was burnt before everything else had been checked."""
    house = House()
    client, other = await house.client(), await house.client(client_name="Other")
    code, attempt = await house.code(client)
    for changes, error in (
        ({"code_verifier": new_verifier()}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:33418/other"}, "invalid_grant"),
        ({"resource": "https://evil.example/"}, "invalid_target"),
        ({"client_id": other.registration["client_id"]}, "invalid_grant"),
        ({"client_id": "vc_unknown"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ):
        assert (await house.redeem(client, code, attempt, **changes)).error == error
    assert (await house.redeem(client, code, attempt)).status == 200


@pytest.mark.spec("RV-02", "IN-02", "RF-01")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_another_clients_token_is_neither_revoked_nor_described(kind):
    """Cloudflare 0.8.0 #188: any client could revoke another's tokens."""
    house = House()
    client = await house.signed_in()
    other = await house.client(client_name="Other", auth_method="client_secret_post")
    own = {"client_id": other.registration["client_id"], "client_secret": other.registration["client_secret"]}
    token = client.tokens[kind]
    assert (await house.post("/revoke", **own, token=token)).status == 200
    assert (await house.post("/introspect", **own, token=token)).json() == {"active": False}
    assert (await house.post("/token", **own, grant_type="refresh_token", refresh_token=token)).error == "invalid_grant"
    assert (await house.call(client.tokens["access_token"])).status == 200
    assert (await house.refresh(client, client.tokens["refresh_token"])).status == 200


@pytest.mark.spec("TK-22", "RF-01", "RV-06", "IN-01")
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
async def test_a_confidential_client_refreshes_and_revokes_with_its_secret_only(method):
    """CVE-2026-53512: a stolen refresh token was enough."""
    house = House()
    client = await house.client(auth_method=method)
    await client.login()
    own = client.registration["client_id"]
    for secret in ({}, {"client_secret": ""}, {"client_secret": "wrong"}):
        form = {"client_id": own, **secret}
        token = client.tokens["refresh_token"]
        assert (await house.post("/token", **form, grant_type="refresh_token", refresh_token=token)).error == "invalid_client"
        assert (await house.post("/revoke", **form, token=token)).error == "invalid_client"
        assert (await house.post("/introspect", **form, token=token)).error == "invalid_client"
    assert (await house.call(client.tokens["access_token"])).status == 200
    await client.refresh()


@pytest.mark.spec("TK-21")
async def test_the_client_that_authenticates_is_the_client_of_the_request():
    """CVE-2026-118669: Basic credentials of one client, ``client_id`` of another."""
    house = House()
    victim = await house.signed_in()
    attacker = await house.client(auth_method="client_secret_basic")
    own = attacker.registration
    basic = b"Basic " + b64encode(f"{own['client_id']}:{own['client_secret']}".encode())
    body = (
        f"grant_type=refresh_token&refresh_token={victim.tokens['refresh_token']}&client_id={victim.registration['client_id']}"
    )
    answer = await house.request("POST", "/token", headers=[FORM, (b"authorization", basic)], body=body.encode())
    assert (answer.status, answer.error) == (401, "invalid_client")
    assert answer.header("www-authenticate").startswith("Basic")


@pytest.mark.spec("TK-15", "TK-25")
async def test_a_grant_that_was_not_registered_is_refused():
    """CVE-2026-75866."""
    house = House()
    client = await house.client()
    await client.register(grant_types=["authorization_code"])
    tokens = await client.login()
    assert "refresh_token" not in tokens
    assert (await house.refresh(client, "vsr_x")).error == "unauthorized_client"


@pytest.mark.spec("PX-14")
async def test_a_user_who_was_locked_upstream_is_locked_here():
    """GHSA-6rrr-78xp-5jp8."""
    house = House(access_token_seconds=60)
    client = await house.signed_in()
    house.idp.faults.user_disabled("alice")
    house.clock.advance(61)
    assert (await house.refresh(client, client.tokens["refresh_token"])).error == "invalid_grant"
    assert (await house.call(client.tokens["access_token"])).status == 401
    house.idp.faults.user_enabled("alice")
    assert (await house.refresh(client, client.tokens["refresh_token"])).error == "invalid_grant"


@pytest.mark.spec("RF-05", "RF-06", "RF-07", "PX-12")
async def test_a_refresh_narrows_and_never_widens():
    house = House(options={"valid_scopes": ["read", "write"], "tool_scopes": {"change": ["write"]}})
    client = await house.client()
    await client.login(scope="openid read write")
    assert (await house.refresh(client, client.tokens["refresh_token"], scope="openid admin")).error == "invalid_scope"
    narrow = (await house.refresh(client, client.tokens["refresh_token"], scope="openid read")).json()
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "change"}}).encode()

    async def status(token: str) -> int:
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
        return (await house.request("POST", "/mcp", headers=headers, body=call)).status

    assert await status(narrow["access_token"]) == 403
    full = (await house.refresh(client, narrow["refresh_token"])).json()
    assert await status(full["access_token"]) == 200


@pytest.mark.spec("RF-11", "PX-13")
async def test_a_dump_of_the_store_gives_nothing():
    """Neither tokens nor what they could be made from: keys are digests, values sealed and bound to their key."""
    house = House()
    client = await house.signed_in()
    code, attempt = await house.code(client)
    grants = [found async for found in house.store.scan("grant/")]
    dump = b"".join([key.encode() + record.value async for key, record in house.store.scan("")])
    for secret in (
        code,
        client.tokens["refresh_token"],
        client.tokens["access_token"],
        "alice",
        client.registration["client_id"],
    ):
        assert secret.encode() not in dump
        assert secret.encode()[4:40] not in dump or secret == "alice"
    (here, mine), (_, other) = grants
    assert await house.store.swap(here, mine.version, other.value, 3600)  # one grant's record in the place of another
    house.open()
    calls = [(await house.call(client.tokens["access_token"])).status, (await house.redeem(client, code, attempt)).status]
    assert calls in ([401, 200], [200, 400]), "what was moved does not open"
