"""A remembered consent is for what the user began, and an operator's client may come back by a scheme of its own."""

from __future__ import annotations

import re
from html import unescape

import pytest
from tests.attacks.test_consent import approve, asks, consent_page
from tests.races.house import House

from vestibule.clients.configured import ConfiguredClient

pytestmark = pytest.mark.anyio

FOREIGN = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
OUR_PAGE = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}


@pytest.mark.spec("PX-01")
async def test_our_own_page_cannot_be_made_to_ride_on_a_remembered_consent():
    """GHSA-6x8h with a detour: a redirect URI that leads to our own authorization endpoint has *our* page set off the request.

    The user denies the stranger, the page goes back to where the stranger said, and that is a same-origin request for another client.
    """
    house = House(options={"require_authorization_consent": "remember"})
    honest = await house.client(client_name="Honest")
    await approve(honest, *await consent_page(honest), remember="yes")
    stranger = await house.client(user=honest.user, client_name="Stranger", redirect_uri=honest.start(state="").url)
    url, page = await consent_page(stranger, FOREIGN)
    denied = await approve(stranger, url, page, action="deny")
    found = re.search(r'url=([^"]+)"', denied.text)
    assert found is not None
    browser = honest.user.browser
    sent = await browser.get(unescape(found[1]), headers=OUR_PAGE)
    assert asks(await browser.get(sent.headers["location"], headers=OUR_PAGE))


async def test_a_configured_client_may_use_a_scheme_that_only_the_operator_knows():
    """Admitted at start, and then no page would link to it."""
    house = House(options={"clients": [ConfiguredClient(client_id="mine", redirect_uris=["myapp:/callback"])]})
    client = await house.client()
    client.registration, client.redirect_uri = {"client_id": "mine"}, "myapp:/callback"
    _, page = await consent_page(client)
    assert asks(page)
    assert (await client.login())["access_token"]
