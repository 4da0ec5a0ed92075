"""What the errors of Redis and Valkey mean for a store: what the log says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

from vestibule.storage.remote import network_trouble

__all__ = ["FAILURES", "closed_meanwhile", "kind_of", "trouble"]

FAILURES: Final = (exceptions.RedisError, exceptions.RedisClusterException, OSError, TimeoutError)
_TROUBLE: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.ReadOnlyError, "the server is a replica and cannot be written"),
    (exceptions.OutOfMemoryError, "the server's memory is full"),
    (exceptions.AuthenticationError, "the server refuses the credentials"),
    (exceptions.NoPermissionError, "the user may not run what is needed: select, get, set, getrange, del, eval, evalsha, scan"),
    (exceptions.BusyLoadingError, "the server is starting"),
    (exceptions.MasterDownError, "the server is a replica without its master"),
    (exceptions.ClusterDownError, "the cluster is down, or the part of it that has the record"),
    (exceptions.MovedError, "the server is one of a cluster: its URL is redis+cluster://host:port"),
    (exceptions.TimeoutError, "the server does not answer in time"),
    (TimeoutError, "the server does not answer in time"),
    (
        MasterNotFoundError,
        "no Sentinel that can be reached, with the TLS and credentials of the URL, names a master of the service",
    ),
    (exceptions.ConnectionError, "the server cannot be reached"),
    (exceptions.RedisClusterException, "no server of the cluster can be reached"),
    (OSError, "the server cannot be reached"),
)
_NO_SENTINEL: Final = "the server is no Sentinel: a Redis or Valkey itself is redis://host:port"
_SAID: Final = {
    "NOREPLICAS": "the server has too few replicas and cannot be written",
    "MISCONF": "the server cannot write to its disk",
    "luster mode is not enabled": "the server is no cluster: a single one is redis://host:port",
    "DB index is out of range": "the server has no database of this number",
    "unknown command 'SENTINEL'": _NO_SENTINEL,
    "unknown command `SENTINEL`": _NO_SENTINEL,  # before version 7
}
_IN_SCRIPTS: Final = {"OOM": exceptions.OutOfMemoryError, "READONLY": exceptions.ReadOnlyError}


def kind_of(error: BaseException) -> type[BaseException]:
    """What went wrong: before version 7 a server wraps what a command said into a text about the script."""
    inner = next((kind for code, kind in _IN_SCRIPTS.items() if f": -{code} " in str(error)), None)
    return inner or type(error)


@contextmanager
def closed_meanwhile() -> Iterator[None]:
    """Tell a connection that was closed under whoever uses it from an error of ours.

    A client of a cluster that is down closes all its connections; who is just sending over one of them learns it by an
    ``AttributeError``, as the connection has lost its writer.

    Raises:
        redis.exceptions.ConnectionError: in its place.
    """
    try:
        yield
    except AttributeError as error:
        raise exceptions.ConnectionError("the connection was closed meanwhile") from error


def trouble(error: BaseException) -> str:
    """In words; no credentials."""
    kind = kind_of(error)
    said = next((text for code, text in _SAID.items() if code in str(error)), None) or network_trouble(error)
    return said or next((text for known, text in _TROUBLE if issubclass(kind, known)), f"the server reports {kind.__name__}")
