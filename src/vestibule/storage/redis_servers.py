"""From a URL to a client of Redis or Valkey: one server, a master that Sentinels name, or a cluster.

Nothing is repeated behind our back: a client that sent a write twice because the first answer was lost would report a replacement
that it made itself as refused, and that looks like theft.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis, RedisCluster, Sentinel, SentinelConnectionPool
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from vestibule.errors import ConfigurationError
from vestibule.storage.redis_masters import MasterPool
from vestibule.storage.redis_url import check_database, check_options, read_url

__all__ = [
    "Builder",
    "Client",
    "SCHEMES",
    "client_builder",
    "close",
    "one_server",
    "ready",
    "reconnect",
    "same_server",
    "weaknesses",
]

Client: TypeAlias = "Redis | RedisCluster"
Builder: TypeAlias = Callable[[], Client]

_PLAIN: Final = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
SCHEMES: Final = frozenset(f"{scheme}{suffix}" for scheme in _PLAIN for suffix in ("", "+sentinel", "+cluster"))
"""What a URL may start with; the ``s`` is TLS."""

# In place of the error and without it: its text may repeat the URL, and with it a password; a traceback would show it.
_MISUNDERSTOOD: Final = (
    "client_storage: the URL of the Redis or Valkey server cannot be understood; port and database are numbers, and reserved characters"
    " in a password are percent-encoded."
)
_MAX_CONNECTIONS = 50
_CLUSTER_OPTIONS: Final = frozenset(inspect.signature(RedisCluster).parameters)
_SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")


def client_builder(url: str, *, timeout: float) -> Builder:
    """What makes a client for the running event loop.

    Args:
        url: e.g. ``rediss://user:password@host:6380/0``, ``redis+sentinel://host-a:26379,host-b:26379/service/0`` or
            ``redis+cluster://host-a:6379,host-b:6379``; further connection options of ``redis`` as query parameters.
        timeout: seconds to wait for a connection, and for an answer.

    Raises:
        ConfigurationError: the URL cannot be understood.
    """
    parts = _split(url)
    scheme, _, kind = parts.scheme.partition("+")
    build = {"": _single, "sentinel": _sentinel, "cluster": _cluster}.get(kind)
    if scheme not in _PLAIN or build is None:
        raise ConfigurationError("client_storage: this is no URL of a Redis or Valkey server.")
    try:
        return build(parts._replace(scheme=_PLAIN[scheme]), _options(timeout))
    except ConfigurationError:
        raise
    except (ValueError, RedisError):
        raise ConfigurationError(_MISUNDERSTOOD) from None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ConfigurationError(_MISUNDERSTOOD) from None


def same_server(client: Redis, *, timeout: float) -> Builder | None:
    """What makes clients of the server that `client` uses; None where it is found in a way that cannot be repeated."""
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool) or not isinstance(pool, ConnectionPool):
        return None
    kept = {name: value for name, value in pool.connection_kwargs.items() if value is not None}
    chosen = kept | _options(timeout) | {"decode_responses": False}
    return _pooled(pool.connection_class, chosen)


async def ready(client: Client) -> Client:
    """The client, after a cluster's has its map: without one it would ask any server. One with Sentinels asks them now and then."""
    if isinstance(client, RedisCluster):
        await client.initialize()
    elif isinstance(client.connection_pool, MasterPool):
        client.connection_pool.look()
    return client


async def reconnect(client: Client) -> None:
    """Have connections made anew, because the name of the server may stand for another one now. Verbs that run are left alone."""
    if isinstance(client, RedisCluster):
        await client.aclose()  # it asks for its map when it is used again
    else:
        await client.connection_pool.disconnect(inuse_connections=False)


async def one_server(build: Builder) -> Redis:
    """A client of one server; in a cluster it is one of the nodes, as its map is now."""
    client = build()
    if not isinstance(client, RedisCluster):
        return client
    try:
        await client.initialize()
        node = client.get_random_node()
    finally:
        await client.aclose()
    return Redis.from_pool(ConnectionPool(node.connection_class, **node.connection_kwargs))


