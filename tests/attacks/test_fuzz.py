"""Every endpoint of the route table, fed with everything that comes in from outside.

GHSA-f897-62hf-6gxq, GHSA-46jr-4wx8-v453 (one request ended a server), Cloudflare workers-oauth-provider 0.6.0 #199 and 0.8.3 #240, #246
(odd content types became 500), and the promises that anonymous requests store nothing and that no log line holds a secret.

``VESTIBULE_FUZZ=5000`` fuzzes longer than a test run does.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route
from tests.races.house import Answer, House
from tests.races.stores import WatchedStore

from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock

EXAMPLES = int(os.environ.get("VESTIBULE_FUZZ", "300"))


def profile(path: str) -> settings:
    """The same examples in every run, unless it is a long one. Documents read nothing of a request, so few do for them."""
    return settings(
        max_examples=EXAMPLES // 8 if "/.well-known/" in path else EXAMPLES,
        derandomize="VESTIBULE_FUZZ" not in os.environ,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
ADMIN = {"admin_token": "xJ7qLw2Rz9Kd4Vt8Hs1Mb6Pf3Ny5Gc0A"}
FORM, JSON = b"application/x-www-form-urlencoded", b"application/json"


@dataclass
class Target:
    """The house under fire, and the loop that it lives in."""

    house: House
    store: WatchedStore
    runner: asyncio.Runner
    client_id: str
    login: bytes  # Cookie header of a browser in the middle of a login
    handle: str

    def send(self, method: str, path: str, **parts: Any) -> Answer:
        return self.runner.run(self.house.request(method, path, **parts))


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with asyncio.Runner() as runner:
        clock = FakeClock()
        store = WatchedStore(MemoryStore(clock))
        house = House(store=store, clock=clock, options={"tool_scopes": {"danger": ["admin"]}, **ADMIN})
        client_id, cookie, handle = runner.run(begin(house))
        yield Target(house, store, runner, client_id, cookie, handle)


async def begin(house: House) -> tuple[str, bytes, str]:
    """A registered client and a browser with a login on its way: what any stranger can have."""
    async with await house.client() as client:
        attempt = client.start()
        answer = await client.user.browser.get(attempt.url)
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return client.registration["client_id"], cookie.encode(), answer.headers["location"].partition("login=")[2]


def paths(house: House) -> list[str]:
    """From the route table: an endpoint that is added is fuzzed from then on."""
    found = {route.path for route in house.proxy.get_routes("/mcp") if isinstance(route, Route)}
    return [*sorted(found), "/mcp"]


PATHS = paths(House(options=ADMIN))

NASTY = st.sampled_from(
    [
        b"",
        b"\x00",
        b"a\x00b",
        b"\xff\xfe",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"%",
        b"%zz",
        b"%00",
        b"\r\nSet-Cookie: x=y",
        b"../../etc/passwd",
        b"' OR 1=1 --",
        b"<script>alert(1)</script>",
        b"{{7*7}}${7*7}",
        b"x" * 5000,
        b"https://[::1",
        b"https://a.example:99999999/",
        b"http://127.0.0.1:0/",
        b"javascript:alert(1)",
        b"S256",
        b"plain",
        b"none",
        b"9" * 400,
        b"-1",
        "\N{RIGHT-TO-LEFT OVERRIDE}é\N{PILE OF POO}".encode(),
        b"vsc_" + b"A" * 86,
        b"vsr_" + b"A" * 91,
        b"vc_" + b"A" * 200,
        b"eyJhbGciOiJub25lIn0.e30.",
        b"eyJ" + b"A" * 3000 + b".e30.AAAA",
    ]
)
TEXT = st.one_of(NASTY, st.binary(max_size=60))
NAMES = st.sampled_from(
    [
        b"client_id",
        b"redirect_uri",
        b"response_type",
        b"response_mode",
        b"scope",
        b"state",
        b"resource",
        b"code_challenge",
        b"code_challenge_method",
        b"prompt",
        b"request",
        b"request_uri",
        b"grant_type",
        b"code",
        b"code_verifier",
        b"refresh_token",
        b"client_secret",
        b"client_assertion",
        b"client_assertion_type",
        b"token",
        b"token_type_hint",
        b"login",
        b"csrf_token",
        b"action",
        b"remember",
        b"error",
        b"iss",
        b"unheard_of",
    ]
)


def honest(path: str, target: Target) -> dict[bytes, bytes]:
    """What a well-behaved caller would send, to be spoilt: a fuzzer that is stopped by the first check finds nothing."""
    client_id = target.client_id.encode()
    return {
        "/authorize": {
            b"client_id": client_id,
            b"redirect_uri": b"http://127.0.0.1:33418/callback",
            b"response_type": b"code",
            b"code_challenge": CHALLENGE.encode(),
            b"code_challenge_method": b"S256",
            b"state": b"s",
            b"resource": b"http://127.0.0.1:8000/mcp",
        },
        "/consent": {b"login": target.handle.encode(), b"action": b"approve", b"csrf_token": b"00"},
        "/auth/callback": {b"state": b"s", b"code": b"c", b"iss": b"http://127.0.0.1:9400"},
        "/token": {
            b"grant_type": b"authorization_code",
            b"client_id": client_id,
            b"code": b"vsc_x",
            b"code_verifier": CHALLENGE.encode(),
        },
        "/revoke": {b"client_id": client_id, b"token": b"vsr_x"},
        "/introspect": {b"client_id": client_id, b"token": b"vsr_x"},
    }.get(path, {})


SPOILT = st.lists(st.tuples(NAMES, TEXT), max_size=4)
JSON_VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(["none", "a" * 3000])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    [
        "redirect_uris",
        "client_name",
        "grant_types",
        "response_types",
        "token_endpoint_auth_method",
        "scope",
        "jwks",
        "jwks_uri",
        "client_uri",
        "logo_uri",
        "contacts",
        "application_type",
        "method",
        "params",
    ]
)
REGISTRATIONS = st.builds(
    lambda members: json.dumps({"redirect_uris": ["http://127.0.0.1/cb"], "client_name": "x", **members}).encode(),
    st.dictionaries(MEMBERS, JSON_VALUES, max_size=4),
)
BODIES = st.one_of(
    REGISTRATIONS,
    TEXT,
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"[" * 100_000, b'{"a":' * 20_000, b'"\\ud800"', b"x" * 70_000, b'{"a":1,"a":2}', b"1e999", b"NaN"]),
)
METHODS = st.sampled_from(["GET", "POST", "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW"])
TYPES = st.sampled_from(
    [
        FORM,
        JSON,
        FORM + b"; charset=utf-16",
        b"text/plain",
        b"multipart/form-data; boundary=x",
        b"",
        b"\xff",
        b"application/json;" * 50,
    ]
)
AUTHORIZATIONS = st.one_of(
    st.sampled_from(
        [
            b"Bearer",
            b"Bearer ",
            b"bearer a b",
            b"Basic",
            b"Basic !!!",
            b"Basic Og==",
            b"Basic YTpi",
            b"Basic /////w==",
            b"Basic JTAwOiVmZg==",
            b"Bearer " + b"x" * 20_000,
            b"Negotiate abc",
            b"DPoP x",
        ]
    ),
    TEXT.map(lambda text: b"Bearer " + text),
    TEXT,
)
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.just(b"authorization"), AUTHORIZATIONS),
        st.tuples(
            st.sampled_from([b"host", b"origin", b"x-forwarded-host", b"x-forwarded-proto", b"mcp-method", b"mcp-name"]), TEXT
        ),
        st.tuples(st.sampled_from([b"accept", b"sec-fetch-site", b"access-control-request-method", b"content-length"]), TEXT),
        st.tuples(
            st.just(b"cookie"),
            st.one_of(
                TEXT,
                st.sampled_from(
                    [
                        b"vestibule-login-x=" + b"A" * 8000,
                        b"; ".join(b"vestibule-login-%d=AAAA" % n for n in range(500)),
                        b"vestibule-consent=AAAA",
                        b"=;=;==",
                    ]
                ),
            ),
        ),
    ),
    max_size=4,
)


@pytest.mark.spec("TK-27", "AZ-29", "DCR-13", "RS-29")
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_nothing_from_outside_breaks_the_server_or_is_stored(
    target: Target, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Never 5xx, never a write, and never an exception that somebody would have to look at."""
    target.store.verbs.clear()

    @profile(path)
    @given(
        method=METHODS,
        spoilt=SPOILT,
        raw=st.one_of(st.none(), TEXT),
        body=st.one_of(st.none(), BODIES),
        kind=TYPES,
        headers=HEADERS,
        in_login=st.booleans(),
    )
    def attack(method, spoilt, raw, body, kind, headers, in_login) -> None:
        pairs = [*(honest(path, target) | dict(spoilt[:2])).items(), *spoilt[2:]]
        encoded = b"&".join(name + b"=" + quote_from_bytes(value).encode() for name, value in pairs)
        query = raw if raw is not None else encoded if method == "GET" else b""
        if path == "/consent" and method == "POST":
            query = b"login=" + target.handle.encode()
        content = encoded if body is None else body
        given_headers = [(b"content-type", FORM if body is None else kind), *headers]
        if in_login:
            given_headers.append((b"cookie", target.login))
        answer = target.send(method, path, query=query, headers=given_headers, body=content)
        assert answer.status < 500, answer.body
        _headers_are_sound(answer)

    attack()
    assert target.store.writes == []
    assert [record for record in caplog.records if record.exc_info] == []


