"""Request parameters."""

import pytest

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.protocol.parameters import MAX_REQUEST_BYTES, Parameters, parse_parameters


def test_reads_names_and_values():
    parameters = parse_parameters(b"client_id=a%3Ab&state=x+y%20z%C3%A9&redirect_uri=https%3A%2F%2Fapp.example%2F%3Fq%3D1")
    assert parameters.get("client_id") == "a:b"
    assert parameters.get("state") == "x y zé"
    assert parameters.require("redirect_uri") == "https://app.example/?q=1"
    assert list(parameters) == ["client_id", "state", "redirect_uri"]
    assert len(parameters) == 3


@pytest.mark.spec("AZ-16")
def test_odd_characters_of_a_state_survive():
    assert parse_parameters(b"state=%7B%22a%22%3A%22%26%3D%2B%25%23%3B%22%7D").get("state") == '{"a":"&=+%#;"}'


@pytest.mark.spec("AZ-14")
@pytest.mark.parametrize("raw", [b"", b"scope=", b"scope", b"&&", b"other=1"])
def test_an_empty_value_is_an_absent_one(raw: bytes):
    parameters = parse_parameters(raw)
    assert parameters.get("scope") is None
    assert parameters.all("scope") == ()
    assert "scope" not in parameters


@pytest.mark.spec("TK-13")
@pytest.mark.parametrize("raw", [b"", b"code="])
def test_a_required_one_that_is_missing(raw: bytes):
    with pytest.raises(OAuthError, match="code is missing") as caught:
        parse_parameters(raw).require("code")
    assert (caught.value.error, caught.value.reason) == ("invalid_request", reasons.PARAMETER_MISSING)


@pytest.mark.spec("AZ-13", "TK-14")
@pytest.mark.parametrize("raw", [b"a=1&scope=x&scope=y", b"a=1&scope=x&scope=x", b"a=1&scope=x&scope=", b"a=1&scope&%73cope=x"])
def test_a_repeated_one_is_an_error_where_it_is_asked_for(raw: bytes):
    parameters = parse_parameters(raw)
    assert parameters.get("a") == "1"
    for ask in (lambda: parameters.get("scope"), lambda: parameters.require("scope"), parameters.check_no_repeats):
        with pytest.raises(OAuthError) as caught:
            ask()
        assert (caught.value.error, caught.value.status) == ("invalid_request", 400)
        assert caught.value.reason is reasons.PARAMETER_REPEATED


@pytest.mark.spec("AZ-15")
def test_unknown_ones_do_no_harm_once():
    assert parse_parameters(b"foo=bar&client_id=x").check_no_repeats() is None
    with pytest.raises(OAuthError, match="foo"):
        parse_parameters(b"foo=1&foo=2").check_no_repeats()


@pytest.mark.spec("AZ-19")
def test_resource_may_be_repeated_but_not_read_as_one():
    parameters = parse_parameters(b"resource=https%3A%2F%2Fa.example&resource=https%3A%2F%2Fb.example")
    assert parameters.check_no_repeats() is None
    assert parameters.all("resource") == ("https://a.example", "https://b.example")
    with pytest.raises(OAuthError):
        parameters.get("resource")


@pytest.mark.spec("TK-27")
@pytest.mark.parametrize(
    "raw",
    [
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"%=a",
        b"a=%ff",
        b"a=\xff",
        b"a=%00",
        b"a=\x00",
        b"a%00=1",
        b"a=%0d%0a",
        b"a=%7f",
        b"a=%C0%80",
        b"a=%ED%A0%80",
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(raw: bytes):
    with pytest.raises(OAuthError) as caught:
        parse_parameters(raw)
    assert (caught.value.error, caught.value.status) == ("invalid_request", 400)
    assert caught.value.reason is reasons.REQUEST_MALFORMED


def test_too_long_and_too_many():
    assert parse_parameters(b"a=" + b"x" * (MAX_REQUEST_BYTES - 2)).get("a")
    with pytest.raises(OAuthError) as caught:
        parse_parameters(b"a=" + b"x" * (MAX_REQUEST_BYTES - 1))
    assert (caught.value.status, caught.value.reason) == (413, reasons.REQUEST_TOO_LARGE)
    with pytest.raises(OAuthError) as caught:
        parse_parameters(b"&".join(b"p%d=1" % n for n in range(201)))
    assert caught.value.status == 400


def test_values_are_not_in_the_repr():
    assert repr(Parameters([("code", "s3cret"), ("b", "s3cret")])) == "Parameters(b, code)"
