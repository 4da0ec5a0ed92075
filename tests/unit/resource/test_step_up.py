"""Which operations a JSON-RPC body asks for, and which scopes they need."""

from __future__ import annotations

import base64
import json

import pytest

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.resource.step_up import ToolScopes, read_operations


def body(method: str, **params: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


@pytest.mark.parametrize(
    ("message", "operation"),
    [
        (body("tools/call", name="wipe"), ("tool", "wipe")),
        (body("resources/read", uri="secret://x"), ("resource", "secret://x")),
        (body("resources/subscribe", uri="secret://x"), ("resource", "secret://x")),
        (body("prompts/get", name="ask"), ("prompt", "ask")),
        (b'{"method":"tools\\/call","params":{"name":"w\\u0069pe"}}', ("tool", "wipe")),
    ],
)
def test_an_operation_is_read_from_the_body(message: bytes, operation: tuple[str, str]) -> None:
    assert read_operations(message, None, None) == (operation,)


@pytest.mark.parametrize("message", [body("initialize"), body("tools/list"), b"[]", b"1", b'"x"', b'{"method":1,"params":2}'])
def test_everything_else_asks_for_nothing(message: bytes) -> None:
    assert read_operations(message, None, None) == ()


def test_a_batch_asks_for_all_of_it() -> None:
    batch = b"[" + body("tools/call", name="a") + b"," + body("prompts/get", name="b") + b"]"
    assert read_operations(batch, None, None) == (("tool", "a"), ("prompt", "b"))


@pytest.mark.parametrize(
    "message",
    [b"", b"{", b"[" * 100_000, b'{"method":"tools/call","params":{"name":"harmless","name":"wipe"}}', b"\xff"],
    ids=["empty", "cut off", "deep", "twice", "not text"],
)
def test_what_parsers_may_read_in_two_ways_is_refused(message: bytes) -> None:
    with pytest.raises(OAuthError) as refused:
        read_operations(message, None, None)
    assert refused.value.reason is reasons.BODY_UNREADABLE


@pytest.mark.parametrize(
    ("method", "name"),
    [("tools/list", None), ("tools/call", "harmless"), (None, "harmless"), ("tools/call", "=?base64?!!?="), ("", None)],
)
def test_headers_that_say_something_else_are_refused(method: str | None, name: str | None) -> None:
    with pytest.raises(OAuthError) as refused:
        read_operations(body("tools/call", name="wipe"), method, name)
    assert refused.value.reason is reasons.HEADER_MISMATCH


@pytest.mark.parametrize("name", ["wipe", "löschen", " padded "])
def test_headers_that_say_the_same_are_fine_also_encoded(name: str) -> None:
    encoded = f"=?base64?{base64.b64encode(name.encode()).decode()}?="
    assert read_operations(body("tools/call", name=name), "tools/call", encoded) == (("tool", name),)


def test_all_patterns_that_fit_count_and_only_those_of_the_kind() -> None:
    scopes = ToolScopes({"delete_*": ["admin"], "*_all": ["bulk"], "resource:secret://*": ["secret"], "prompt:*": ["ask"]})
    assert scopes.required([("tool", "delete_all")]) == ("admin", "bulk")
    assert scopes.required([("resource", "delete_all")]) == ()
    assert scopes.required([("resource", "secret://a/b"), ("prompt", "p")]) == ("secret", "ask")
    assert scopes.required([("tool", "Delete_one")]) == ()
