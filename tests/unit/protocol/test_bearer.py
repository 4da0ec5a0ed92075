"""The bearer scheme, in and out."""

import re

import pytest

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.bearer import MAX_TOKEN_BYTES, challenge, read_bearer


@pytest.mark.parametrize("header", [b"Bearer abc.def-_~+/==", b"bearer abc.def-_~+/==", b" BEARER   abc.def-_~+/==\t"])
def test_reads_the_token_whatever_the_case_of_the_scheme(header: bytes):
    assert read_bearer([header]) == "abc.def-_~+/=="


@pytest.mark.parametrize("headers", [[], [b""], [b"Basic dTpw"], [b"DPoP abc"], [b"Bearerabc"], [b"abc"]])
def test_no_bearer_is_none(headers: list[bytes]):
    assert read_bearer(headers) is None


@pytest.mark.spec("RS-29")
@pytest.mark.parametrize(
    "headers",
    [
        [b"Bearer"],
        [b"Bearer "],
        [b"Bearer a b"],
        [b"Bearer a,b"],
        [b'Bearer "a"'],
        [b"Bearer ="],
        [b"Bearer a=b"],
        [b"Bearer \xc3\xa9"],
        [b"Bearer a\x00"],
        [b"Bearer a\r\nX: y"],
        [b"Bearer a", b"Bearer b"],
        [b"Bearer a", b"Bearer a"],
        [b"Basic dTpw", b"Bearer a"],
        [b"Bearer " + b"a" * (MAX_TOKEN_BYTES + 1)],
    ],
)
def test_a_malformed_header_is_an_invalid_request(headers: list[bytes]):
    with pytest.raises(OAuthError) as caught:
        read_bearer(headers)
    assert (caught.value.error, caught.value.status) == ("invalid_request", 400)
    assert caught.value.reason is reasons.TOKEN_MALFORMED


def test_the_longest_token_is_read():
    token = "a" * MAX_TOKEN_BYTES
    assert read_bearer([f"Bearer {token}".encode()]) == token


def test_the_token_is_not_in_the_error():
    with pytest.raises(OAuthError) as caught:
        read_bearer([b"Bearer s3cret s3cret"])
    assert "s3cret" not in str(caught.value)


def test_a_challenge_without_members_is_the_scheme():
    assert challenge() == "Bearer"


def test_a_whole_challenge():
    assert challenge(
        error="insufficient_scope",
        description="more is needed",
        scopes=("read", "write:all"),
        resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp?a=b",
        realm="mcp",
    ) == (
        'Bearer error="insufficient_scope", error_description="more is needed", scope="read write:all", '
        'resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp?a=b", realm="mcp"'
    )


@pytest.mark.spec("RS-31")
def test_illegal_characters_never_reach_the_header():
    value = challenge(
        error="invalid_token",
        description='say "hi"\\ \r\nSet-Cookie: x=é\x7f',
        scopes=("good", 'b"ad', "b\\ad", "b ad", "bäd", "b\r\nad", ""),
        resource_metadata='https://mcp.example/é"\\\r\n x',
        **{"na me": "dropped", "nothing": None, "empty": "é"},
    )
    assert value == (
        'Bearer error="invalid_token", error_description="say hi Set-Cookie: x=", scope="good", '
        'resource_metadata="https://mcp.example/%C3%A9%22%5C%0D%0A%20x"'
    )
    assert re.fullmatch(r"[\x20-\x7e]+", value)
