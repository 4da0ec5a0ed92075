"""Connections to PostgreSQL, lent for one statement each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

__all__ = ["lent", "new_pool", "single"]


async def new_pool(settings: Mapping[str, Any], max_connections: int) -> Any:
    """A pool that opens connections as they are needed, and prepares nothing on them."""
    return await asyncpg.create_pool(
        **settings, min_size=0, max_size=max_connections, statement_cache_size=0, reset=_nothing_to_reset
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
    connection = await asyncpg.connect(**settings, statement_cache_size=0)
    try:
        yield connection
    finally:
        await connection.close(timeout=seconds)


async def _nothing_to_reset(connection: Any) -> None:
    """In place of the statements by which a pool puts back what a user of a connection changed: each would be one more round trip."""
