"""Scopes: their syntax (RFC 6749 §3.3) and which of them imply others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from vestibule import reasons
from vestibule.errors import OAuthError

__all__ = ["ScopeHierarchy", "format_scope", "parse_scope"]

_SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


def parse_scope(text: str | None) -> tuple[str, ...]:
    """The scopes of a ``scope`` value, each once, in the order they came.

    None and the empty text are no scopes (RFC 6749 §3.1: without a value is as if omitted).

    Raises:
        OAuthError: ``invalid_scope``, for a character that no scope may have.
    """
    scopes = tuple(dict.fromkeys(part for part in (text or "").split(" ") if part))
    for scope in scopes:
        if _SCOPE_TOKEN.fullmatch(scope) is None:
            raise OAuthError("invalid_scope", reasons.SCOPE_INVALID, f"illegal character in scope {scope[:80]!a}")
    return scopes


def format_scope(scopes: Iterable[str]) -> str:
    """The ``scope`` value of `scopes`: each once, in the given order, separated by one space."""
    return " ".join(dict.fromkeys(scopes))


class ScopeHierarchy:
    """Which scopes include others, e.g. ``{"admin": ["write"], "write": ["read"]}``.

    Implication is transitive; circles are harmless.
    """

    def __init__(self, implies: Mapping[str, Collection[str]] | None = None) -> None:
        self._implies = {scope: frozenset(implied) for scope, implied in (implies or {}).items()}

    def expand(self, scopes: Iterable[str]) -> frozenset[str]:
        """`scopes` and everything that they imply."""
        if not self._implies:
            return frozenset(scopes)
        found: set[str] = set()
        waiting = list(scopes)
        while waiting:
            scope = waiting.pop()
            if scope not in found:
                found.add(scope)
                waiting.extend(self._implies.get(scope, ()))
        return frozenset(found)

    def missing(self, required: Iterable[str], held: Iterable[str]) -> tuple[str, ...]:
        """Those of `required` that `held` does not cover, in the order of `required`."""
        covered = self.expand(held)
        return tuple(scope for scope in dict.fromkeys(required) if scope not in covered)
