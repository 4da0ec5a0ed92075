"""What the provider takes back at a renewal is gone here, too."""

from __future__ import annotations

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE

pytestmark = pytest.mark.anyio


def staff_only(claims):
    return "staff" in (claims.get("groups") or ())


async def test_a_group_that_is_gone_no_longer_admits(staged: SetStage):
    users = {"alice": {"email": "alice@example.com", "email_verified": True, "groups": ["staff"]}}
    stage = await staged(provider={"users": users}, sign_in_policy=staff_only)
    client = await stage.signed_in()
    del users["alice"]["groups"]
    stage.clock.advance(3601)
    form = {"grant_type": "refresh_token", "refresh_token": client.tokens["refresh_token"]}
    answer = await client.post_form(f"{BASE}/token", form)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"
    assert "sign_in_refused" in answer.json()["error_description"]
