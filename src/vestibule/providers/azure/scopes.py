"""Scopes as Entra ID writes them: with the API they belong to on the wire, and without it in a token's ``scp``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["OIDC_SCOPES", "ScopeNames"]

OIDC_SCOPES: Final = frozenset({"openid", "profile", "email", "offline_access"})
"""Scopes of no API. They may go beside those of any one API."""


@dataclass(frozen=True, slots=True)
class ScopeNames:
    """The scopes of one API.

    Attributes:
        identifier_uri: its Application ID URI.
    """

    identifier_uri: str

    def long(self, scope: str) -> str:
        """As it is asked for: OpenID scopes and full URIs stay, the rest is prefixed."""
        if scope in OIDC_SCOPES or "://" in scope:
            return scope
        return f"{self.identifier_uri}/{scope}"

    def short(self, scope: str) -> str:
        """As it stands in ``scp``: without the API. One app registration may have several Application ID URIs."""
        own = f"{self.identifier_uri}/"
        if scope.startswith(own):
            return scope.removeprefix(own)
        return scope.rpartition("/")[2] if "://" in scope else scope

    def all_long(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Each as it is asked for, once."""
        return tuple(dict.fromkeys(self.long(scope) for scope in scopes))

    def all_short(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Each as it stands in a token, once."""
        return tuple(dict.fromkeys(self.short(scope) for scope in scopes))
