"""Who may sign in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vestibule import reasons
from vestibule.errors import UpstreamRefused

__all__ = ["SignInPolicy", "check_sign_in", "policy_from"]

SignInPolicy = Callable[[Mapping[str, Any]], bool]
"""Takes the upstream identity's claims and says whether this account may use the server. Asked at sign-in and at every refresh."""


def check_sign_in(policy: SignInPolicy | None, claims: Mapping[str, Any]) -> None:
    """Ask the policy.

    Raises:
        UpstreamRefused: with reason ``sign_in_refused``. A policy that raises refuses, too.
    """
    if policy is None:
        return
    try:
        allowed = policy(claims) is True
    except Exception as error:
        raise UpstreamRefused(reasons.SIGN_IN_REFUSED, f"the policy failed: {type(error).__name__}") from error
    if not allowed:
        raise UpstreamRefused(reasons.SIGN_IN_REFUSED)


def policy_from(rules: object) -> SignInPolicy:
    """The policy that a table describes."""
    raise ValueError("not understood")
