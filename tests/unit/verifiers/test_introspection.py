"""Asking the issuer (RFC 7662): what it says counts, and what it does not say is neither yes nor no."""

import asyncio
import base64
from urllib.parse import parse_qs

import httpx2
import pytest
from tests.unit.net.web import Web

from vestibule import reasons
from vestibule.errors import ConfigurationError, TokenRejected, Unavailable
from vestibule.testing.clock import FakeClock
from vestibule.verifiers.introspection import IntrospectionTokenVerifier

pytestmark = pytest.mark.anyio

URL = "https://idp.example/introspect"
NOW = 1_800_000_000
ACTIVE = {
    "active": True,
    "client_id": "app",
    "sub": "alice",
    "scope": "read write",
    "exp": NOW + 600,
    "aud": "https://mcp.example/mcp",
}


class Issuer:
    """An issuer with an introspection endpoint, and the verifier that asks it."""

    def __init__(self, **options):
        self.web = Web()
        self.clock = FakeClock(NOW)
        self.say(ACTIVE)
        settings = {"introspection_url": URL, "client_id": "me", "client_secret": "s:cret", "http_client": self.web.client()}
        self.verifier = IntrospectionTokenVerifier(**(settings | {"clock": self.clock} | options))

    def say(self, body, status=200):
        self.web.answer(URL, body, status=status)

    @property
    def asked(self):
        return len(self.web.requests)

    async def refusal(self, token="opaque"):
        with pytest.raises(TokenRejected) as caught:
            await self.verifier.check_token(token)
        return caught.value.reason

    async def trouble(self):
        with pytest.raises(Unavailable) as caught:
            await self.verifier.verify_token("opaque")
        return caught.value.reason


async def test_an_active_token_becomes_what_is_known_of_the_caller():
    known = await Issuer().verifier.verify_token("opaque")
    assert (known.token, known.subject, known.client_id, known.scopes) == ("opaque", "alice", "app", ["read", "write"])
    assert (known.expires_at, known.resource) == (NOW + 600, "https://mcp.example/mcp")


# --- the question -------------------------------------------------------------------------------------------------------------


async def test_credentials_in_the_header():
    issuer = Issuer()
    await issuer.verifier.verify_token("opaque+/=")
    request = issuer.web.requests[0]
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"me:s%3Acret"
    assert parse_qs(request.content.decode()) == {"token": ["opaque+/="], "token_type_hint": ["access_token"]}


async def test_credentials_in_the_body():
    issuer = Issuer(client_auth_method="client_secret_post")
    await issuer.verifier.verify_token("opaque")
    request = issuer.web.requests[0]
    assert "authorization" not in request.headers
    form = parse_qs(request.content.decode())
    assert (form["client_id"], form["client_secret"]) == (["me"], ["s:cret"])


async def test_a_wrapped_secret():
    class Wrapped:
        def get_secret_value(self):
            return "s:cret"

    issuer = Issuer(client_secret=Wrapped())
    assert await issuer.verifier.verify_token("opaque")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", reasons.TOKEN_MALFORMED),
        ("a b", reasons.TOKEN_MALFORMED),
        ("a\r\nb", reasons.TOKEN_MALFORMED),
        ("ü", reasons.TOKEN_MALFORMED),
        ("\udc80", reasons.TOKEN_MALFORMED),
        ("x" * 20_000, reasons.TOKEN_TOO_LARGE),
    ],
)
async def test_what_cannot_be_a_token_is_not_asked_about(token, reason):
    issuer = Issuer()
    assert await issuer.refusal(token) is reason
    assert issuer.asked == 0


# --- no -----------------------------------------------------------------------------------------------------------------------


async def test_not_active_is_no():
    issuer = Issuer()
    issuer.say({"active": False})
    assert await issuer.refusal() is reasons.TOKEN_INACTIVE


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": NOW - 31}, reasons.TOKEN_EXPIRED),
        ({"nbf": NOW + 31}, reasons.TOKEN_NOT_YET_VALID),
        ({"exp": "soon"}, reasons.TOKEN_CLAIMS),
    ],
)
async def test_active_does_not_outweigh_the_times(changed, reason):
    issuer = Issuer()
    issuer.say(ACTIVE | changed)
    assert await issuer.refusal() is reason


@pytest.mark.spec("RS-09")
@pytest.mark.parametrize("audience", ["https://other.example", [], None, [["https://mcp.example/mcp"]]])
async def test_a_token_for_somebody_else_is_no(audience):
    issuer = Issuer(audience="https://mcp.example/mcp")
    issuer.say(ACTIVE | {"aud": audience})
    assert await issuer.refusal() is reasons.TOKEN_AUDIENCE
    issuer.say(ACTIVE)
    assert await issuer.verifier.check_token("opaque")


@pytest.mark.spec("RS-19")
async def test_a_missing_scope_is_told_apart_from_a_cached_answer_too():
    issuer = Issuer(required_scopes=["admin"])
    assert await issuer.refusal() is reasons.SCOPE_MISSING
    assert await issuer.refusal() is reasons.SCOPE_MISSING
    assert issuer.asked == 1


