"""A server starts while its provider is down, says so, and works as soon as the provider is up."""

import asyncio
from typing import Any

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import KnownProxy, Stage, decide, open_consent

from vestibule import OIDCConfiguration, reasons
from vestibule.errors import ConfigurationError, Unavailable

pytestmark = pytest.mark.anyio


class LateProxy(KnownProxy):
    """A bridge whose provider comes up when a test says so."""

    def __init__(self, document: dict[str, Any], **options: Any) -> None:
        self.is_up = False
        self.attempts = 0
        super().__init__(document, **options)

    def get_oidc_configuration(self, config_url: object, strict: object, timeout_seconds: object) -> OIDCConfiguration:
        self.attempts += 1
        if not self.is_up:
            raise Unavailable(reasons.UPSTREAM_UNAVAILABLE, "connection refused")
        return super().get_oidc_configuration(config_url, strict, timeout_seconds)


@pytest.fixture
async def late(staged: SetStage) -> Stage:
    return await staged(bridge=LateProxy)


async def test_it_starts_and_shows_itself(late: Stage):
    assert late.auth.oidc_config is None
    client = await late.registered()
    assert client.server["issuer"] == late.base_url
    assert (await late.http.post(late.resource)).status_code == 401


async def test_the_way_to_the_provider_is_not_available_and_then_is(late: Stage):
    client = await late.registered()
    attempt = client.start()
    page = await open_consent(client.user, attempt.url)
    answer = await decide(client.user, page)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "upstream_unavailable" in answer.text
    assert answer.headers["x-request-id"] in answer.text
    late.auth.is_up = True
    late.clock.advance(2)
    code = client.finish(attempt, await client.user.visit(page.url, client.redirect_uri))
    assert (await client.exchange(code, attempt))["access_token"]
    assert (await client.call_tool("whoami"))["subject"] == "alice"


async def test_many_who_wait_cause_one_attempt_and_then_a_pause(late: Stage):
    client = await late.registered()
    pages = [await open_consent(client.user, client.start().url) for _ in range(4)]
    late.auth.attempts = 0
    answers = await asyncio.gather(*(decide(client.user, page) for page in pages))
    assert {answer.status_code for answer in answers} == {503}
    assert late.auth.attempts == 1
    assert (await decide(client.user, pages[0])).status_code == 503
    assert late.auth.attempts == 1
    late.clock.advance(2)
    await decide(client.user, pages[0])
    assert late.auth.attempts == 2


async def test_where_our_own_page_is_left_out_the_first_request_says_it(staged: SetStage):
    stage = await staged(bridge=LateProxy, require_authorization_consent=False)
    client = await stage.registered()
    answer = await client.user.browser.get(client.start().url)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "location" not in answer.headers
    stage.auth.is_up = True
    stage.clock.advance(2)
    assert (await client.login())["access_token"]


async def test_sessions_go_on_while_a_restarted_server_waits_for_its_provider(staged: SetStage):
    stage = await staged(provider={"access_token_seconds": 600})
    client = await stage.signed_in()
    later = await staged(bridge=LateProxy, at=stage.provider, store=stage.store)
    returned = later.client()
    returned.server, returned.registration, returned.tokens = client.server, client.registration, client.tokens
    assert (await returned.call_tool("whoami"))["subject"] == "alice"
    await returned.refresh()
    later.clock.advance(601)
    form = {"grant_type": "refresh_token", "refresh_token": returned.tokens["refresh_token"]}
    assert (await returned.post_form(returned.server["token_endpoint"], form)).status_code == 503
    later.auth.is_up = True
    later.clock.advance(10)
    assert (await returned.refresh())["access_token"]


async def test_a_document_that_cannot_work_stops_the_start(staged: SetStage):
    with pytest.raises(ConfigurationError, match="token_endpoint"):
        await staged(document={"token_endpoint": None}, bridge=Lenient)


async def test_a_document_that_cannot_work_later_keeps_the_door_shut(staged: SetStage):
    stage = await staged(document={"token_endpoint": None}, bridge=LenientLate)
    client = await stage.registered()
    page = await open_consent(client.user, client.start().url)
    stage.auth.is_up = True
    assert (await decide(client.user, page)).status_code == 503


class Lenient(KnownProxy):
    """Takes whatever is in the document."""

    def get_oidc_configuration(self, config_url: object, strict: object, timeout_seconds: object) -> OIDCConfiguration:
        return OIDCConfiguration.model_validate({**self.document, "strict": False})


class LenientLate(LateProxy):
    """Takes whatever is in the document, once it is there."""

    def get_oidc_configuration(self, config_url: object, strict: object, timeout_seconds: object) -> OIDCConfiguration:
        self.document["strict"] = False
        return super().get_oidc_configuration(config_url, strict, timeout_seconds)
