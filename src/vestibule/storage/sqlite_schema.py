"""The one table of the SQLite store, and how a file gets it."""

from __future__ import annotations

import sqlite3
from typing import Final

__all__ = ["prepare"]

# In a new file. Of pages of 4 kB each would hold one record and be half empty.
_PAGE_SIZE: Final = "PRAGMA page_size = 8192"
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL,"
    " expires_at REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS records_by_expiry ON records (expires_at)",
)
# The version of the above, in the file's header; 0 is a file of before there were numbers, which has the same tables.
_SCHEMA_VERSION: Final = 1


def prepare(connection: sqlite3.Connection) -> None:
    """Make a connection that was just opened ready for records. A file of a later release is not touched.

    Raises:
        sqlite3.NotSupportedError: the file is one.
        sqlite3.Error: it cannot be read or written.
    """
    _version(connection)
    connection.execute(_PAGE_SIZE)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    _bring_up_to_date(connection)


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Make the table where there is none. Whoever finds the file too old does it, one at a time."""
    if _version(connection) == _SCHEMA_VERSION:
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if _version(connection) < _SCHEMA_VERSION:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    """The version of the file.

    Raises:
        sqlite3.NotSupportedError: it is a later release's.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > _SCHEMA_VERSION:
        raise sqlite3.NotSupportedError("the file is of a later release")
    return version
