"""Opaque tokens whose provider has only userinfo: the application is checked before the user is asked for."""

import httpx2
import pytest
from tests.unit.net.web import Web

from vestibule import reasons
from vestibule.errors import ConfigurationError, TokenRejected, Unavailable
from vestibule.testing.clock import FakeClock
from vestibule.unsafe import any_audience, any_issuer
from vestibule.verifiers.userinfo import UserinfoTokenVerifier, bearer_answer

pytestmark = pytest.mark.anyio

USERINFO, TOKENINFO = "https://idp.example/userinfo", "https://idp.example/tokeninfo"
NOW = 1_800_000_000


async def issued_to_us(http, token):
    about = await bearer_answer(http, TOKENINFO, token, {})
    if about["aud"] != "our-app":
        raise TokenRejected(reasons.TOKEN_AUDIENCE)
    return {"client_id": about["aud"], "scope": about["scope"], "exp": about["exp"]}


class Provider:
    def __init__(self, **options):
        self.web = Web()
        self.clock = FakeClock(NOW)
        self.web.answer(USERINFO, {"sub": "alice", "email": "a@b.example"})
        self.web.answer(TOKENINFO, {"aud": "our-app", "scope": "read", "exp": NOW + 30})
        settings = {"userinfo_url": USERINFO, "check_application": issued_to_us, "http_client": self.web.client()}
        self.verifier = UserinfoTokenVerifier(**(settings | {"clock": self.clock} | options))

    @property
    def asked(self):
        return [str(request.url) for request in self.web.requests]

    async def refusal(self):
        with pytest.raises(TokenRejected) as caught:
            await self.verifier.check_token("opaque")
        return caught.value.reason


async def test_a_token_becomes_what_is_known_of_the_caller():
    provider = Provider(headers={"x-api-version": "1"})
    known = await provider.verifier.verify_token("opaque")
    assert (known.subject, known.client_id, known.scopes, known.expires_at) == ("alice", "our-app", ["read"], NOW + 30)
    assert known.claims["email"] == "a@b.example"
    request = provider.web.requests[-1]
    assert (request.headers["authorization"], request.headers["x-api-version"]) == ("Bearer opaque", "1")


@pytest.mark.spec("RS-09")
async def test_the_token_of_another_application_is_refused_before_it_is_used():
    """fastmcp PR3405, PR3406, PR3407, PR4827: tokens of other applications were accepted."""
    provider = Provider()
    provider.web.answer(TOKENINFO, {"aud": "their-app"})
    assert await provider.refusal() is reasons.TOKEN_AUDIENCE
    assert provider.asked == [TOKENINFO]


async def test_without_an_application_check_it_has_to_be_said():
    provider = Provider(check_application=any_audience, scopes=["user"])
    known = await provider.verifier.check_token("opaque")
    assert (known.subject, known.scopes, provider.asked) == ("alice", ["user"], [USERINFO])
    with pytest.raises(TypeError):
        UserinfoTokenVerifier(userinfo_url=USERINFO)
    with pytest.raises(ConfigurationError):
        Provider(check_application=any_issuer)


@pytest.mark.parametrize(("number", "subject"), [(583231, "583231"), ("octocat", "octocat")])
async def test_the_user_may_have_another_claim_or_a_number(number, subject):
    provider = Provider(subject_claim="id")
    provider.web.answer(USERINFO, {"id": number, "sub": "ignored"})
    assert (await provider.verifier.check_token("opaque")).subject == subject


@pytest.mark.parametrize("body", [{}, {"sub": ""}, {"sub": None}, {"sub": True}, {"sub": ["alice"]}])
async def test_nobody_is_not_a_user(body):
    provider = Provider()
    provider.web.answer(USERINFO, body)
    assert await provider.refusal() is reasons.TOKEN_CLAIMS


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [(401, {}, reasons.TOKEN_INACTIVE), (403, {"www-authenticate": "Bearer"}, reasons.TOKEN_NOT_ACCEPTED)],
)
async def test_a_refused_token_is_no(status, headers, reason):
    provider = Provider()
    provider.web.answer(USERINFO, {}, status=status, headers=headers)
    assert await provider.refusal() is reason


@pytest.mark.parametrize("status", [302, 403, 404, 429, 500, 503])
async def test_trouble_is_no_no(status):
    provider = Provider()
    provider.web.answer(USERINFO, {}, status=status)
    with pytest.raises(Unavailable):
        await provider.verifier.verify_token("opaque")


async def test_silence_is_no_no():
    provider = Provider()
    provider.web.fail(USERINFO, httpx2.ReadTimeout)
    with pytest.raises(Unavailable):
        await provider.verifier.verify_token("opaque")


async def test_an_answer_is_remembered_until_the_token_ends():
    provider = Provider(cache_ttl_seconds=3600)
    for _ in range(3):
        await provider.verifier.check_token("opaque")
    assert provider.asked == [TOKENINFO, USERINFO]
    provider.clock.advance(30)
    await provider.verifier.check_token("opaque")
    assert len(provider.asked) == 4


async def test_a_token_that_is_over_is_refused():
    provider = Provider()
    provider.clock.advance(61)
    assert await provider.refusal() is reasons.TOKEN_EXPIRED
