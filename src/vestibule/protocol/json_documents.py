"""JSON objects as the protocol's documents need them: read strictly, written without empty members."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, NoReturn

__all__ = ["known_members", "read_json_object", "unknown_members", "without_empty"]

_NAMES: Final[dict[type[Any], dict[str, None]]] = {}


def read_json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`.

    Raises:
        ValueError: it is not UTF-8, not JSON (NaN and Infinity are not, RFC 8259 §6), not an object, nested too deeply, or has a
            member twice: two readers could then see two different documents (RFC 8259 §4).
    """
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member appears twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def known_members(record: type[Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The members of `document` that the dataclass `record` has a field for.

    What we wrote ourselves may be of a later version: during an update old and new processes share a store and each other's browsers.
    """
    return {name: document[name] for name in _names(record) if name in document}


def unknown_members(record: type[Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The members of `document` that :func:`known_members` leaves out, so that who changes a record need not lose them."""
    known = _names(record)
    return {name: value for name, value in document.items() if name not in known}


def _names(record: type[Any]) -> dict[str, None]:
    """Of the fields; looked at once for each of the few types that there are."""
    if record not in _NAMES:
        _NAMES[record] = dict.fromkeys(each.name for each in fields(record))
    return _NAMES[record]


def without_empty(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` without null, ``""``, ``[]`` and ``{}`` members: metadata leaves them out (RFC 8414 §3.2, RFC 9728 §3.2).

    Some clients refuse a whole document because of one null.
    """
    return {name: value for name, value in document.items() if value is not None and value not in ("", (), [], {})}
