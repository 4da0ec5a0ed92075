"""Our own consent, before anything is asked of the provider (MCP security best practices, confused deputy)."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.flows.conftest import SetStage
from tests.flows.documents import DocumentSite
from tests.flows.stage import BASE, LOOPBACK_URI, PUBLIC, WEB_URI, Stage, decide, open_consent, query_of

from vestibule.testing import ScriptedClient
from vestibule.testing.client import StepFailed
from vestibule.testing.user import Page

pytestmark = pytest.mark.anyio

BY_HAND = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}
FROM_ELSEWHERE = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}


@pytest.fixture
async def client(stage: Stage) -> ScriptedClient:
    return await stage.registered()


def leads_to_provider(answer: httpx2.Response) -> str:
    """The provider's address that an approval leads to."""
    assert answer.status_code == 200, answer.text
    link = Page.read(answer).continue_link
    assert link is not None
    assert link.startswith("http://127.0.0.1:9400/authorize?")
    return link


# --- what is asked, and of whom -------------------------------------------------------------------------------------------------


@pytest.mark.spec("PX-01")
async def test_nothing_goes_to_the_provider_before_the_user_agreed(stage: Stage, client: ScriptedClient):
    page = await open_consent(client.user, client.start().url)
    assert page.status == 200
    assert stage.provider.requests == []
    leads_to_provider(await decide(client.user, page))
    assert "consented" in stage.names()


@pytest.mark.spec("PX-01")
async def test_another_client_is_another_question(stage: Stage, client: ScriptedClient):
    await client.login()
    other = await stage.registered(user=client.user, client_name="Another")
    page = await open_consent(client.user, other.start().url)
    assert "Another" in page.html
    assert page.form_with_button("action", "approve") is not None


@pytest.mark.spec("PX-02")
async def test_the_page_says_who_gets_what_and_where(stage: Stage):
    client = await stage.registered(redirect_uri=WEB_URI, client_name="Notes")
    page = await open_consent(client.user, client.start(scope="openid offline_access").url)
    for shown in ("app.example", "Notes", "nobody has checked it", "openid", "offline_access", f"{BASE}/mcp", WEB_URI):
        assert shown in page.html
    assert page.html.index("app.example") < page.html.index("Notes")
    assert page.headers["x-frame-options"] == "DENY"
    assert "form-action 'self'" in page.headers["content-security-policy"]


async def test_an_app_on_this_computer_and_one_with_a_scheme_are_explained(stage: Stage, client: ScriptedClient):
    page = await open_consent(client.user, client.start().url)
    assert "An app on this computer" in page.html
    cursor = await stage.registered(redirect_uri="cursor://anysphere.cursor-mcp/oauth/callback")
    page = await open_consent(cursor.user, cursor.start().url)
    assert "The app that opens <bdi>cursor:</bdi> links" in page.html


# --- whether it was really the user ---------------------------------------------------------------------------------------------


@pytest.mark.spec("PX-03")
@pytest.mark.parametrize("token", ["", "00", "zz", "ff" * 32])
async def test_a_forged_form_is_refused(stage: Stage, client: ScriptedClient, token: str):
    page = await open_consent(client.user, client.start().url)
    answer = await decide(client.user, page, csrf_token=token)
    assert answer.status_code == 403
    assert "consent_forged" in answer.text
    assert stage.provider.requests == []


@pytest.mark.spec("PX-03")
async def test_the_proof_of_one_login_is_none_for_another(stage: Stage, client: ScriptedClient):
    other = await stage.registered(user=client.user)
    first = await open_consent(client.user, client.start().url)
    second = await open_consent(client.user, other.start().url)
    answer = await decide(client.user, second, csrf_token=first.forms[0].hidden["csrf_token"])
    assert answer.status_code == 403


