"""``vestibule config check``: what cannot work, before anyone signs in."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from vestibule.cli.config_show import chosen_settings
from vestibule.cli.findings import CHECKS, Finding
from vestibule.errors import ConfigurationError
from vestibule.providers.chosen import Choice
from vestibule.proxy.oauth_proxy import OAuthProxy
from vestibule.settings import BridgeSettings, ProviderSettings
from vestibule.storage.locate import open_store

__all__ = ["check_config", "findings"]


def check_config(console: Console | None = None) -> int:
    """Print what was found. Returns the exit status: 1 if something cannot work."""
    console = console or Console(highlight=False)
    found = findings()
    for finding in found:
        style = "bold red" if finding.is_error else "yellow"
        console.print(Text("error:   " if finding.is_error else "warning: ", style) + Text(finding.text))
    if any(finding.is_error for finding in found):
        return 1
    console.print("This can work." if not found else "This can work; mind the warnings.")
    return 0


def findings() -> list[Finding]:
    """Everything that is wrong or doubtful, errors first.

    The provider is built as it would be to serve, but in memory: nothing is written. Its discovery document is read.
    """
    try:
        chosen, settings = chosen_settings()
    except ConfigurationError as error:
        return [Finding(str(error), is_error=True)]
    found: list[Finding] = []
    if isinstance(settings, BridgeSettings):
        found = [finding for check in CHECKS for finding in check(settings)]
    built = _built(chosen, settings)
    known = {finding.text for finding in found}
    return sorted([*found, *(each for each in built if each.text not in known)], key=lambda finding: not finding.is_error)


def _built(chosen: Choice, settings: ProviderSettings | None) -> list[Finding]:
    """What building the provider says: the error that it ends with, and the warnings on the way."""
    with _warnings() as warned:
        try:
            _build(chosen, settings)
        except ConfigurationError as error:
            return [Finding(str(error), is_error=True), *warned]
    return warned


def _build(chosen: Choice, settings: ProviderSettings | None) -> None:
    provider: Any = chosen.provider
    if not issubclass(chosen.provider, OAuthProxy) or not isinstance(settings, BridgeSettings):
        provider()
        return
    _check_storage(settings)
    # A key of the moment in place of one that would be generated and kept.
    key = None if settings.jwt_signing_key else secrets.token_bytes(32)
    provider(client_storage="memory://", jwt_signing_key=key)


def _check_storage(settings: BridgeSettings) -> None:
    """A file is made by opening it, so only what is no file is opened."""
    storage = settings.client_storage
    if isinstance(storage, str) and not storage.startswith(("sqlite://", "memory://")):
        open_store(storage, namespace="", public_url=settings.base_url or "")


class _Listener(logging.Handler):
    """Keeps warnings as findings."""

    def __init__(self, found: list[Finding]) -> None:
        super().__init__(logging.WARNING)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        self._found.append(Finding(record.getMessage(), is_error=False))


@contextmanager
def _warnings() -> Iterator[list[Finding]]:
    """The warnings that are logged meanwhile; that of the store in memory is this check's own doing."""
    found: list[Finding] = []
    log, store_log = logging.getLogger("vestibule"), logging.getLogger("vestibule.storage")
    listener, propagated, disabled = _Listener(found), log.propagate, store_log.disabled
    log.addHandler(listener)
    log.propagate, store_log.disabled = False, True
    try:
        yield found
    finally:
        log.removeHandler(listener)
        log.propagate, store_log.disabled = propagated, disabled
