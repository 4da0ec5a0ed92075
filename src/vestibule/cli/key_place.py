"""Where the keys and the sessions are that ``vestibule keys`` works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vestibule.cli.bridge import find_bridge, store_of
from vestibule.clock import Clock
from vestibule.errors import ConfigurationError
from vestibule.keys.key_file import KeyFile, WatchedKeys, key_file_path
from vestibule.keys.keyring import KeyRing, check_secret_strength
from vestibule.keys.ring_key import RingKey
from vestibule.providers.chosen import choice
from vestibule.settings import BridgeSettings
from vestibule.storage.locate import ClientStorage, default_directory, default_path, key_path, open_store
from vestibule.storage.memory import MemoryStore
from vestibule.storage.protocol import Store

__all__ = ["KeyPlace", "find_keys"]

_BY_HAND = (
    "The keys are given in jwt_signing_key, so no command changes them. By hand: append a new secret to the list and roll that out to "
    "every process; then move it to the front and roll out again; remove the old one when nothing hangs from it any more. "
    "Or name a file (jwt_signing_key = file:///path/to/keys), which these commands rotate without a restart. Docs: how-to/keys.md."
)
_NOWHERE = "No provider with keys of its own is configured here: name the server with --server, or the key file with --file."
_ACCESS_TOKEN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where everything is.

    Attributes:
        file: of the keys; None where they are given in the settings.
        listed: those that are given in the settings.
        storage: what :func:`~vestibule.storage.locate.open_store` takes; None where no store can be looked into.
        access_token_seconds: how long access tokens live.
    """

    file: KeyFile | None
    listed: tuple[RingKey, ...] = ()
    storage: ClientStorage = None
    access_token_seconds: float = _ACCESS_TOKEN_SECONDS

    def keys(self) -> tuple[RingKey, ...]:
        """The keys as they are now.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        return self.file.read() if self.file is not None else self.listed

    def changeable(self) -> KeyFile:
        """The file.

        Raises:
            ConfigurationError: there is none, and it says what to do by hand; or its folder is not there.
        """
        if self.file is None:
            raise ConfigurationError(_BY_HAND)
        if not self.file.generated:
            _check_folder(self.file.path.resolve().parent)
        return self.file

    def open_store(self, clock: Clock) -> Store | None:
        """The store, if it can be looked into."""
        return None if self.storage is None else open_store(self.storage, namespace="", public_url="", clock=clock)


def find_keys(file: Path | None, url: str | None, server: str | None = None) -> KeyPlace:
    """The keys and the store of a server, or those that are named.

    Args:
        file: of the keys, if not the server's.
        url: the store, if not the server's.
        server: see :func:`~vestibule.cli.bridge.find_bridge`; None for the configured one.

    Raises:
        ConfigurationError: neither is there; or the configuration or the server's file cannot be read.
    """
    place = _of_server(server) if server is not None else _of_settings(_settings(), file)
    if file is not None:
        place = replace(place, file=KeyFile(file), listed=())
    return replace(place, storage=url) if url is not None else place


def _check_folder(folder: Path) -> None:
    """A folder that is misspelt would be made, and no server would ever look there. Only that of our own files is."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    if missing and folder != default_directory().resolve():
        raise ConfigurationError(
            f"The folder {missing[-1]} does not exist: make it, if {folder} is where the key file is to be."
        )


def _of_server(target: str) -> KeyPlace:
    bridge = find_bridge(target)
    hall, store = bridge.hall, store_of(bridge)
    source = hall.keyring.source
    file = source.file if isinstance(source, WatchedKeys) else None
    in_memory = isinstance(store, MemoryStore) or getattr(store, "path", store) is None
    return KeyPlace(file, hall.keyring.keys, None if in_memory else store, hall.access_tokens.life)


def _of_settings(settings: BridgeSettings | None, file: Path | None) -> KeyPlace:
    """What is configured, with its keys unless their file is named."""
    if settings is None and file is None:
        raise ConfigurationError(_NOWHERE)
    if settings is None:
        return KeyPlace(None)
    life = settings.options().get("access_token_expiry_seconds") or _ACCESS_TOKEN_SECONDS
    keys = (None, ()) if file is not None else _configured(settings)
    return KeyPlace(*keys, _storage(settings), life)


def _settings() -> BridgeSettings | None:
    chosen = choice()
    settings = chosen.settings.filled() if chosen is not None and chosen.settings is not None else None
    return settings if isinstance(settings, BridgeSettings) else None


def _issuer(settings: BridgeSettings) -> str:
    issuer = settings.issuer_url or settings.base_url
    if not issuer:
        raise ConfigurationError("base_url is not set, and the files beside the server are named after it: name --file.")
    return issuer


def _storage(settings: BridgeSettings) -> Any:
    """What is configured. A default file that is not there would only be made by looking into it."""
    if settings.client_storage == "memory://":
        return None
    if settings.client_storage is not None:
        return settings.client_storage
    path = default_path(_issuer(settings)) if settings.base_url or settings.issuer_url else None
    return path if path is not None and path.exists() else None


def _configured(settings: BridgeSettings) -> tuple[KeyFile | None, tuple[RingKey, ...]]:
    setting: Any = settings.value("jwt_signing_key")
    named = key_file_path(setting)
    if named is not None:
        return KeyFile(named, check=lambda secret: check_secret_strength(secret, settings.base_url or "")), ()
    if setting is not None:
        return None, KeyRing.from_secrets(setting).keys
    if settings.client_storage is None:
        return KeyFile(default_path(_issuer(settings)).with_suffix(".key"), generated=True), ()
    store = open_store(settings.client_storage, namespace="", public_url="")
    return KeyFile(key_path(store, namespace=_issuer(settings)), generated=True), ()