@pytest.mark.spec("PX-04")
async def test_the_cookie_over_tls(staged: SetStage):
    stage = await staged(base_url=PUBLIC)
    client = await stage.registered()
    answer = await client.user.browser.get(client.start().url)
    [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-vestibule-login-")
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
    assert not any(attribute.startswith("domain") for attribute in attributes)


@pytest.mark.spec("PX-04")
async def test_a_cookie_of_another_login_does_not_open_the_page(stage: Stage, client: ScriptedClient):
    page = await open_consent(client.user, client.start().url)
    other = await stage.registered("bob")
    foreign = await open_consent(other.user, other.start().url)
    [mine] = client.user.browser.cookies.jar
    handle = query_of(foreign.url)["login"]
    renamed = {"cookie": f"{mine.name.removesuffix(query_of(page.url)['login'])}{handle}={mine.value}"}
    answer = await stage.http.get(foreign.url, headers=renamed)
    assert answer.status_code == 403
    assert page.status == 200


async def test_without_cookies_the_page_says_what_to_do(stage: Stage, client: ScriptedClient):
    location = (await client.user.browser.get(client.start().url)).headers["location"]
    answer = await stage.http.get(location)
    assert answer.status_code == 403
    assert "cookies" in answer.text
    assert answer.headers["x-request-id"] in answer.text
    posted = await stage.http.post(location, data={"action": "approve", "csrf_token": "00"})
    assert posted.status_code == 403


async def test_a_question_that_waited_too_long_is_asked_anew(stage: Stage, client: ScriptedClient):
    page = await open_consent(client.user, client.start().url)
    stage.clock.advance(601)
    answer = await decide(client.user, page)
    assert answer.status_code == 400
    assert "login_expired" in answer.text


# --- people with browsers -------------------------------------------------------------------------------------------------------


async def test_several_tabs_at_once(stage: Stage, client: ScriptedClient):
    attempts = [client.start() for _ in range(3)]
    pages = [await open_consent(client.user, attempt.url) for attempt in attempts]
    for attempt, page in reversed(list(zip(attempts, pages, strict=True))):
        link = leads_to_provider(await decide(client.user, page))
        code = client.finish(attempt, await client.user.visit(link, client.redirect_uri))
        assert (await client.exchange(code, attempt))["access_token"]


async def test_many_abandoned_tabs_do_not_fill_the_browser(stage: Stage, client: ScriptedClient):
    for _ in range(9):
        stage.clock.advance(1)
        page = await open_consent(client.user, client.start().url)
    assert sum(len(cookie.name) + len(cookie.value or "") for cookie in client.user.browser.cookies.jar) <= 5200
    leads_to_provider(await decide(client.user, page))


async def test_approving_twice_is_harmless(stage: Stage, client: ScriptedClient):
    attempt = client.start()
    page = await open_consent(client.user, attempt.url)
    links = [leads_to_provider(await decide(client.user, page)) for _ in range(2)]
    assert links[0] == links[1]
    code = client.finish(attempt, await client.user.visit(links[1], client.redirect_uri))
    assert (await client.exchange(code, attempt))["access_token"]


@pytest.mark.spec("AZ-26", "AZ-20", "AZ-23")
async def test_denying_tells_the_client(stage: Stage):
    client = await stage.registered(decision="deny")
    attempt = client.start(state="the-state")
    returned = query_of(await client.user.visit(attempt.url, client.redirect_uri))
    assert (returned["error"], returned["state"], returned["iss"]) == ("access_denied", "the-state", BASE)
    assert stage.provider.requests == []
    assert list(client.user.browser.cookies.jar) == []
    assert "consent_denied" in stage.reasons()


async def test_whoever_denied_cannot_be_approved_afterwards(stage: Stage, client: ScriptedClient):
    page = await open_consent(client.user, client.start().url)
    await decide(client.user, page, "deny")
    assert (await decide(client.user, page)).status_code == 403


async def test_any_other_button_is_no_decision(stage: Stage, client: ScriptedClient):
    page = await open_consent(client.user, client.start().url)
    answer = await decide(client.user, page, "maybe")
    assert answer.status_code == 400
    assert stage.provider.requests == []


@pytest.mark.spec("AZ-24")
async def test_an_app_with_a_scheme_is_reached_through_a_page(stage: Stage):
    uri = "cursor://anysphere.cursor-mcp/oauth/callback"
    client = await stage.registered(redirect_uri=uri)
    attempt = client.start()
    returned = await client.user.visit(attempt.url, uri)
    last = client.user.pages[-1]
    assert last.continue_link == returned
    assert "Back to your app" in last.html
    assert last.headers["cache-control"] == "no-store"
    assert (await client.exchange(client.finish(attempt, returned), attempt))["access_token"]


# --- "remember" -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def remembering(staged: SetStage) -> Stage:
    return await staged(require_authorization_consent="remember", valid_scopes=["profile"])


async def remembered(stage: Stage, **options: object) -> ScriptedClient:
    """A client that was allowed with the box ticked."""
    client = await stage.registered(**options)
    page = await open_consent(client.user, client.start().url)
    assert 'name="remember"' in page.html
    leads_to_provider(await decide(client.user, page, remember="yes"))
    return client


async def asked_again(client: ScriptedClient, headers: dict[str, str], **changes: str) -> bool:
    """Whether the user has to decide once more."""
    answer = await client.user.browser.get(client.start(**changes).url, headers=headers)
    page = Page.read(await client.user.browser.get(answer.headers["location"], headers=headers))
    return page.form_with_button("action", "approve") is not None


async def test_the_same_question_is_not_asked_twice(remembering: Stage):
    client = await remembered(remembering)
    assert not await asked_again(client, BY_HAND)
    assert (await client.login())["access_token"]


@pytest.mark.spec("PX-01")
async def test_a_question_that_another_site_set_off_is_asked(remembering: Stage):
    client = await remembered(remembering)
    assert await asked_again(client, FROM_ELSEWHERE)
    assert await asked_again(client, {"sec-fetch-site": "same-site"})
    assert await asked_again(client, {"sec-fetch-site": "none", "sec-fetch-mode": "no-cors"})
    assert await asked_again(client, {})


async def test_a_changed_question_is_asked(remembering: Stage):
    client = await remembered(remembering, register={"redirect_uris": [LOOPBACK_URI, "http://127.0.0.1:33418/other"]})
    assert await asked_again(client, BY_HAND, scope="openid profile")
    assert await asked_again(client, BY_HAND, redirect_uri="http://127.0.0.1:33418/other")
    other = await remembering.registered(user=client.user)
    assert await asked_again(other, BY_HAND)
    assert not await asked_again(client, BY_HAND)


async def test_without_the_box_nothing_is_remembered(remembering: Stage):
    client = await remembering.registered()
    page = await open_consent(client.user, client.start().url)
    leads_to_provider(await decide(client.user, page))
    assert await asked_again(client, BY_HAND)


async def test_where_remembering_is_off_a_box_changes_nothing(stage: Stage, client: ScriptedClient):
    page = await open_consent(client.user, client.start().url)
    assert 'name="remember"' not in page.html
    leads_to_provider(await decide(client.user, page, remember="yes"))
    assert await asked_again(client, BY_HAND)


async def test_the_memory_of_one_browser_is_none_of_another(remembering: Stage):
    client = await remembered(remembering)
    client.user = remembering.user("bob")
    assert await asked_again(client, BY_HAND)


# --- without our page -----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("PX-05")
@pytest.mark.parametrize("mode", ["external", False])
async def test_without_our_page_the_login_is_still_bound_to_the_browser(staged: SetStage, mode: object):
    stage = await staged(require_authorization_consent=mode)
    client = await stage.registered()
    attempt = client.start()
    callback = await client.user.visit(attempt.url, stage.callback)
    assert not any(page.form_with_button("action", "approve") for page in client.user.pages)
    stranger = await stage.http.get(callback)
    assert stranger.status_code == 403
    assert "location" not in stranger.headers
    answer = await client.user.browser.get(callback)
    assert (await client.exchange(client.finish(attempt, answer.headers["location"]), attempt))["access_token"]


async def test_without_asking_nobody_can_be_asked(stage: Stage, client: ScriptedClient):
    answer = await client.user.browser.get(client.start(prompt="none").url)
    assert query_of(answer.headers["location"])["error"] == "interaction_required"
    assert stage.provider.requests == []


async def test_without_our_page_the_provider_answers_for_prompt_none(staged: SetStage):
    stage = await staged(require_authorization_consent="external")
    client = await stage.registered()
    attempt = client.start(prompt="none")
    with pytest.raises(StepFailed, match="login_required"):
        client.finish(attempt, await client.user.visit(attempt.url, client.redirect_uri))


# --- clients named by a document ------------------------------------------------------------------------------------------------


@pytest.fixture
def site() -> Iterator[DocumentSite]:
    with DocumentSite() as running:
        yield running


async def published(stage: Stage, site: DocumentSite) -> ScriptedClient:
    client = stage.client()
    await client.discover()
    client.registration = {"client_id": site.client_id}
    return client


@pytest.mark.spec("CI-10", "PX-02")
async def test_a_published_client_is_shown_with_both_hosts_and_a_warning(stage: Stage, site: DocumentSite):
    client = await published(stage, site)
    page = await open_consent(client.user, client.start().url)
    assert "127.0.0.1:33418" in page.html
    assert f"published at <bdi>{site.host}</bdi>" in page.html
    assert f"really comes from <bdi>{site.host}</bdi> cannot be checked" in page.html
    assert (await client.login())["access_token"]
    assert stage.store.calls.count("put_new") == 2, "the user's list and the grant"


@pytest.mark.spec("CI-12")
@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": [LOOPBACK_URI, "http://127.0.0.1/more"]},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/jwks.json"},
    ],
)
async def test_a_document_that_changed_is_a_new_question(staged: SetStage, site: DocumentSite, changes: dict):
    stage = await staged(require_authorization_consent="remember")
    client = await published(stage, site)
    page = await open_consent(client.user, client.start().url)
    await decide(client.user, page, remember="yes")
    assert not await asked_again(client, BY_HAND)
    site.changes = changes
    stage.clock.advance(600)
    assert await asked_again(client, BY_HAND)