# --- neither yes nor no -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [204, 302, 400, 404, 408, 429, 500, 502, 503])
async def test_another_status_is_no_no(status):
    issuer = Issuer()
    issuer.say({"active": False}, status)
    assert await issuer.trouble() is reasons.UPSTREAM_UNAVAILABLE


@pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.ReadTimeout, httpx2.PoolTimeout])
async def test_silence_is_no_no(error):
    issuer = Issuer()
    issuer.web.fail(URL, error)
    assert await issuer.trouble() is reasons.UPSTREAM_UNAVAILABLE


@pytest.mark.parametrize("status", [401, 403])
async def test_our_own_credentials_are_the_operators_matter(status, events):
    issuer = Issuer()
    issuer.say({"error": "invalid_client"}, status)
    assert await issuer.trouble() is reasons.UPSTREAM_CREDENTIALS
    assert [(event.name, event.reason) for event in events] == [("operator", "upstream_credentials")]


@pytest.mark.parametrize(
    "body", [b"", b"yes", b"[]", {}, {"active": "true"}, {"active": 1}, {"active": None}, b'{"active":true,"active":false}']
)
async def test_an_answer_that_cannot_be_used_is_neither(body):
    issuer = Issuer()
    issuer.say(body)
    assert await issuer.trouble() is reasons.UPSTREAM_ANSWER


async def test_trouble_is_not_remembered():
    issuer = Issuer()
    issuer.say({}, 500)
    await issuer.trouble()
    issuer.say(ACTIVE)
    assert await issuer.verifier.check_token("opaque")


# --- remembering --------------------------------------------------------------------------------------------------------------


async def test_a_yes_is_remembered_for_its_time():
    issuer = Issuer(cache_ttl_seconds=60)
    for _ in range(5):
        await issuer.verifier.check_token("opaque")
    issuer.clock.advance(59)
    await issuer.verifier.check_token("opaque")
    assert issuer.asked == 1
    issuer.clock.advance(1)
    await issuer.verifier.check_token("opaque")
    assert issuer.asked == 2


async def test_a_yes_is_never_remembered_beyond_the_end_of_the_token():
    issuer = Issuer(cache_ttl_seconds=3600)
    await issuer.verifier.check_token("opaque")
    issuer.clock.advance(600)
    issuer.say({"active": False})
    assert await issuer.refusal() is reasons.TOKEN_INACTIVE


@pytest.mark.parametrize("ttl", [0, None])
async def test_remembering_can_be_switched_off(ttl):
    issuer = Issuer(cache_ttl_seconds=ttl)
    await issuer.verifier.check_token("opaque")
    issuer.say({"active": False})
    assert await issuer.refusal() is reasons.TOKEN_INACTIVE


async def test_a_no_is_not_remembered_and_pushes_nothing_out():
    issuer = Issuer(max_cache_size=1)
    await issuer.verifier.check_token("good")
    issuer.say({"active": False})
    for number in range(10):
        await issuer.refusal(f"made-up-{number}")
    assert await issuer.verifier.check_token("good")
    assert issuer.asked == 11


async def test_memory_is_bounded():
    issuer = Issuer(max_cache_size=2)
    for token in ("a", "b", "c"):
        await issuer.verifier.check_token(token)
    await issuer.verifier.check_token("c")
    assert issuer.asked == 3
    await issuer.verifier.check_token("a")
    assert issuer.asked == 4


async def test_tokens_with_a_long_common_beginning_are_two():
    """CVE-2026-35030: a cache keyed on the first characters gave one user's identity to another."""
    issuer = Issuer()

    def by_token(request):
        token = parse_qs(request.content.decode())["token"][0]
        return httpx2.Response(200, json=ACTIVE | {"sub": token[-1]})

    issuer.web.pages[URL] = by_token
    known = [await issuer.verifier.check_token("x" * 5000 + end) for end in ("a", "b", "a")]
    assert [token.subject for token in known] == ["a", "b", "a"]


async def test_what_a_caller_changes_stays_with_that_caller():
    issuer = Issuer()
    first = await issuer.verifier.check_token("opaque")
    first.claims["sub"] = "mallory"
    first.scopes.append("admin")
    second = await issuer.verifier.check_token("opaque")
    assert (second.claims["sub"], second.scopes) == ("alice", ["read", "write"])


async def test_many_at_once_ask_once():
    issuer = Issuer(cache_ttl_seconds=0)
    known = await asyncio.gather(*(issuer.verifier.check_token("opaque") for _ in range(50)))
    assert [token.subject for token in known] == ["alice"] * 50
    assert issuer.asked == 1


# --- what cannot be configured ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"client_auth_method": "none"}, {"client_id": ""}, {"client_secret": ""}, {"introspection_url": ""}]
)
def test_what_cannot_work_is_refused_at_once(options):
    with pytest.raises(ConfigurationError):
        Issuer(**options)
