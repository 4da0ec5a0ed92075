"""The short form of the soak: each store, with the clock four times as fast, so that the windows of a minute fit into seconds.

And the proof that it can fail: with each flaw that it is made to find, it does.
"""

from __future__ import annotations

import os

import pytest
from tests.scale.deployment import Plan
from tests.scale.run import run
from tests.scale.stores import KINDS

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="needs fork and kill -9"), pytest.mark.timeout(300)]

HAPPENED = (
    "sign-ins",
    "calls",
    "refreshes",
    "refreshes tried again",
    "refreshes at two places",
    "codes posted twice",
    "revocations",
    "answers lost",
    "kills",
    "store outages",
    "keys that came",
    "upstream renewals",
    "sessions alive at the end",
    "sessions ended",
)


@pytest.mark.spec("TK-11", "RF-08", "RF-03", "RV-05", "PX-13", "RS-30")
@pytest.mark.parametrize("store", KINDS)
def test_whatever_dies_no_token_is_redeemed_twice_and_no_session_is_lost(store):
    report = run(Plan(store=store, seconds=12, users=60, pace=4, seed=4))
    assert report.complaints == []
    assert [name for name in HAPPENED if not report.counts[name]] == []


@pytest.mark.parametrize(("flaw", "found"), [
    ("careless", "redeemed twice"),
    ("forgetful", "a living session was lost"),
    ("broken", "without Retry-After"),
    ("deaf", "after the session had ended"),
])  # fmt: skip
def test_a_server_with_a_flaw_is_found_out(flaw, found):
    """A short time for a revocation to spread, and tokens that live longer: the dead ones are not to be refused for their age."""
    lives = {"revocation_delay": 1, "access_token_seconds": 120, "upstream_token_seconds": 60 if flaw == "deaf" else 10}
    report = run(Plan(store="sqlite", seconds=3, users=30, pace=4, flaw=flaw, chaos=False, **lives))
    assert [complaint for complaint in report.complaints if found in complaint]
