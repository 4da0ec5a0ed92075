"""What PostgreSQL's errors mean for a store: what the log says, and whether a statement may be run again."""

from __future__ import annotations

import re
from typing import Final

import asyncpg

from vestibule.storage.postgres_schema import SchemaTooNew, SchemaTooOld
from vestibule.storage.remote import network_trouble

__all__ = ["FAILURES", "may_repeat", "trouble"]

_BROKEN: Final = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
FAILURES: Final = (asyncpg.PostgresError, *_BROKEN, SchemaTooNew, SchemaTooOld, TimeoutError)
# The server says that it did nothing, because of what others did at the same time, or because it was started anew and empty.
_NOT_DONE: Final = (asyncpg.TransactionRollbackError, asyncpg.UndefinedTableError)
_TROUBLE: Final[tuple[tuple[type[Exception], str], ...]] = (
    (asyncpg.ReadOnlySQLTransactionError, "the server is read-only"),
    (asyncpg.DiskFullError, "the server's disk is full"),
    (asyncpg.InsufficientPrivilegeError, "the role may not do what is needed: select, insert, update and delete on the table"),
    (asyncpg.InvalidAuthorizationSpecificationError, "the server refuses the credentials"),
    (asyncpg.InvalidCatalogNameError, "the database does not exist"),
    (asyncpg.TooManyConnectionsError, "the server has no connection left"),
    (asyncpg.CannotConnectNowError, "the server is starting or stopping"),
    (asyncpg.QueryCanceledError, "the server does not answer in time"),
    (TimeoutError, "the server does not answer in time"),
    (OSError, "the server cannot be reached"),
    *((kind, "the connection broke") for kind in _BROKEN),
)
_NO_TLS: Final = "rejected SSL upgrade"
# What is no option of asyncpg is given to the server, or to the pooler, as a setting. Said in English, which most servers speak.
_UNKNOWN_SETTING: Final = re.compile(r"(?:configuration|startup) parameter:? \"?(\w{1,63})")


def may_repeat(error: Exception, is_read: bool) -> bool:
    """Whether the statement did nothing, or only reads and can be asked again."""
    if isinstance(error, TimeoutError):  # it is an OSError, too, but the time is over
        return False
    if isinstance(error, asyncpg.StatementCompletionUnknownError):  # it may have been done, although it counts as a rollback
        return is_read
    return isinstance(error, _NOT_DONE) or (is_read and isinstance(error, _BROKEN))


def trouble(error: BaseException) -> str:
    """In words; no credentials."""
    if isinstance(error, SchemaTooNew | SchemaTooOld):
        return str(error)
    said = str(error.args[0]) if error.args else ""  # str() of some errors of asyncpg fails
    unknown = _UNKNOWN_SETTING.search(said) if isinstance(error, asyncpg.PostgresError) else None
    if unknown is not None:
        return f"the server knows no setting {unknown[1]}, which the URL names"
    if isinstance(error, asyncpg.ClientConfigurationError):
        return f"the options of the connection cannot be used: {said}"
    if _NO_TLS in said:
        return "the server offers no TLS, which sslmode asks for"
    told = network_trouble(error)
    return told or next(
        (text for kind, text in _TROUBLE if isinstance(error, kind)), f"the server reports {type(error).__name__}"
    )
