"""Rules about who may sign in."""

from __future__ import annotations

from typing import Any

import pytest

from vestibule.errors import ConfigurationError, SignInRefused
from vestibule.policy import (
    SignInPolicy,
    all_of,
    any_of,
    check_sign_in,
    claim,
    email,
    email_domain,
    group,
    not_,
    organisation,
    policy_from,
    role,
    tenant,
)

ALICE: dict[str, Any] = {
    "sub": "auth0|1",
    "email": "Alice@Example.com",
    "email_verified": True,
    "groups": ["staff", "admins"],
    "roles": ["writer"],
    "org_id": "org_1",
    "tid": "tenant-1",
    "hd": "example.com",
    "level": 1,
    "realm_access": {"roles": ["mcp-user"]},
}


def yes(_: object) -> bool | None:
    return True


def no(_: object) -> bool | None:
    return False


def unknown(_: object) -> bool | None:
    return None


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        (email("alice@example.com"), True),
        (email("bob@example.com", "ALICE@EXAMPLE.COM"), True),
        (email("bob@example.com"), False),
        (email_domain("example.com"), True),
        (email_domain("EXAMPLE.com"), True),
        (email_domain("example.org", "ample.com"), False),
        (email_domain("mail.example.com"), False),
        (group("admins"), True),
        (group("Admins"), False),
        (role("writer", "reader"), True),
        (organisation("org_1"), True),
        (organisation("org_2"), False),
        (tenant("tenant-1"), True),
        (claim("hd", "example.com"), True),
        (claim("level", 1), True),
        (claim("level", True), None),
        (claim("level", "1"), None),
        (claim(["realm_access", "roles"], "mcp-user"), True),
        (claim(["realm_access", "roles", "deeper"], "mcp-user"), None),
        (claim("not there", "x"), None),
    ],
)
def test_a_rule_answers(rule: SignInPolicy, answer: bool | None) -> None:
    assert rule(ALICE) is answer


@pytest.mark.parametrize("verified", [None, False, "true", 1, "yes"])
def test_an_address_that_is_not_verified_counts_for_nothing(verified: object) -> None:
    claims = {**ALICE, "email_verified": verified}
    assert email("alice@example.com")(claims) is None
    assert email_domain("example.com")(claims) is None
    assert not_(email_domain("elsewhere.example"))(claims) is None


@pytest.mark.parametrize(
    "address",
    [
        "mallory@evil.example@example.com",
        "mallory@example.com@evil.example",
        '"mallory@evil.example"@example.com',
        "example.com",
        "@example.com",
        "alice@",
        "alice@example.com.",
        "alice@example.com\n",
        "alice@example.com\u200b",
        "alice@example\uff0ecom",
        "alice@e\u24e7ample.com",
        "alice@ex\u0430mple.com",
        ["alice@example.com"],
        None,
        7,
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_none(address: object) -> None:
    """CVE-2026-40574: two programs that find the domain behind different signs."""
    claims = {**ALICE, "email": address}
    assert email_domain("example.com")(claims) is not True
    assert email("alice@example.com")(claims) is not True


@pytest.mark.parametrize(
    ("written", "claimed"), [("bücher.example", "xn--bcher-kva.example"), ("xn--bcher-kva.example", "bücher.example")]
)
def test_domains_are_compared_in_their_ascii_form(written: str, claimed: str) -> None:
    assert email_domain(written)({"email": f"alice@{claimed}", "email_verified": True}) is True


def test_the_kelvin_sign_is_no_k() -> None:
    claims = {"email": "mi\u212ae@example.com", "email_verified": True}
    assert email("mike@example.com")(claims) is False


@pytest.mark.parametrize(
    ("rules", "all_say", "any_says"),
    [
        ((yes, yes), True, True),
        ((yes, no), False, True),
        ((no, no), False, False),
        ((yes, unknown), None, True),
        ((no, unknown), False, None),
        ((unknown, unknown), None, None),
    ],
)
def test_rules_are_combined_without_guessing(
    rules: tuple[SignInPolicy, ...], all_say: bool | None, any_says: bool | None
) -> None:
    assert all_of(*rules)(ALICE) is all_say
    assert any_of(*rules)(ALICE) is any_says


@pytest.mark.parametrize(("rule", "answer"), [(yes, False), (no, True), (unknown, None)])
def test_what_is_not_known_is_not_known_the_other_way_round_either(rule: SignInPolicy, answer: bool | None) -> None:
    assert not_(rule)(ALICE) is answer


@pytest.mark.parametrize("make", [email, email_domain, group, role, organisation, tenant, all_of, any_of])
def test_a_rule_about_nothing_is_refused(make: Any) -> None:
    with pytest.raises(ConfigurationError, match="nothing is named"):
        make()


@pytest.mark.parametrize(
    "make", [lambda: email("no address"), lambda: email_domain("alice@example.com"), lambda: email_domain("a b")]
)
def test_a_rule_that_nobody_can_meet_is_refused(make: Any) -> None:
    with pytest.raises(ConfigurationError):
        make()


@pytest.mark.parametrize(
    ("table", "allowed"),
    [
        ({"email_domain": "example.com"}, True),
        ({"email_domain": ["example.org", "example.com"], "group": "staff"}, True),
        ({"email_domain": "example.com", "group": "board"}, False),
        ({"not": {"group": ["contractors"]}}, True),
        ({"not": {"claim": {"department": "sales"}}}, False),
        ({"any_of": [{"email": "bob@example.com"}, {"all_of": [{"role": "writer"}, {"tenant": "tenant-1"}]}]}, True),
        ({"claim": {"hd": "example.com", "realm_access": {"roles": ["mcp-user", "mcp-admin"]}}}, True),
        ({"claim": {"hd": "example.com", "realm_access": {"roles": "mcp-admin"}}}, False),
    ],
)
def test_a_policy_can_be_written_as_a_table(table: dict[str, Any], allowed: bool) -> None:
    assert (policy_from(table)(ALICE) is True) is allowed


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "table of rules"),
        ("staff", "table of rules"),
        ({"emial": "alice@example.com"}, "emial is no rule. Did you mean email?"),
        ({"group": []}, "groups: nothing is named"),
        ({"group": [1]}, "group is a text or a list of texts"),
        ({"any_of": {"group": "staff"}}, "any_of is a list of tables"),
        ({"any_of": []}, "any_of: nothing is named"),
        ({"claim": "hd"}, "claim is a table"),
        ({"claim": {}}, "claim is a table"),
        ({"not": {}}, "table of rules"),
    ],
)
def test_a_table_that_says_nothing_clear_is_refused(table: object, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        policy_from(table)


@pytest.mark.parametrize(
    ("claims", "account"), [(ALICE, "Alice@Example.com"), ({"sub": "auth0|1"}, "auth0|1"), ({"email": 7}, "")]
)
def test_a_refusal_knows_who_it_was(claims: dict[str, Any], account: str) -> None:
    with pytest.raises(SignInRefused) as caught:
        check_sign_in(no, claims)
    assert caught.value.account == account
    assert not account or account not in str(caught.value)


def test_no_policy_lets_everybody_in() -> None:
    check_sign_in(None, {})
