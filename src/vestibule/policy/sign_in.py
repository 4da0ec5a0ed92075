"""The question whether an account may use this server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vestibule.errors import SignInRefused
from vestibule.policy.rules import SignInPolicy

__all__ = ["account_name", "check_sign_in", "not_admitted"]


def check_sign_in(policy: SignInPolicy | None, claims: Mapping[str, Any]) -> None:
    """Ask the policy.

    Raises:
        SignInRefused: naming the account. A policy that raises refuses, too.
    """
    if policy is None:
        return
    try:
        allowed = policy(claims) is True
    except Exception as error:
        raise not_admitted(claims, f"the policy failed: {type(error).__name__}") from error
    if not allowed:
        raise not_admitted(claims)


def not_admitted(claims: Mapping[str, Any], detail: str = "") -> SignInRefused:
    """The refusal of the account that these claims are about."""
    return SignInRefused(account_name(claims), detail, subject=str(claims.get("sub") or ""))


def account_name(claims: Mapping[str, Any]) -> str:
    """What its owner knows an account by, as far as the claims tell."""
    names = (claims.get(name) for name in ("email", "preferred_username", "login", "name", "sub"))
    return next((name for name in names if isinstance(name, str) and name), "")
