"""Properties of redirect URIs, scopes and parameters."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.errors import OAuthError
from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.parameters import parse_parameters
from vestibule.protocol.redirect_uris import AllowedRedirectURIs, check_redirect_uri, find_registered, redirect_uri_matches
from vestibule.protocol.registration import parse_registration
from vestibule.protocol.scopes import ScopeHierarchy, format_scope, parse_scope
from vestibule.protocol.uris import parse_uri

SEGMENT = st.text("abcXYZ019-_~.%2eE", min_size=1, max_size=8)
HOST = st.sampled_from(["localhost", "127.0.0.1", "[::1]", "app.example", "claude.ai", "127.0.0.1.evil.example"])
PORT = st.none() | st.integers(1, 65535)
SCHEME = st.sampled_from(["http", "https"])
SCOPE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\'), min_size=1, max_size=10)
URI_SOUP = st.text("htps:/@.\\%2e?#[]:1aA javscriptdlo\t\n", max_size=40) | st.builds(
    "https://app.example{}".format, st.text(max_size=20)
)
VALUE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in (*range(32), 127)]))


def answer_or_refusal(read: Callable[[Any], Any], value: object) -> Any:
    """What `read` returns, or the refusal that it raises; anything else fails the test."""
    try:
        return read(value)
    except OAuthError as refusal:
        return refusal


def uri(scheme: str, host: str, port: int | None, path: list[str]) -> str:
    return f"{scheme}://{host}{f':{port}' if port else ''}/{'/'.join(path)}"


URIS = st.builds(uri, SCHEME, HOST, PORT, st.lists(SEGMENT, max_size=3))


@pytest.mark.spec("DCR-06")
@given(URI_SOUP | URIS)
def test_what_is_registered_means_the_same_to_every_reader(text: str):
    """Accepted implies: plain ASCII, absolute, and the host that a standard parser sees is the host that was checked."""
    try:
        check_redirect_uri(text)
    except OAuthError:
        return
    parsed, standard = parse_uri(text), urlsplit(text)
    assert parsed is not None
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set(' \\"<>#')
    assert (parsed.host, parsed.port) == (standard.hostname or "", standard.port)
    assert parsed.scheme == standard.scheme
    assert standard.username is None
    assert standard.scheme != "http" or standard.hostname in ("localhost", "127.0.0.1", "::1")


@pytest.mark.spec("AZ-02", "AZ-03", "AZ-04")
@given(URIS, URIS)
def test_two_different_uris_match_only_by_the_port_of_one_loopback_host(registered: str, presented: str):
    matched = redirect_uri_matches(registered, presented)
    assert matched == redirect_uri_matches(presented, registered)
    if not matched or registered == presented:
        return
    one, other = urlsplit(registered), urlsplit(presented)
    assert one.scheme == other.scheme == "http"
    assert one.hostname == other.hostname
    assert one.hostname in ("localhost", "127.0.0.1", "::1")
    assert (one.path, one.query) == (other.path, other.query)


@pytest.mark.spec("AZ-03")
@given(st.sampled_from(["localhost", "127.0.0.1", "[::1]"]), PORT, PORT, st.lists(st.text("abcZ09-_~", min_size=1), max_size=3))
def test_every_port_of_a_loopback_uri_matches(host: str, mine: int | None, theirs: int | None, path: list[str]):
    assert redirect_uri_matches(uri("http", host, mine, path), uri("http", host, theirs, path))


@given(st.lists(URIS, max_size=4), st.none() | URIS | URI_SOUP, st.booleans())
def test_what_is_found_was_presented_or_is_the_only_one(registered: list[str], presented: str | None, spellings: bool):
    found = find_registered(registered, presented, loopback_spellings=spellings)
    if presented is None:
        assert found == (registered[0] if len(registered) == 1 else None)
    else:
        assert found in (None, presented)


@given(URI_SOUP | URIS)
def test_a_host_pattern_admits_only_its_hosts(text: str):
    if AllowedRedirectURIs(["https://*.example/*", "https://app.example"]).admits(text):
        assert urlsplit(text).scheme == "https"
        assert (urlsplit(text).hostname or "").endswith(".example")


@given(st.lists(SCOPE))
def test_scopes_survive_a_round_trip(scopes: list[str]):
    assert parse_scope(format_scope(scopes)) == tuple(dict.fromkeys(scopes))


@given(st.text())
def test_a_scope_is_read_or_refused(text: str):
    outcome = answer_or_refusal(parse_scope, text)
    if isinstance(outcome, OAuthError):
        assert outcome.error == "invalid_scope"
    else:
        assert set(outcome) == {part for part in text.split(" ") if part}


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"))), st.sets(st.sampled_from("abcdef")))
def test_expansion_is_closed_and_covers_itself(implies: dict[str, set[str]], held: set[str]):
    hierarchy = ScopeHierarchy(implies)
    expanded = hierarchy.expand(held)
    assert held <= expanded
    assert hierarchy.expand(expanded) == expanded
    assert all(implies.get(scope, set()) <= expanded for scope in expanded)
    assert hierarchy.missing(expanded, held) == ()


@given(st.dictionaries(VALUE, VALUE, max_size=10))
def test_parameters_survive_a_round_trip(values: dict[str, str]):
    parameters = parse_parameters(urlencode(values).encode())
    assert {name: parameters.get(name) for name in values} == {name: value or None for name, value in values.items()}


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b"a", b"=", b"&", b"%", b"2", b"F", b"+", b"\xc3", b"\xa9"])).map(b"".join)
)
def test_any_bytes_are_read_or_refused(raw: bytes):
    outcome = answer_or_refusal(parse_parameters, raw)
    if isinstance(outcome, OAuthError):
        assert (outcome.error, outcome.status) == ("invalid_request", 400)
    else:
        assert all(name.isprintable() or not name.isascii() for name in outcome)


@pytest.mark.spec("AZ-13", "TK-14")
@given(st.lists(VALUE, min_size=2, max_size=4))
def test_a_repeated_parameter_is_never_read_as_one(values: list[str]):
    parameters = parse_parameters("&".join(f"state={quote_plus(value)}" for value in values).encode())
    with pytest.raises(OAuthError):
        parameters.get("state")
    with pytest.raises(OAuthError):
        parameters.check_no_repeats()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
MEMBERS = st.sampled_from(sorted(ClientMetadata.__dataclass_fields__))


@given(st.dictionaries(MEMBERS, JSON | st.dictionaries(st.text(max_size=5), JSON, max_size=3)), st.booleans())
def test_any_registration_is_read_or_refused(members: dict[str, object], valid_uris: bool):
    """Never another exception; and what was registered comes back from its own record."""
    document = {**members, "redirect_uris": ["https://app.example/cb"]} if valid_uris else members
    outcome = answer_or_refusal(parse_registration, document)
    if isinstance(outcome, OAuthError):
        assert outcome.error in ("invalid_client_metadata", "invalid_redirect_uri")
    else:
        assert ClientMetadata.from_dict(outcome.as_dict()) == outcome
        assert all(value not in (None, [], "", {}) for value in outcome.as_dict().values())
