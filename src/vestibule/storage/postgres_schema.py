"""The one table of the PostgreSQL store, and how it gets from one version to the next.

Its version is in the table's comment. Whoever finds it too old brings it up to date, one at a time: an advisory lock that ends with
the transaction, so that it also holds behind a pooler.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final

import asyncpg

__all__ = ["SCHEMA_VERSION", "TABLE", "SchemaTooNew", "SchemaTooOld", "checked_table", "is_up_to_date", "migrate"]

_log = logging.getLogger("vestibule.storage")

TABLE: Final = "vestibule_records"

# One entry for each version, never changed once released. "C" compares bytes, so that the key's index also serves a search by
# prefix. Every record ends, so the index on that leaves none out; a quarter of each page is left for the replacements of its rows.
_MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        'CREATE TABLE {table} (key text COLLATE "C" PRIMARY KEY, value bytea NOT NULL, version bigint NOT NULL,'
        " expires_at double precision NOT NULL) WITH (fillfactor = 75)",
        "CREATE INDEX {name}_by_expiry ON {table} (expires_at)",
    ),
)
SCHEMA_VERSION: Final = len(_MIGRATIONS)

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('vestibule'), hashtext($1))"
# To read pg_class makes the server look at what others have just committed; to_regclass alone may answer from its memory.
_COMMENT: Final = "SELECT obj_description(oid, 'pg_class') AS comment FROM pg_class WHERE oid = to_regclass($1)"
_MARK: Final = "vestibule schema "
_NAME: Final = re.compile(r"(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,48}")


class SchemaTooNew(Exception):
    """A newer release has changed the table; this one must not write to it."""


class SchemaTooOld(Exception):
    """There is no table, or one of an earlier release, and the role may not change that."""


def checked_table(table: str) -> str:
    """`table`, if it is a name, perhaps with a schema, that needs no quotes.

    Raises:
        ValueError: it is not.
    """
    if not _NAME.fullmatch(table):
        raise ValueError(f"{table[:60]!r} is no table name of lower-case letters, digits and underscores")
    return table


async def is_up_to_date(connection: Any, table: str) -> bool:
    """Whether the table is there, and as this release has it. It is only looked at.

    Raises:
        SchemaTooNew, asyncpg.PostgresError: as :func:`migrate`.
    """
    return await _version(connection, table) == SCHEMA_VERSION


async def migrate(connection: Any, table: str) -> bool:
    """Create the table or bring it up to date, and tell whether there was anything to do.

    A table that is up to date is only looked at: that needs no right to change it.

    Args:
        connection: of ``asyncpg``.
        table: its checked name.

    Raises:
        SchemaTooNew, SchemaTooOld: see there.
        asyncpg.PostgresError: the server refuses.
    """
    if await is_up_to_date(connection, table):
        return False
    try:
        version = await _bring_up_to_date(connection, table)
    except asyncpg.InsufficientPrivilegeError as error:
        raise SchemaTooOld(
            f"the table {table} is not there or not up to date, and the role may not change that: use one that may, once, with"
            " vestibule storage init"
        ) from error
    if version < SCHEMA_VERSION:
        _log.info("the table %s was brought from version %d to %d", table, version, SCHEMA_VERSION)
    return version < SCHEMA_VERSION


async def _bring_up_to_date(connection: Any, table: str) -> int:
    """One process at a time; gives the version that the table had."""
    async with connection.transaction():
        await connection.execute(_LOCK, table)
        version = await _version(connection, table)
        for number in range(version, SCHEMA_VERSION):
            for statement in _MIGRATIONS[number]:
                await connection.execute(statement.format(table=table, name=table.rpartition(".")[2]))
        await connection.execute(f"COMMENT ON TABLE {table} IS '{_MARK}{SCHEMA_VERSION}'")
    return version


async def _version(connection: Any, table: str) -> int:
    """0 where there is no table."""
    found = await connection.fetchrow(_COMMENT, table)
    if found is None:
        return 0
    mark, _, number = (found["comment"] or "").rpartition(" ")
    version = int(number) if f"{mark} " == _MARK and number.isdecimal() else None
    if version is None or version > SCHEMA_VERSION:
        raise SchemaTooNew(f"the table {table} is of a newer release, or not of Vestibule")
    return version
