"""The same races with four real server processes on one SQLite file: same key, same issuer, nothing else shared."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from itertools import cycle, islice
from pathlib import Path
from uuid import uuid4

import pytest
from tests.flows.stage import query_of
from tests.races.house import at_once
from tests.races.processes import Street, street
from tests.races.server import FileClock
from tests.unit.clients.signing import ec_signer, form

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name != "posix", reason="needs fork and kill -9")]

SOON = 60  # seconds that the provider's access tokens live


@pytest.fixture
async def four(tmp_path: Path) -> AsyncIterator[Street]:
    with street(tmp_path, servers=4, access_token_seconds=SOON) as made:
        yield made
        await made.http.aclose()


def turns(four: Street, count: int) -> list[int]:
    return list(islice(cycle(four.ports), count))


@pytest.mark.spec("TK-11")
async def test_of_forty_redemptions_at_four_processes_one_succeeds(four):
    async with await four.client() as client:
        attempt = client.start()
        code = client.finish(attempt, await client.user.visit(attempt.url, client.redirect_uri))
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": attempt.verifier,
            "client_id": client.registration["client_id"],
        }
        answers = await at_once(*(four.post(port, "/token", sent) for port in turns(four, 40)))
        won = [answer for answer in answers if answer.status_code == 200]
        assert len(won) == 1
        assert {(a.status_code, a.json()["error"]) for a in answers if a not in won} == {(400, "invalid_grant")}
        calls = await at_once(*(four.call(port, won[0].json()["access_token"]) for port in four.ports))
        assert [call.status_code for call in calls] == [200] * 4


@pytest.mark.spec("RF-08", "PX-13")
async def test_forty_refreshes_at_four_processes_are_one_rotation_and_one_upstream_call(four):
    async with await four.client() as client:
        await client.login()
        four.advance(SOON + 1)
        four.idp.faults.slow(2, "token")  # so that all of them come while one of them asks
        sent = {
            "grant_type": "refresh_token",
            "refresh_token": client.tokens["refresh_token"],
            "client_id": client.registration["client_id"],
        }
        answers = await at_once(*(four.post(port, "/token", sent) for port in turns(four, 40)))
        assert [answer.status_code for answer in answers] == [200] * 40
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        assert four.upstream_refreshes == 1
        tokens = [answer.json()["access_token"] for answer in answers]
        calls = await at_once(*(four.call(port, token) for port, token in zip(reversed(turns(four, 40)), tokens, strict=True)))
        assert [call.status_code for call in calls] == [200] * 40


@pytest.mark.spec("PX-13")
async def test_twenty_calls_at_expiry_at_four_processes_are_one_upstream_call(four):
    async with await four.client() as client:
        await client.login()
        four.advance(SOON + 1)
        four.idp.faults.slow(2, "token")  # so that all of them come while one of them asks
        calls = await at_once(*(four.call(port, client.tokens["access_token"]) for port in turns(four, 20)))
        assert [call.status_code for call in calls] == [200] * 20
        assert four.upstream_refreshes == 1


@pytest.mark.spec("TK-28")
async def test_of_one_assertion_at_four_processes_one_use_counts(four):
    async with await four.client() as client:
        signer = ec_signer()
        await client.register(token_endpoint_auth_method="private_key_jwt", jwks=signer.jwks)
        attempt = client.start()
        code = client.finish(attempt, await client.user.visit(attempt.url, client.redirect_uri))
        client_id, now = client.registration["client_id"], int(FileClock(four.clock).now())
        claims = {"iss": client_id, "sub": client_id, "aud": four.base_url, "iat": now, "exp": now + 60, "jti": uuid4().hex}
        sent = {"grant_type": "authorization_code", "code": code, "code_verifier": attempt.verifier, "client_id": client_id}
        sent |= form(signer.sign(claims))
        answers = await at_once(*(four.post(port, "/token", sent) for port in turns(four, 20)))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19


@pytest.mark.spec("PX-05")
async def test_one_callback_at_four_processes_makes_one_grant(four):
    async with await four.client() as client:
        attempt = client.start()
        url = await client.user.visit(attempt.url, four.base_url + "/auth/callback")
        others = [url.replace(f":{four.ports[0]}/", f":{port}/") for port in turns(four, 12)]
        answers = await at_once(*(client.user.browser.get(other) for other in others))
        codes = [found for a in answers if (found := query_of(a.headers.get("location", "")).get("code"))]
        assert all(answer.status_code < 500 for answer in answers)
        assert len(set(codes)) == 1


@pytest.mark.spec("RS-30", "RV-05")
async def test_a_revocation_reaches_the_other_processes_within_its_bound(four):
    async with await four.client() as client:
        await client.login()
        token, form = client.tokens["access_token"], {"client_id": client.registration["client_id"]}
        calls = await at_once(*(four.call(port, token) for port in four.ports))
        assert [call.status_code for call in calls] == [200] * 4
        revoked = await four.post(four.ports[2], "/revoke", {**form, "token": token})
        assert revoked.status_code == 200
        assert (await four.call(four.ports[2], token)).status_code == 401
        refused = await four.post(
            four.ports[0],
            "/token",
            {**form, "grant_type": "refresh_token", "refresh_token": client.tokens["refresh_token"]},
        )
        assert refused.json()["error"] == "invalid_grant"
        four.advance(5.1)
        calls = await at_once(*(four.call(port, token) for port in four.ports))
        assert [call.status_code for call in calls] == [401] * 4
