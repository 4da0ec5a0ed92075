"""Scopes per tool, resource or prompt, found out before the call reaches the server (MCP runtime insufficient scope)."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from pydantic import AnyUrl, ValidationError

from vestibule import reasons
from vestibule.errors import OAuthError

__all__ = ["Operation", "ToolScopes", "read_operations"]

Operation = tuple[str, str]
"""Kind (``tool``, ``resource``, ``prompt``) and name."""

_OPERATIONS: Final = {
    "tools/call": ("tool", "name"),
    "resources/read": ("resource", "uri"),
    "resources/subscribe": ("resource", "uri"),
    "prompts/get": ("prompt", "name"),
}

_KINDS: Final = ("tool", "resource", "prompt")


class ToolScopes:
    """The scopes that operations need.

    Args:
        patterns: e.g. ``{"delete_*": ["admin"], "resource:secret://*": ["read:secret"], "prompt:audit": ["audit"]}``; a pattern without
            a kind is a tool's. All patterns that fit count.
    """

    def __init__(self, patterns: Mapping[str, Collection[str]] | None = None) -> None:
        self._patterns = [(*_split(pattern), tuple(scopes)) for pattern, scopes in (patterns or {}).items()]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def all_scopes(self) -> tuple[str, ...]:
        """Every scope that any operation needs."""
        return tuple(dict.fromkeys(scope for _, _, scopes in self._patterns for scope in scopes))

    def required(self, operations: Collection[Operation]) -> tuple[str, ...]:
        """All scopes that `operations` need together (SEP-2350: one challenge names them all)."""
        return tuple(dict.fromkeys(scope for operation in operations for scope in self._of(operation)))

    def _of(self, operation: Operation) -> Iterator[str]:
        kind, name = operation
        spellings = _spellings(name) if kind == "resource" else (name,)
        for pattern_kind, pattern, scopes in self._patterns:
            if pattern_kind == kind and any(fnmatchcase(spelling, pattern) for spelling in spellings):
                yield from scopes


def _split(pattern: str) -> tuple[str, str]:
    kind, separator, rest = pattern.partition(":")
    if not separator or kind not in _KINDS:
        return "tool", pattern
    return kind, _with_lower_scheme(rest) if kind == "resource" else rest


def _with_lower_scheme(uri: str) -> str:
    scheme, separator, rest = uri.partition(":")
    return f"{scheme.lower()}:{rest}" if separator else uri


def _spellings(uri: str) -> tuple[str, ...]:
    """A resource's URI as it came, and as a server reads it that repairs URIs before it looks them up (the SDK 1.x does, as URL classes
    of most languages do): spaces around it, capitals in its scheme and host and dot segments must not lead past a pattern."""
    try:
        return uri, str(AnyUrl(uri))
    except ValidationError:
        return (uri,)


def read_operations(body: bytes, method_header: str | None, name_header: str | None) -> tuple[Operation, ...]:
    """What a JSON-RPC body asks for; a batch may ask for several things.

    The body is what the server acts on, so the body counts. The ``Mcp-Method`` and ``Mcp-Name`` headers (2026-07-28) must fit it: a
    server that trusted them instead would do something else than what was checked.

    Raises:
        OAuthError: not JSON, a member twice, or headers that say something else.
    """
    try:
        document = json.loads(body, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise OAuthError("invalid_request", reasons.BODY_UNREADABLE, "the body is not JSON") from error
    messages = document if isinstance(document, list) else [document]
    operations = tuple(found for message in messages if (found := _operation(message)) is not None)
    _headers_fit(messages, operations, method_header, name_header)
    return operations


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Parsers differ in which of two equal members counts; so neither does."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member appears twice")
    return members


def _operation(message: object) -> Operation | None:
    if not isinstance(message, dict):
        return None
    known = _OPERATIONS.get(str(message.get("method")))
    params = message.get("params")
    if known is None:
        return None
    name = params.get(known[1]) if isinstance(params, dict) else None
    return (known[0], name) if isinstance(name, str) else None


def _headers_fit(messages: list[Any], operations: tuple[Operation, ...], method: str | None, name: str | None) -> None:
    methods = {str(message.get("method")) for message in messages if isinstance(message, dict)}
    if method is not None and methods != {method}:
        raise OAuthError("invalid_request", reasons.HEADER_MISMATCH, "Mcp-Method")
    if name is not None and operations and {found for _, found in operations} != {_decoded(name)}:
        raise OAuthError("invalid_request", reasons.HEADER_MISMATCH, "Mcp-Name")


def _decoded(value: str) -> str | None:
    """A header value; one that HTTP could not carry as it is comes as ``=?base64?…?=`` (Streamable HTTP, custom headers)."""
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except ValueError:
        return None
