"""Announcements over the pub/sub of Redis and Valkey.

A message goes to whoever is subscribed at that moment, also to the subscribers of other nodes of a cluster and of replicas.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis import exceptions

from vestibule.storage.announcements import Ear, NotHeard
from vestibule.storage.redis_servers import Builder, Client, close, one_server, ready
from vestibule.storage.remote import PerLoop

__all__ = ["RedisChannel"]


class RedisChannel:
    """A :class:`~vestibule.storage.announcements.Channel`.

    Args:
        name: of the channel. All databases of a server share it.
        clients: those of the store, to publish.
        build: makes another, to subscribe.
        timeout: seconds that it may take to subscribe.
        trouble: what the log says of an error that any command may meet.
    """

    def __init__(
        self, name: str, clients: PerLoop[Client], build: Builder, timeout: float, trouble: Callable[[BaseException], str]
    ) -> None:
        self._name = name
        self._clients = clients
        self._build = build
        self._timeout = timeout
        self._trouble = trouble

    async def say(self, text: str) -> None:
        """See :meth:`~vestibule.storage.announcements.Channel.say`."""
        try:
            await self._publish(text)
        except exceptions.ConnectionError:  # a connection of before; to say it twice does no harm
            await self._publish(text)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ear]:
        """See :meth:`~vestibule.storage.announcements.Channel.open`."""
        client = await one_server(self._build)
        subscription = client.pubsub()
        try:
            await subscription.subscribe(self._name)
            if await subscription.get_message(timeout=self._timeout) is None:
                raise exceptions.TimeoutError
            yield lambda seconds: _next(subscription, seconds)
        finally:
            await subscription.aclose()  # type: ignore[no-untyped-call]
            await close(client)

    async def _publish(self, text: str) -> None:
        client = await ready(self._clients.here())
        await client.publish(self._name, text)

    def trouble(self, error: Exception) -> str:
        """See :meth:`~vestibule.storage.announcements.Channel.trouble`."""
        if isinstance(error, exceptions.NoPermissionError):
            return f"the user may not publish and subscribe on the channel {self._name}"
        return "what is published does not arrive" if isinstance(error, NotHeard) else self._trouble(error)


async def _next(subscription: Any, seconds: float) -> str | None:
    await asyncio.sleep(0)  # so that a flood leaves the others their turns: to read what has already come does not
    message = await subscription.get_message(timeout=seconds)
    if message is None:
        return None
    if message["type"] != "message":  # it has subscribed again by itself, and something may have been missed
        raise exceptions.ConnectionError
    return str(message["data"], "utf-8", "replace")
