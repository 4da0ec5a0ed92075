"""JSON objects (RFC 8259), read so that nobody else can read them differently.

Repeated members, NaN and Infinity, numbers beyond a double's range, lone surrogates and bottomless nesting are refused: two
readers that disagree on one of these can be played off against each other.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

__all__ = ["read_object"]


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`.

    Raises:
        ValueError: it is no JSON object, or an ambiguous one.
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        if b"\\u" in data:
            _refuse_lone_surrogates(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not a JSON value")


def _refuse_lone_surrogates(value: object) -> None:
    json.dumps(value, ensure_ascii=False).encode("utf-8")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_members, parse_float=_finite, parse_constant=_refuse_constant)