@pytest.mark.spec("CI-12")
async def test_a_document_that_changes_while_the_user_reads_is_asked_about_again(stage: Stage, site: DocumentSite):
    client = await published(stage, site)
    page = await open_consent(client.user, client.start().url)
    site.changes = {"redirect_uris": [LOOPBACK_URI, "https://evil.example/"]}
    stage.clock.advance(400)
    answer = await decide(client.user, page)
    assert answer.status_code == 400
    assert stage.provider.requests == []


@pytest.mark.spec("CI-02", "CI-03", "CI-04", "CI-05")
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"client_id": "https://other.example/client.json"}, 200),
        ({"client_id": None}, 200),
        ({"client_name": None}, 200),
        ({"redirect_uris": None}, 200),
        ({"client_secret": "x"}, 200),
        ({"token_endpoint_auth_method": "client_secret_post"}, 200),
        ({}, 404),
        ({}, 410),
        ({}, 201),
    ],
)
async def test_a_document_that_is_none_gets_a_page(stage: Stage, site: DocumentSite, changes: dict, status: int):
    client = await published(stage, site)
    site.changes, site.status = changes, status
    answer = await client.user.browser.get(client.start().url)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "client_document" in answer.text


@pytest.mark.spec("CI-03")
async def test_a_document_elsewhere_is_not_followed(stage: Stage, site: DocumentSite):
    client = await published(stage, site)
    client.registration = {"client_id": site.moved}
    answer = await client.user.browser.get(client.start().url)
    assert answer.status_code == 400
    assert site.fetched == 0


