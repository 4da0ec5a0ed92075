"""Whether the configured store and key file can be used, told by using them; nothing that is not there is made."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Final

from vestibule.cli.findings import Finding
from vestibule.cli.store_trouble import told_trouble
from vestibule.errors import Unavailable
from vestibule.keys.key_file import KeyFile
from vestibule.settings import BridgeSettings
from vestibule.storage.locate import default_path, file_of, open_store

__all__ = ["key_file_findings", "store_findings"]

_PROBE_KEY: Final = "probe/config"
_PROBE: Final = bytes(1500)  # as large as a session, so that a store with little room left does not seem to work
_PROBE_SECONDS: Final = 1
_MEMORY: Final = ("memory://", "sqlite:///:memory:")


def store_findings(settings: BridgeSettings) -> list[Finding]:
    """Read a record that is not there, and write one that ends after a second.

    Raises:
        ConfigurationError: the setting names no store that can be had.
    """
    issuer = _issuer(settings)
    if not issuer or settings.client_storage in _MEMORY:
        return []
    path = file_of(settings.client_storage, namespace=issuer)
    if path is not None and not path.exists():
        return _unmade(path)
    return asyncio.run(_tried(open_store(settings.client_storage, namespace=issuer, public_url=settings.base_url or issuer)))


def key_file_findings(settings: BridgeSettings) -> list[Finding]:
    """Read the key file that the server made for itself, if it is there. One that is named is read where the provider is built.

    Raises:
        ConfigurationError: it cannot be read.
    """
    issuer = _issuer(settings)
    if issuer and settings.jwt_signing_key is None:
        path = file_of(settings.client_storage, namespace=issuer) or default_path(issuer)
        if path.with_suffix(".key").exists():
            KeyFile(path.with_suffix(".key"), generated=True).read()
    return []


def _issuer(settings: BridgeSettings) -> str:
    """Empty where it is missing, which building the provider tells."""
    return settings.issuer_url or settings.base_url or ""


def _unmade(path: Path) -> list[Finding]:
    """A file and its folder are made by the server, where it may."""
    folder = next(each for each in path.absolute().parents if each.exists())
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return []
    return [Finding(f"client_storage: {path} cannot be made: this user may not write in {folder}.", is_error=True)]


async def _tried(store: Any) -> list[Finding]:
    try:
        if hasattr(store, "is_prepared") and not await store.is_prepared():
            words = "the table is not there, or of an earlier release: the first use makes it, or vestibule storage init"
            return [Finding(f"{store!r}: {words}.", is_error=False)]
        await store.get(_PROBE_KEY)
        await store.put_new(_PROBE_KEY, _PROBE, _PROBE_SECONDS)
    except Unavailable as trouble:
        return [Finding(f"client_storage: {told_trouble(store, trouble)}", is_error=True)]
    finally:
        await store.aclose()
    return []
