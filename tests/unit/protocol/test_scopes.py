"""Scopes."""

import pytest

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.scopes import ScopeHierarchy, format_scope, parse_scope


@pytest.mark.spec("AZ-14")
@pytest.mark.parametrize("text", [None, "", " ", "   "])
def test_no_value_is_no_scope(text: str | None):
    assert parse_scope(text) == ()


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        ("read", ("read",)),
        ("write read", ("write", "read")),
        (" read  write read ", ("read", "write")),
        (
            "https://www.googleapis.com/auth/drive api://x/y.z !#[]~",
            ("https://www.googleapis.com/auth/drive", "api://x/y.z", "!#[]~"),
        ),
    ],
)
def test_order_is_kept_and_repeats_are_dropped(text: str, scopes: tuple[str, ...]):
    assert parse_scope(text) == scopes
    assert format_scope(text.split()) == " ".join(scopes)


@pytest.mark.spec("AZ-17")
@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\tb", "a\nb", "é", "ok \x7f", "\u00a0"])
def test_illegal_characters_are_an_invalid_scope(text: str):
    with pytest.raises(OAuthError) as caught:
        parse_scope(text)
    assert caught.value.error == "invalid_scope"
    assert caught.value.reason is reasons.SCOPE_INVALID
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


@pytest.mark.spec("RS-21")
def test_a_scope_covers_what_it_implies_through_others():
    hierarchy = ScopeHierarchy({"admin": ["write"], "write": ["read"], "read": ["admin"]})
    assert hierarchy.expand(["admin"]) == {"admin", "write", "read"}
    assert hierarchy.missing(["read", "audit", "write", "audit"], ["admin"]) == ("audit",)


def test_implication_goes_one_way():
    hierarchy = ScopeHierarchy({"admin": ["write"]})
    assert hierarchy.missing(["admin"], ["write"]) == ("admin",)


def test_without_hierarchy_a_scope_is_only_itself():
    assert ScopeHierarchy().missing(["b", "a"], ["a"]) == ("b",)