@pytest.mark.spec("CI-09")
async def test_a_document_that_was_mended_works_at_the_next_try(stage: Stage, site: DocumentSite):
    client = await published(stage, site)
    site.changes = {"client_name": None}
    assert (await client.user.browser.get(client.start().url)).status_code == 400
    site.changes = {}
    assert (await client.user.browser.get(client.start().url)).status_code == 303


@pytest.mark.spec("CI-09")
async def test_a_document_is_kept_as_long_as_it_says(stage: Stage, site: DocumentSite):
    site.headers = {"cache-control": "max-age=900"}
    client = await published(stage, site)
    for _ in range(3):
        await client.user.browser.get(client.start().url)
    assert site.fetched == 1
    stage.clock.advance(901)
    await client.user.browser.get(client.start().url)
    assert site.fetched == 2


@pytest.mark.spec("CI-06")
async def test_a_star_in_a_document_is_a_star(stage: Stage, site: DocumentSite):
    site.changes = {"redirect_uris": ["https://app.example/*"]}
    client = await published(stage, site)
    answer = await client.user.browser.get(client.start(redirect_uri="https://app.example/callback").url)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.spec("CI-01", "CI-07")
@pytest.mark.parametrize(
    "client_id",
    [
        "https://app.example",
        "https://app.example/a/../b",
        "https://app.example/client#x",
        "https://user@app.example/client",
        "http://app.example/client.json",
        "https://10.0.0.1/client.json",
        "https://169.254.169.254/latest",
        "https://[::ffff:127.0.0.1]/client.json",
        "https://localhost.localdomain/client.json",
    ],
)
async def test_what_names_no_client_is_not_fetched(stage: Stage, client: ScriptedClient, client_id: str):
    answer = await client.user.browser.get(client.start(client_id=client_id).url)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.spec("CI-07")
@pytest.mark.parametrize("base_url", [PUBLIC, "http://localhost:9500"])
async def test_only_a_server_on_the_same_loopback_looks_there(staged: SetStage, site: DocumentSite, base_url: str):
    stage = await staged(base_url=base_url)
    client = await published(stage, site)
    answer = await client.user.browser.get(client.start().url)
    assert answer.status_code == 400
    assert site.fetched == 0


@pytest.mark.spec("CI-11")
async def test_a_published_client_that_signs_has_to_sign(stage: Stage, site: DocumentSite):
    site.changes = {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43, "kid": "1"}]},
    }
    client = await published(stage, site)
    code, attempt = await stage.with_code(client)
    with pytest.raises(StepFailed) as failure:
        await client.exchange(code, attempt)
    assert (failure.value.status, failure.value.error) == (401, "invalid_client")


async def test_the_page_belongs_to_the_path_of_this_server(staged: SetStage):
    stage = await staged(base_url=f"{BASE}/team")
    client = await stage.signed_in()
    assert {urlsplit(page.url).path for page in client.user.pages if BASE in page.url} == {"/team/consent"}
