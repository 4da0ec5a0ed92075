"""What providers have in common when they name scopes."""

from __future__ import annotations

__all__ = ["without_offline_access"]


def without_offline_access(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """For providers that do not know this scope of OpenID Connect and refuse a sign-in that asks for it."""
    return tuple(scope for scope in scopes if scope != "offline_access")
