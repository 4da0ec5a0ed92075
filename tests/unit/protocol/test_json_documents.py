"""JSON objects."""

import pytest

from vestibule.protocol.json_documents import read_json_object, without_empty


def test_reads_an_object():
    assert read_json_object('{"a": [1, "é", null, true]}'.encode()) == {"a": [1, "é", None, True]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"a"',
        b"null",
        b"{",
        b"{}{}",
        b'{"a": 1, "a": 2}',
        b'{"x": {"a": 1, "a": 1}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\xff"}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_none(body: bytes):
    with pytest.raises(ValueError):  # noqa: PT011 - the kind of fault is for people
        read_json_object(body)


def test_false_and_zero_are_not_empty():
    assert without_empty({"a": None, "b": [], "c": {}, "d": "", "e": (), "f": False, "g": 0}) == {"f": False, "g": 0}
