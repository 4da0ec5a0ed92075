"""The page of connected apps, with every provider that is a bridge: who signs in there is who signed in to the app."""

from __future__ import annotations

import pytest
from tests.flows.test_connections import names, press, signed_in, text
from tests.providers.fakes.registry import CASES, Case
from tests.providers.house import House
from tests.providers.test_matrix import Row

pytestmark = pytest.mark.anyio

BRIDGES = [case for case in CASES if not case.remote]


@pytest.mark.parametrize("case", BRIDGES, ids=lambda case: case.name)
async def test_users_find_their_apps_and_disconnect_them(case: Case, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(case, house, monkeypatch)
    row.open()
    app = await row.signed_in("alice")
    bobs = await row.signed_in("bob")
    page = await signed_in(app.user)
    assert names(page) == ["Scripted client"], text(page)
    assert "Signed in as" in text(page)
    await press(app.user, page, "disconnect")
    assert (await house.call_with(app.tokens["access_token"])).status_code == 401
    assert (await house.call_with(bobs.tokens["access_token"])).status_code == 200
