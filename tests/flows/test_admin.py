"""``/admin/sessions``: what the operator's programs can do, and that nobody else can do anything."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, Stage, call_status, lacks

from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

TOKEN = "Wd8sKq3Vn6Tz1Rb9Lx4Jm7Ph2Gf5Yc0E"
SESSIONS = f"{BASE}/admin/sessions"
DAY = 86_400


@pytest.fixture
async def stage(staged: SetStage) -> Stage:
    return await staged(admin_token=TOKEN)


async def ask(stage: Stage, method: str, path: str = "", *, token: str | None = TOKEN, **query: Any) -> httpx2.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return await stage.http.request(method, SESSIONS + path, params=query or None, headers=headers)


async def subjects(stage: Stage, **query: Any) -> list[str]:
    answer = await ask(stage, "GET", **query)
    assert answer.status_code == 200, answer.text
    return sorted(session["user"]["subject"] for session in answer.json()["sessions"])


async def ids(stage: Stage, **query: Any) -> list[str]:
    return [session["id"] for session in (await ask(stage, "GET", **query)).json()["sessions"]]


# --- what it can do -------------------------------------------------------------------------------------------------------------


async def test_sessions_are_listed_and_nothing_of_them_is_a_secret(stage: Stage, clock: FakeClock):
    client = await stage.signed_in(client_name="Claude Code")
    answer = await ask(stage, "GET")
    [session] = answer.json()["sessions"]
    assert answer.json()["truncated"] is False
    now = int(clock.now())
    assert {name: session[name] for name in ("user", "scopes", "resource", "created_at", "expires_at", "ended")} == {
        "user": {"subject": "alice", "email": "alice@example.com", "name": "Alice Example"},
        "scopes": ["openid"],
        "resource": stage.resource,
        "created_at": now,
        "expires_at": now + 30 * DAY,
        "ended": None,
    }
    assert session["client"] == {"id": client.registration["client_id"], "name": "Claude Code", "kind": "dynamic"}
    assert session["last_used"]["address"] == "127.0.0.1"
    assert (await ask(stage, "GET", f"/{session['id']}")).json() == session
    grant = await stage.auth.hall.listing.get(session["id"])
    assert grant is not None
    assert grant.upstream is not None
    secrets = [client.tokens["access_token"], client.tokens["refresh_token"], grant.code.digest]
    assert lacks(answer.text, [*secrets, grant.upstream.access_token, grant.upstream.refresh_token])
    assert answer.headers["cache-control"] == "no-store"


async def test_filters_and_a_limit(stage: Stage, clock: FakeClock):
    await stage.signed_in("alice", client_name="Claude")
    clock.advance(DAY)
    bob = await stage.signed_in("bob", client_name="Cursor")
    assert await subjects(stage) == ["alice", "bob"]
    assert await subjects(stage, user="bob") == ["bob"]
    assert await subjects(stage, user="bob@example.com") == ["bob"]
    assert await subjects(stage, client="claude") == ["alice"]
    assert await subjects(stage, client=bob.registration["client_id"]) == ["bob"]
    assert await subjects(stage, older_than_seconds=DAY) == ["alice"]
    assert await subjects(stage, idle_seconds=DAY, client="Cursor") == []
    answer = (await ask(stage, "GET", limit=1)).json()
    assert (len(answer["sessions"]), answer["truncated"]) == (1, True)
    assert (await ask(stage, "GET", limit=2)).json()["truncated"] is False


async def test_one_session_is_ended_here_and_at_the_provider(stage: Stage):
    alice, bob = await stage.signed_in("alice"), await stage.signed_in("bob")
    [session] = await ids(stage, user="alice")
    answer = await ask(stage, "DELETE", f"/{session}")
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (204, b"", "no-store")
    assert (await call_status(alice), await call_status(bob)) == (401, 200)
    assert len(stage.provider.requests_to("revoke")) == 2
    [event] = [event for event in stage.events if event.name == "revoked"]
    assert (event.reason, event.subject, event.grant_id) == ("ended_by_operator", "alice", session)
    assert (await ask(stage, "DELETE", f"/{session}")).status_code == 204, "a program may have to ask twice"
    assert stage.names().count("revoked") == 1
    assert (await ask(stage, "GET", f"/{session}")).json()["ended"]["reason"] == "ended_by_operator"


async def test_all_sessions_of_a_user_or_client_are_ended_at_once(stage: Stage):
    tokens = [await stage.signed_in(user, client_name=name) for user, name in (("alice", "A"), ("alice", "B"), ("bob", "A"))]
    assert (await ask(stage, "DELETE", user="alice")).json() == {"ended": 2}
    assert [await call_status(client) for client in tokens] == [401, 401, 200]
    assert (await ask(stage, "DELETE", client="A")).json() == {"ended": 1}
    assert (await ask(stage, "DELETE", client="A")).json() == {"ended": 0}
    assert [event.reason for event in stage.events if event.name == "revoked"] == ["ended_by_operator"] * 3


async def test_a_session_ends_although_the_provider_is_away(stage: Stage):
    client = await stage.signed_in()
    stage.provider.faults.fail(503, "revoke", times=10)
    assert (await ask(stage, "DELETE", user="alice")).json() == {"ended": 1}
    assert await call_status(client) == 401


async def test_a_session_whose_tokens_are_locked_ends_here(staged: SetStage):
    """What only the client can open, the operator cannot take back at the provider."""
    stage = await staged(admin_token=TOKEN, upstream_token_protection="client")
    client = await stage.signed_in()
    assert await subjects(stage) == ["alice"]
    assert (await ask(stage, "DELETE", user="alice")).json() == {"ended": 1}
    assert await call_status(client) == 401
    assert stage.provider.requests_to("revoke") == []


# --- what is refused ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["", "/an-id"])
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.lower(), "ä", "a b"])
async def test_without_the_token_nothing_is_told_or_done(stage: Stage, method: str, path: str, token: str | None):
    stage.store.calls.clear()
    headers = [] if token is None else [(b"authorization", b"Bearer " + token.encode())]
    answers = [
        await stage.http.request(method, f"{SESSIONS}{path}{query}", headers=headers)
        for query in ("", "?user=alice", "?limit=nonsense", "?%zz", "?unknown=1")
    ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["error"] == "invalid_token"
        assert "[admin_token," in answer.json()["error_description"]
        assert "access-control-allow-origin" not in answer.headers
    assert stage.store.calls == []
    assert stage.reasons().count("admin_token") == len(answers)
    assert all(TOKEN not in str(event) for event in stage.events)


async def test_the_token_twice_in_a_form_or_in_a_query_is_no_token(stage: Stage):
    good = (b"authorization", f"Bearer {TOKEN}".encode())
    assert (await stage.http.get(SESSIONS, headers=[good, good])).status_code == 401
    assert (await stage.http.get(SESSIONS, params={"access_token": TOKEN})).status_code == 401
    assert (await stage.http.get(SESSIONS, auth=("admin", TOKEN))).status_code == 401


async def test_no_token_of_a_session_opens_it_and_it_opens_no_resource(stage: Stage):
    client = await stage.signed_in()
    [session] = await ids(stage)
    grant = await stage.auth.hall.listing.get(session)
    assert grant is not None
    assert grant.upstream is not None
    upstream = [grant.upstream.access_token, grant.upstream.refresh_token]
    for token in (client.tokens["access_token"], client.tokens["refresh_token"], *upstream):
        for method, path in (("GET", ""), ("GET", f"/{session}"), ("DELETE", f"/{session}")):
            assert (await ask(stage, method, path, token=token)).status_code == 401
        assert (await ask(stage, "DELETE", token=token, user="alice")).status_code == 401
    assert await call_status(client, TOKEN) == 401
    form = {"grant_type": "refresh_token", "refresh_token": TOKEN}
    assert (await client.post_form(client.server["token_endpoint"], form)).status_code == 400
    assert await call_status(client) == 200


@pytest.mark.parametrize(
    ("method", "query", "reason", "told"),
    [
        ("GET", {"usr": "alice"}, "parameter_invalid", "unknown: 'usr'"),
        ("GET", {"user": ""}, "parameter_invalid", "user is empty"),
        ("GET", [("user", "alice"), ("user", "bob")], "parameter_repeated", "'user' was sent more than once"),
        ("GET", {"limit": "0"}, "parameter_invalid", "limit is from 1 to 1000"),
        ("GET", {"limit": "1001"}, "parameter_invalid", "limit is from 1 to 1000"),
        ("GET", {"limit": "-1"}, "parameter_invalid", "limit is no whole number"),
        ("GET", {"idle_seconds": "1.5"}, "parameter_invalid", "idle_seconds is no whole number"),
        ("GET", {"older_than_seconds": "٣"}, "parameter_invalid", "older_than_seconds is no whole number"),
        ("DELETE", {}, "parameter_missing", "one of client, idle_seconds, older_than_seconds, user"),
        ("DELETE", {"usr": "alice"}, "parameter_invalid", "unknown: 'usr'"),
        ("DELETE", {"user": "alice", "clint": "x"}, "parameter_invalid", "unknown: 'clint'"),
        ("DELETE", {"client": ""}, "parameter_invalid", "client is empty"),
        ("DELETE", {"limit": "5"}, "parameter_invalid", "unknown: 'limit'"),
    ],
)
async def test_a_description_that_may_be_misread_is_refused(stage: Stage, method: str, query: Any, reason: str, told: str):
    client = await stage.signed_in()
    answer = await stage.http.request(method, SESSIONS, params=query, headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 400
    assert f"({told}) [{reason}," in answer.json()["error_description"]
    assert await call_status(client) == 200


@pytest.mark.parametrize("name", ['"<script>', "back\\slash", "ümlaut", "x" * 500])
async def test_what_is_told_of_a_parameter_is_short_and_plain(stage: Stage, name: str):
    """RFC 6749 §5.2: what a description may hold."""
    answer = await ask(stage, "GET", **{name: "v"})
    assert answer.status_code == 400
    told = answer.json()["error_description"]
    assert "unknown: " in told
    assert len(told) < 200
    assert re.fullmatch(r"[ !#-\[\]-~]+", told)


@pytest.mark.parametrize("path", ["/unknown", "/..", "/%00", "/" + "A" * 22, "/" + "A" * 5000])
async def test_an_unknown_session_is_not_found(stage: Stage, path: str):
    for method in ("GET", "DELETE"):
        answer = await ask(stage, method, path)
        assert answer.status_code == 404
        assert answer.headers.get("cache-control", "no-store") == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "OPTIONS"])
async def test_other_methods_do_nothing(stage: Stage, method: str):
    for path in ("", "/an-id"):
        answer = await ask(stage, method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, HEAD")
        assert "[method_not_allowed," in answer.json()["error_description"]
        assert "access-control-allow-origin" not in answer.headers


async def test_a_store_that_is_away_is_503(stage: Stage):
    await stage.signed_in()
    [session] = await ids(stage)
    stage.store.broken = {"get", "swap", "scan"}
    for method, path, query in (("GET", f"/{session}", {}), ("DELETE", f"/{session}", {}), ("GET", "", {"user": "alice"})):
        answer = await ask(stage, method, path, **query)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    stage.store.broken = set()
    assert await subjects(stage) == ["alice"]


async def test_it_is_below_the_public_url(staged: SetStage):
    stage = await staged(base_url="http://127.0.0.1:9500/api", admin_token=TOKEN)
    await stage.signed_in()
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = await stage.http.get("http://127.0.0.1:9500/api/admin/sessions", headers=headers)
    assert len(answer.json()["sessions"]) == 1
