"""What users see during each trouble: the table that the tests assert and ``docs/how-to/outages.md`` shows."""

from __future__ import annotations

from typing import Final

GOES_ON: Final = "goes on"
LATER: Final = "503"
ANEW: Final = "signs in anew"

STORE_ACTIONS: Final = {
    "just_verified": "call, token verified within `revocation_delay_seconds`",
    "verified": "call, token verified before that",
    "carried": "the same, within `store_outage_seconds`",
    "unseen": "call, token new to this process",
    "refresh": "refresh",
    "redeem": "code",
    "authorize": "`/authorize`",
    "callback": "callback",
    "revoke": "revoke",
}

_NO_READ: Final = {
    **dict.fromkeys(STORE_ACTIONS, LATER),
    "just_verified": GOES_ON,
    "carried": GOES_ON,
    "authorize": GOES_ON,
}
_NO_WRITE: Final = {**_NO_READ, "verified": GOES_ON, "unseen": GOES_ON}
_LOST: Final = {
    **dict.fromkeys(STORE_ACTIONS, ANEW),
    "just_verified": GOES_ON,
    "authorize": GOES_ON,
    "callback": GOES_ON,
    "revoke": GOES_ON,
}

STORE: Final = {
    "unreachable": _NO_READ,
    "frozen": _NO_READ,
    "read-only": _NO_WRITE,
    "full": _NO_WRITE,
    "restarted empty": _LOST,
    "failed over, what is newer than its copy": _LOST,
}
"""For each trouble of the store, what becomes of each action."""

STORES: Final = {"sqlite": "SQLite", "redis": "Redis", "postgres": "PostgreSQL"}

LOG: Final = {
    "unreachable": {
        "sqlite": "the file cannot be opened",
        "redis": "the server cannot be reached",
        "postgres": "the server cannot be reached",
    },
    "frozen": {
        "sqlite": "another process holds the file",
        "redis": "the server does not answer in time",
        "postgres": "the server does not answer in time",
    },
    "read-only": {
        "sqlite": "the file or its folder cannot be written",
        "redis": "the server is a replica and cannot be written",
        "postgres": "the server is read-only",
    },
    "full": {
        "sqlite": "the disk is full",
        "redis": "the server's memory is full",
        "postgres": "the server's disk is full",
    },
}
"""What the log says of a trouble, by store. One that lost records works, as far as anybody here can tell."""

PROVIDER_ACTIONS: Final = {
    "call": "call",
    "refresh": "refresh",
    "due": "refresh or call, the provider's token has ended",
    "authorize": "`/authorize`, consent",
    "callback": "callback",
}

_NO_ANSWER: Final = {"call": GOES_ON, "refresh": GOES_ON, "due": LATER, "authorize": GOES_ON, "callback": LATER}

PROVIDER: Final = {"unreachable": _NO_ANSWER, "slow": _NO_ANSWER, "answers 5xx": _NO_ANSWER}
"""The same for the provider."""


def table(actions: dict[str, str], troubles: dict[str, dict[str, str]]) -> str:
    """As Markdown: a row for each action, a column for each trouble."""
    lines = [["", *troubles], ["---"] * (len(troubles) + 1)]
    lines += [[text, *(outcomes[action] for outcomes in troubles.values())] for action, text in actions.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace("|  |", "| |", 1)


def log_table() -> str:
    """As Markdown: a row for each trouble, a column for each store."""
    lines = [["", *STORES.values()], ["---"] * (len(STORES) + 1)]
    lines += [[trouble, *(said[store] for store in STORES)] for trouble, said in LOG.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace("|  |", "| |", 1)