def _headers_are_sound(answer: Answer) -> None:
    """Nothing that was sent ends a header line of ours or begins another."""
    for name, value in answer.headers:
        assert b"\r" not in name + value
        assert b"\n" not in name + value
        assert b"\x00" not in name + value


@pytest.mark.spec("AZ-29", "TK-27")
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_failing_store_is_503_and_nothing_worse(target: Target, path: str) -> None:
    target.store.failing = True
    try:
        for method in ("GET", "POST", "OPTIONS"):
            encoded = urlencode(honest(path, target)).encode()
            query = encoded if method == "GET" else b""
            answer = target.send(method, path, query=query, headers=[(b"content-type", FORM)], body=encoded)
            assert answer.status < 500 or answer.status == 503
    finally:
        target.store.failing = False


def test_deep_json_at_the_resource_is_refused_before_it_reaches_the_server(target: Target) -> None:
    """GHSA-46jr-4wx8-v453: with a good token and scopes per tool the body is read here."""
    token = target.runner.run(_token(target.house))
    for body in (b"[" * 100_000, b'{"method":"tools/call","method":"x"}', b"\xff", b'{"a":' * 50_000, b"NaN" * 3):
        answer = target.send(
            "POST", "/mcp", headers=[(b"authorization", b"Bearer " + token), (b"content-type", JSON)], body=body
        )
        assert answer.status == 400
        assert b"reached" not in answer.body


async def _token(house: House) -> bytes:
    async with await house.client() as client:
        return (await client.login())["access_token"].encode()
