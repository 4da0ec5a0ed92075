"""Resource indicators."""

import pytest

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.resource_indicators import check_resource, choose_resource, same_resource

OURS = "https://mcp.example/mcp"


@pytest.mark.spec("AZ-18")
@pytest.mark.parametrize(
    "value",
    ["", "mcp", "/mcp", "//mcp.example/mcp", OURS + "#", OURS + "#x", "https://u@mcp.example/mcp", "https://é.example", "a b"],
)
def test_what_is_no_resource(value: str):
    with pytest.raises(OAuthError) as caught:
        check_resource(value)
    assert caught.value.error == "invalid_target"
    assert caught.value.reason is reasons.RESOURCE_INVALID


def test_a_resource_comes_back_as_it_was():
    assert check_resource(OURS + "?tenant=1") == OURS + "?tenant=1"


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (OURS, OURS, True),
        ("https://mcp.example", "https://mcp.example/", True),
        ("https://mcp.example:8443/", "https://mcp.example:8443", True),
        (OURS, OURS + "/", False),
        (OURS, "https://mcp.example/MCP", False),
        (OURS, "https://MCP.example/mcp", False),
        (OURS, "https://mcp.example", False),
        ("https://mcp.example", "https://mcp.example//", False),
        ("https://mcp.example", "https://mcp.example/?", False),
        ("https://mcp.example", "http://mcp.example/", False),
        ("https://mcp.example", "https://mcp.example:443", False),
        ("app:", "app:/", False),
    ],
)
def test_only_the_slash_of_a_bare_host_does_not_count(a: str, b: str, same: bool):
    assert same_resource(a, b) is same
    assert same_resource(b, a) is same


def test_no_value_chooses_nothing():
    assert choose_resource((), [OURS]) is None


def test_the_served_spelling_is_chosen():
    assert choose_resource(["https://mcp.example/"], ["https://mcp.example"]) == "https://mcp.example"
    assert choose_resource([OURS, OURS], ["https://mcp.example", OURS]) == OURS


@pytest.mark.spec("AZ-18", "AZ-19")
@pytest.mark.parametrize(
    "values",
    [
        ["https://other.example/mcp"],
        [OURS, "https://other.example/mcp"],
        ["https://other.example/mcp", OURS],
        [OURS, "relative"],
        [OURS, "https://mcp.example/two"],
    ],
)
def test_every_value_is_looked_at(values: list[str]):
    with pytest.raises(OAuthError) as caught:
        choose_resource(values, [OURS, "https://mcp.example/two"])
    assert caught.value.error == "invalid_target"


def test_a_mismatch_names_both_values():
    with pytest.raises(OAuthError, match=r"other\.example/mcp.*mcp\.example/mcp"):
        choose_resource(["https://other.example/mcp"], [OURS])
