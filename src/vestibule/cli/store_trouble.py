"""A store that does not work, in a line: which, what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vestibule.errors import Unavailable
from vestibule.storage.protocol import Store

__all__ = ["REMEDIES", "told_trouble"]

_ADDRESS: Final = "does it run, and may this machine connect to that host and port?"
_CREDENTIALS: Final = "set the right user and password in the URL, reserved characters percent-encoded"
_LATER: Final = "try again in a moment"
_PRIMARY: Final = "name the server that can be written"
_ROOM: Final = "make room there"

REMEDIES: Final[Mapping[str, str]] = {
    "the server cannot be reached": _ADDRESS,
    "no server of the cluster can be reached": _ADDRESS,
    "the connection broke": _ADDRESS,
    "the server does not answer in time": "is something in between that swallows what is sent, or is it overloaded?",
    "the name of the host cannot be resolved": "correct it in the URL, or see to the DNS of this machine",
    "the certificate of the server is not trusted": "name the authority that issued it, by sslrootcert or ssl_ca_certs in the URL",
    "no connection with TLS can be made": "does it speak TLS at this port?",
    "the server offers no TLS, which sslmode asks for": "switch TLS on there",
    "the server refuses the credentials": _CREDENTIALS,
    "the database does not exist": "create it, or correct its name in the URL",
    "the role may not do what is needed: select, insert, update and delete on the table": (
        "grant that; a table that is not there yet is made by another role with vestibule storage init --url"
    ),
    "the server is read-only": _PRIMARY,
    "the server is a replica and cannot be written": _PRIMARY,
    "the server is a replica without its master": _PRIMARY,
    "the server is starting": _LATER,
    "the server is starting or stopping": _LATER,
    "another process holds the file": _LATER,
    "the server has no connection left": "raise its limit, or put a pooler in front",
    "the server's disk is full": _ROOM,
    "the server's memory is full": _ROOM,
    "the disk is full": _ROOM,
    "the server cannot write to its disk": "its own log says why",
    "the file cannot be opened": "may this user read and write it and its folder?",
    "the file or its folder cannot be written": "may this user write both? SQLite keeps files beside it",
}
"""What to do about the troubles of stores. Others say it themselves."""


def told_trouble(store: Store, trouble: Unavailable) -> str:
    """The line; no credentials."""
    said = "; ".join(filter(None, (trouble.detail, REMEDIES.get(trouble.detail))))
    return f"{store!r}: {said}{'' if said.endswith('?') else '.'}"
