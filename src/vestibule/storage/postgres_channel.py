"""Announcements over LISTEN and NOTIFY of PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from vestibule.errors import Unavailable
from vestibule.storage.announcements import Ear, NotHeard
from vestibule.storage.postgres_pool import connect

__all__ = ["PostgresChannel", "part_listen_url"]

_NOTIFY: Final = "SELECT pg_notify($1, $2)"
_ADDRESS: Final = ("host", "port", "user", "password", "passfile", "database")
_MOST_WAITING = 10_000  # announcements that have come and were not looked at


class PostgresChannel:
    """A :class:`~vestibule.storage.announcements.Channel`. What is announced is no part of any transaction of the store.

    Args:
        of: table and prefix of the store: those who share them share the channel.
        execute: runs a statement on a connection of the store's pool, and again if that was broken.
        settings: of ``asyncpg.connect``, for the connection that listens.
        listen_url: where it goes, if not to where the others go.
        timeout: seconds that it may take to connect.
        trouble: what the log says of an error that any statement may meet.
    """

    def __init__(
        self,
        of: str,
        execute: Callable[..., Awaitable[object]],
        settings: dict[str, Any],
        listen_url: str | None,
        timeout: float,
        trouble: Callable[[BaseException], str],
    ) -> None:
        # A name has at most 63 bytes, and a table with its schema and a prefix may have more.
        self._name = f"vestibule_{hashlib.sha256(of.encode()).hexdigest()[:32]}"
        self._execute = execute
        self._settings = settings if listen_url is None else _elsewhere(settings, listen_url)
        self._timeout = timeout
        self._trouble = trouble

    async def say(self, text: str) -> None:
        """See :meth:`~vestibule.storage.announcements.Channel.say`."""
        await self._execute(_NOTIFY, self._name, text)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ear]:
        """See :meth:`~vestibule.storage.announcements.Channel.open`."""
        waiting: asyncio.Queue[str | None] = asyncio.Queue(_MOST_WAITING)
        async with asyncio.timeout(self._timeout):
            connection = await connect(**self._settings, statement_cache_size=0)
        try:
            async with asyncio.timeout(self._timeout):
                await connection.add_listener(self._name, lambda *heard: _put(waiting, heard[-1]))
            connection.add_termination_listener(lambda _: _put(waiting, None))
            yield lambda seconds: _next(waiting, seconds)
        finally:
            with suppress(Exception):
                await connection.close(timeout=1)

    def trouble(self, error: Exception) -> str:
        """See :meth:`~vestibule.storage.announcements.Channel.trouble`."""
        if isinstance(error, NotHeard):
            return "what is notified does not arrive: behind a pooler in transaction mode, listen_url has to name the server itself"
        return error.detail if isinstance(error, Unavailable) else self._trouble(error)


def part_listen_url(url: str | None) -> tuple[str | None, str | None]:
    """A URL without its ``listen_url``, which is ours and no setting of the server, and that one, if there is any."""
    parts = urlsplit(url or "")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    listen_url = query.pop("listen_url", None)
    return (url, None) if listen_url is None else (parts._replace(query=urlencode(query)).geturl(), listen_url)


def _elsewhere(settings: dict[str, Any], url: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _ADDRESS} | {"dsn": url}


def _put(waiting: asyncio.Queue[str | None], announced: str | None) -> None:
    if waiting.full():  # nobody can keep up with these: begin anew, and count all as missed
        while not waiting.empty():
            waiting.get_nowait()
        announced = None
    waiting.put_nowait(announced)


async def _next(waiting: asyncio.Queue[str | None], seconds: float) -> str | None:
    try:
        async with asyncio.timeout(seconds):
            announced = await waiting.get()
    except TimeoutError:
        return None
    if announced is None:
        raise asyncpg.ConnectionDoesNotExistError
    return announced
