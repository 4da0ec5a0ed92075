"""From the ``client_storage`` setting to a store, and where the default one lives."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Union

import platformdirs

from vestibule.clock import Clock
from vestibule.errors import ConfigurationError
from vestibule.storage.memory import MemoryStore
from vestibule.storage.protocol import Store
from vestibule.storage.sqlite import SQLiteStore

if TYPE_CHECKING:
    from key_value.aio.protocols.key_value import AsyncKeyValueProtocol

__all__ = ["ClientStorage", "default_directory", "default_path", "file_of", "key_path", "open_store"]

_log = logging.getLogger("vestibule.storage")

ClientStorage = Union[None, str, os.PathLike[str], Store, "AsyncKeyValueProtocol"]

_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_SQLITE_URL = re.compile(r"sqlite:///(.+)", re.DOTALL)
_IN_MEMORY = ":memory:"
_POSTGRES_SCHEMES = ("postgresql", "postgres")
_REDIS_KINDS = ("redis", "rediss", "valkey", "valkeys")


def open_store(client_storage: ClientStorage, *, namespace: str, public_url: str, clock: Clock | None = None) -> Store:
    """The store that a setting names. The log says where state is kept and whether it survives a restart.

    Args:
        client_storage: None for the default SQLite file; ``sqlite:///relative/path``, ``sqlite:////absolute/path``,
            ``redis://…``, ``valkey://…``, ``postgresql://…`` or ``memory://``; a path; a store; or a ``py-key-value-aio`` store.
        namespace: what tells two servers on one machine apart, the issuer; each has a default file of its own.
        public_url: the server's URL, for the log.
        clock: the time.

    Raises:
        ConfigurationError: the setting names no store that can be had.
    """
    store = _choose(client_storage, namespace, clock)
    _say_where(store, public_url)
    return store


def default_directory() -> Path:
    """The folder of state and keys: ``VESTIBULE_HOME``, or the platform's folder for a user's data."""
    home = os.environ.get("VESTIBULE_HOME")
    return Path(home).expanduser().absolute() if home else Path(platformdirs.user_data_path("vestibule", appauthor=False))


def default_path(namespace: str) -> Path:
    """Where the default store of a server is kept."""
    return default_directory() / f"{_file_stem(namespace)}.sqlite3"


def file_of(client_storage: ClientStorage, *, namespace: str) -> Path | None:
    """The SQLite file that a setting names, which is not opened; None if it names none.

    Args:
        client_storage, namespace: see :func:`open_store`.
    """
    if client_storage is None:
        return default_path(namespace)
    if isinstance(client_storage, os.PathLike):
        return Path(client_storage)
    found = _SQLITE_URL.fullmatch(client_storage) if isinstance(client_storage, str) else None
    return Path(found[1]).expanduser() if found is not None and found[1] != _IN_MEMORY else None


def key_path(store: Store, *, namespace: str) -> Path:
    """Where the generated signing keys are kept: beside the store's file, or in :func:`default_directory`."""
    if isinstance(store, SQLiteStore) and store.path is not None:
        return store.path.with_suffix(".key")
    if not isinstance(store, SQLiteStore | MemoryStore):
        _log.warning("%r may serve several machines, and they need the same keys: set jwt_signing_key on all of them", store)
    return default_path(namespace).with_suffix(".key")


def _choose(client_storage: ClientStorage, namespace: str, clock: Clock | None) -> Store:
    if client_storage is None or isinstance(client_storage, str | os.PathLike):
        path = file_of(client_storage, namespace=namespace)
        return SQLiteStore(path, clock) if path is not None else _from_url(str(client_storage), clock)
    if isinstance(client_storage, Store):
        return client_storage
    if all(callable(getattr(client_storage, verb, None)) for verb in ("get", "put", "delete", "ttl")):
        from vestibule.storage.key_value import KeyValueStore
        from vestibule.storage.lifted import lift

        return lift(client_storage, clock) or KeyValueStore(client_storage, clock)
    raise ConfigurationError(
        "client_storage must be a store, a URL such as sqlite:////var/lib/vestibule/state.sqlite3, or None."
    )


def _from_url(url: str, clock: Clock | None) -> Store:
    scheme, separator, _ = url.partition("://")
    if scheme == "memory" and separator:
        return MemoryStore(clock)
    if _SQLITE_URL.fullmatch(url):
        return SQLiteStore(_IN_MEMORY, clock)
    if scheme.partition("+")[0] in _REDIS_KINDS:
        return _redis(url, clock)
    if scheme in _POSTGRES_SCHEMES:
        return _postgres(url, clock)
    # The URL itself may hold a password, so it is not repeated.
    raise ConfigurationError(
        "client_storage: only sqlite:///path (four slashes for an absolute path), redis://, valkey://, postgresql:// and memory://"
        " are known."
    )


def _redis(url: str, clock: Clock | None) -> Store:
    try:
        from vestibule.storage.redis import RedisStore
    except ImportError as error:
        raise ConfigurationError("client_storage: Redis and Valkey need the extra vestibule[redis].") from error
    return RedisStore(url, clock=clock)


def _postgres(url: str, clock: Clock | None) -> Store:
    try:
        from vestibule.storage.postgres import PostgresStore
    except ImportError as error:
        raise ConfigurationError("client_storage: PostgreSQL needs the extra vestibule[postgres].") from error
    return PostgresStore(url, clock=clock)


def _file_stem(namespace: str) -> str:
    return f"state-{hashlib.sha256(namespace.encode()).hexdigest()[:16]}"


def _say_where(store: Store, public_url: str) -> None:
    if isinstance(store, SQLiteStore) and store.path is not None:
        _log.info("sessions of %s are kept in %s and survive a restart", public_url, store.path)
        if _is_inside_container_layer(store.path):
            _log.warning(
                "%s is inside the container: mount a volume there, or every update ends all sessions", store.path.parent
            )
    elif isinstance(store, SQLiteStore | MemoryStore):
        _log.warning("sessions of %s are kept in memory only: a restart ends them all", public_url)
    else:
        _log.info("sessions of %s are kept in %r", public_url, store)


def _is_inside_container_layer(path: Path) -> bool:
    return any(mark.exists() for mark in _CONTAINER_MARKS) and path.stat().st_dev == Path("/").stat().st_dev
