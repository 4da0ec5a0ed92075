"""The lease under which one process asks the provider for new tokens, as rules on a grant.

A lease counts until it ends, or longer while nobody else has taken one: what the provider answered is merged by whoever still holds it
(fencing), so that the answer of a process that was only slow counts, and that of one that was overtaken does not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vestibule.grants.model import Grant, Lease

__all__ = ["LEASE_SECONDS", "holds", "is_anothers", "merge", "release", "take", "was_held_up"]

LEASE_SECONDS: Final = 45
"""Longer than the requests of one renewal take together, so that a lease is lost only by a process that died or stood still; shorter
than a client may retry with its old refresh token."""

_FRESH_SECONDS: Final = 10  # a lease that took longer to get is taken anew: its rest may be shorter than the answer takes


def take(grant: Grant, holder: str, now: float) -> Grant:
    """The grant with a lease for `holder`, from `now` on."""
    return replace(grant, lease=Lease(holder=holder, until=now + LEASE_SECONDS))


def release(grant: Grant, holder: str) -> Grant:
    """The grant without the lease of `holder`."""
    return replace(grant, lease=None) if holds(grant, holder) else grant


def holds(grant: Grant, holder: str) -> bool:
    """Whether nobody else has taken a lease since `holder` did."""
    return grant.lease is not None and grant.lease.holder == holder


def is_anothers(grant: Grant, holder: str, now: float) -> bool:
    """Whether somebody else may be asking right now."""
    return grant.lease is not None and grant.lease.holder != holder and grant.lease.until > now


def was_held_up(grant: Grant, holder: str, now: float) -> bool:
    """Whether this process stood still, or the store did, since `holder` took the lease: another may be asking the provider by now, and
    one that sees its refresh token twice ends the session (RFC 9700 §4.14.2)."""
    return grant.lease is not None and holds(grant, holder) and grant.lease.until - now < LEASE_SECONDS - _FRESH_SECONDS


def merge(current: Grant, answer: Grant, holder: str) -> Grant:
    """Take over what the provider answered, unless the grant ended or the lease went to someone else meanwhile."""
    if current.ended or not holds(current, holder) or current.lacks_its_key:
        return current
    scopes = tuple(scope for scope in current.scopes if scope in answer.scopes)
    return replace(current, upstream=answer.upstream, claims=answer.claims, identity=answer.identity, scopes=scopes, lease=None)