async def close(client: Client) -> None:
    """Close the client's connections, also those to Sentinels, which it would leave open."""
    pool = None if isinstance(client, RedisCluster) else client.connection_pool
    if isinstance(pool, MasterPool):
        await pool.stop()
    await client.aclose()
    if isinstance(pool, MasterPool):
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


async def weaknesses(client: Client) -> list[str]:
    """How the server may lose records, by its own word, one sentence each; empty where it does not tell."""
    told = await client.info()
    found = []
    if str(told.get("maxmemory_policy", "noeviction")) != "noeviction" and int(told.get("maxmemory", 0)):
        found.append("it removes living records when its memory is full: set maxmemory-policy noeviction")
    if told.get("aof_enabled") == 0:
        found.append("it keeps no append-only file: what was written since its last snapshot ends with it")
    return found


def _options(timeout: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
    }


def _pooled(connection_class: Any, options: dict[str, Any]) -> Builder:
    def build() -> Client:
        # A burst waits for a connection instead of failing for want of one.
        pool = BlockingConnectionPool(
            **{"max_connections": _MAX_CONNECTIONS, "timeout": options["socket_timeout"], **options},
            connection_class=connection_class,
        )
        return Redis.from_pool(pool)

    return build


def _single(parts: SplitResult, options: dict[str, Any]) -> Builder:
    check_database(parts.path.strip("/"))
    read = read_url(parts)
    connection_class = read.pop("connection_class", Connection)
    check_options(parts, connection_class, read)
    return _pooled(connection_class, options | read)


def _sentinel(parts: SplitResult, options: dict[str, Any]) -> Builder:
    service, _, database = parts.path.strip("/").partition("/")
    check_database(database)
    if not service:
        raise ConfigurationError("client_storage: the URL names no service: redis+sentinel://host:26379/service/0.")
    query = dict(parse_qsl(parts.query))
    own = {name.removeprefix("sentinel_"): query.pop(name) for name in _SENTINEL_OPTIONS if name in query}
    addresses, read = _several(parts._replace(path=f"/{database}", query=urlencode(query)))
    check_options(parts, SSLConnection if read.get("ssl") else Connection, read)
    chosen = options | read
    tls = {name: value for name, value in chosen.items() if name.partition("_")[0] == "ssl"}
    # One that says nothing must leave time to ask the others within a verb: it may be on the machine that the master was on.
    patience = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), options["socket_timeout"] / (len(addresses) + 1))

    def build() -> Client:
        sentinel: Any = Sentinel(addresses, sentinel_kwargs=options | patience | tls | own, **chosen)  # type: ignore[no-untyped-call]
        client: Client = sentinel.master_for(service, connection_pool_class=MasterPool)
        return client

    return build


def _cluster(parts: SplitResult, options: dict[str, Any]) -> Builder:
    addresses, read = _several(parts)
    check_options(parts, SSLConnection if read.get("ssl") else Connection, read, _CLUSTER_OPTIONS)
    chosen = options | read
    chosen.pop("db", None)  # a cluster has only one
    # A slot that moved is noted alone: to read the whole map again would break off what other requests are just doing.
    chosen.setdefault("reinitialize_steps", 0)

    def build() -> Client:
        return RedisCluster(startup_nodes=[ClusterNode(host, port) for host, port in addresses], **chosen)

    return build


def _several(parts: SplitResult) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """The addresses of a URL that lists several, and the options that they share."""
    credentials, at, hosts = parts.netloc.rpartition("@")
    named = [urlsplit(f"//{host}") for host in hosts.split(",")]
    default = 26379 if parts.path.strip("/") else 6379
    addresses = [(host.hostname or "localhost", host.port or default) for host in named]
    read = read_url(parts._replace(netloc=f"{credentials}{at}localhost"))
    for name in ("host", "port", "connection_class"):
        read.pop(name, None)
    if parts.scheme == "rediss":
        read["ssl"] = True
    return addresses, read
