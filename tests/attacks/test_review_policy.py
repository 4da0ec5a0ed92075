"""Ways around a sign-in policy: claims of an unexpected form, and texts that are no addresses."""

from __future__ import annotations

from typing import Any

import pytest

from vestibule.errors import ConfigurationError
from vestibule.policy import SignInPolicy, claim, email, email_domain, group, not_, role, tenant

GUID = "9188040D-6C67-4C5B-B112-36A304B66DAD"


@pytest.mark.parametrize(
    ("rule", "claims"),
    [
        (claim("suspended", "true"), {"suspended": True}),
        (claim("level", "1"), {"level": 1}),
        (role("blocked"), {"roles": {"blocked": {"org_1": "example.com"}}}),
        (group("contractors"), {"groups": [{"name": "contractors"}]}),
        (group("contractors"), {"groups": ["staff", {"name": "contractors"}]}),
        (claim(["realm_access", "roles"], "blocked"), {"realm_access": "blocked"}),
    ],
)
def test_what_cannot_be_compared_lets_nobody_in(rule: SignInPolicy, claims: dict[str, Any]) -> None:
    """Told as "no", it would be a "yes" behind a not_."""
    assert rule(claims) is None
    assert not_(rule)(claims) is None


def test_an_empty_list_is_an_answer() -> None:
    assert group("contractors")({"groups": []}) is False
    assert not_(group("contractors"))({"groups": ["staff"]}) is True
    assert group("staff")({"groups": [{"name": "x"}, "staff"]}) is True


@pytest.mark.parametrize(
    "address",
    [
        "<mallory@evil.example> bob@example.com",
        '"bob"@example.com',
        " bob@example.com",
        "bob @example.com",
        "bob,mallory@example.com",
        "bob@example.com.",
        "mallory＠evil.example@example.com",
        "(mallory)bob@example.com",
        "bob\\@example.com",
    ],
)
@pytest.mark.parametrize("rule", [email_domain("example.com"), email("bob@example.com")], ids=["email_domain", "email"])
def test_a_text_that_programs_read_differently_is_no_address(address: str, rule: SignInPolicy) -> None:
    claims = {"email": address, "email_verified": True}
    assert rule(claims) is None
    assert not_(rule)(claims) is None


@pytest.mark.parametrize("address", ["bob+mcp@example.com", "b.o'b_!#$%&*/=?^`{|}~-@example.com", "jürgen@example.com"])
def test_unusual_addresses_are_addresses(address: str) -> None:
    assert email_domain("example.com")({"email": address, "email_verified": True}) is True


def test_a_tenant_is_the_same_in_capitals() -> None:
    assert tenant(GUID)({"tid": GUID.lower()}) is True
    assert not_(tenant(GUID))({"tid": GUID.lower()}) is False


@pytest.mark.parametrize("values", [["staff", "admins"], {"staff": True}, {"staff"}, None])
def test_a_list_in_place_of_values_is_an_error(values: object) -> None:
    """It would equal nothing that a token holds."""
    with pytest.raises(ConfigurationError, match="each value is"):
        claim("groups", values)
