"""Connections to PostgreSQL, lent for one statement each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg

__all__ = ["connect", "lent", "new_pool", "single"]

_NOT_THIS_ONE: Final = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched)


async def connect(dsn: str | None = None, **settings: Any) -> Any:
    """A connection, as ``asyncpg.connect`` makes it; but one of several hosts that says nothing leaves time for the others.

    A machine that lost its power, or its network, refuses no connection.

    Args:
        dsn: the URL.
        settings: further ones of ``asyncpg.connect``; ``timeout`` is for all hosts together.
    """
    urls = _one_by_one(dsn)
    if len(urls) > 1:
        settings["timeout"] /= len(urls) + 1  # one share is left for the statement
    for url in urls[:-1]:
        try:
            return await asyncpg.connect(url, **settings)
        except _NOT_THIS_ONE:
            continue
    return await asyncpg.connect(urls[-1], **settings)


def _one_by_one(dsn: str | None) -> list[str | None]:
    """A URL for each host; only the one where what is wanted is to be found by comparing them."""
    parts = urlsplit(dsn or "")
    credentials, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts or "prefer-standby" in parts.query:
        return [dsn]
    return [parts._replace(netloc=f"{credentials}{at}{host}").geturl() for host in hosts.split(",")]


async def new_pool(settings: Mapping[str, Any], max_connections: int) -> Any:
    """A pool that opens connections as they are needed, and prepares nothing on them."""
    return await asyncpg.create_pool(
        **settings, connect=connect, min_size=0, max_size=max_connections, statement_cache_size=0, reset=_nothing_to_reset
    )


@asynccontextmanager
async def lent(pool: Any, seconds: float) -> AsyncIterator[Any]:
    """A connection of the pool."""
    connection = await pool.acquire(timeout=seconds)
    try:
        yield connection
    except asyncpg.PostgresError:
        raise
    except BaseException:
        # Otherwise the pool would wait until the server has confirmed that it gave up, which it may never do.
        connection.terminate()
        raise
    finally:
        await pool.release(connection)


@asynccontextmanager
async def single(settings: Mapping[str, Any], seconds: float) -> AsyncIterator[Any]:
    """A connection of no pool.

    Args:
        settings: of ``asyncpg.connect``.
        seconds: that closing it may take.
    """
    connection = await connect(**settings, statement_cache_size=0)
    try:
        yield connection
    finally:
        await connection.close(timeout=seconds)


async def _nothing_to_reset(connection: Any) -> None:
    """In place of the statements by which a pool puts back what a user of a connection changed: each would be one more round trip."""
