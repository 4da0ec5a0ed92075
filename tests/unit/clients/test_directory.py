"""Who a client id belongs to."""

import pytest
from tests.unit.clients.desk import Desk
from tests.unit.clients.fakes import APP, CALLBACK

from vestibule import reasons
from vestibule.clients.configured import ConfiguredClient
from vestibule.errors import OAuthError
from vestibule.protocol.redirect_uris import AllowedRedirectURIs

pytestmark = pytest.mark.anyio


async def refusal(desk, client_id):
    with pytest.raises(OAuthError) as caught:
        await desk.directory.find(client_id)
    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)
    return caught.value.reason


async def test_all_three_kinds_are_found():
    desk = Desk(ConfiguredClient(client_id="app", redirect_uris=[CALLBACK]))
    desk.web.publish()
    registered, _ = desk.register()
    assert [(await desk.directory.find(name)).kind for name in ("app", registered, APP)] == [
        "configured",
        "dynamic",
        "document",
    ]


@pytest.mark.spec("TK-17")
@pytest.mark.parametrize("client_id", ["", "app", "vc_", "vc_" + "A" * 100, "vc_\x00", "\ud800", "ftp://app.example/x"])
async def test_nobody_else_is_known(client_id):
    assert await refusal(Desk(), client_id) is reasons.CLIENT_UNKNOWN


async def test_without_documents_a_url_names_nobody_and_nothing_is_fetched():
    desk = Desk(documents=False)
    assert await refusal(desk, APP) is reasons.CLIENT_DOCUMENTS_OFF
    assert desk.web.asked == []


async def test_the_operators_word_goes_over_a_document():
    desk = Desk(ConfiguredClient(client_id=APP, redirect_uris=["https://app.example/other"]))
    desk.web.publish()
    assert (await desk.directory.find(APP)).metadata.redirect_uris == ("https://app.example/other",)
    assert desk.web.asked == []


@pytest.mark.parametrize("kind", ["dynamic", "document"])
async def test_the_operators_rule_for_redirect_uris_holds_for_clients_of_before(kind):
    """PrefectHQ/fastmcp #3037, #3098: an allow-list that held in some places only."""
    allowed = AllowedRedirectURIs(["https://other.example/*"])
    desk = Desk(allowed=allowed)
    desk.web.publish()
    assert await refusal(desk, desk.register()[0] if kind == "dynamic" else APP) in {
        reasons.REDIRECT_URI_NOT_ALLOWED,
        reasons.CLIENT_DOCUMENT_INVALID,
    }


async def test_what_the_operator_admits_stays():
    desk = Desk(allowed=AllowedRedirectURIs(["https://app.example/*"]))
    client_id, _ = desk.register()
    assert (await desk.directory.find(client_id)).metadata.redirect_uris == (CALLBACK,)
