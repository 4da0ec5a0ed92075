"""``vestibule config check``: what cannot work, before anyone signs in."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from vestibule.cli.config_show import chosen_settings
from vestibule.cli.findings import CHECKS, Finding
from vestibule.cli.store_check import key_file_findings, store_findings
from vestibule.errors import ConfigurationError
from vestibule.providers.chosen import Choice
from vestibule.proxy.oauth_proxy import OAuthProxy
from vestibule.settings import BridgeSettings, ProviderSettings

__all__ = ["check_config", "findings"]

_STORAGE: Final = "vestibule.storage"


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

    The provider is built as it would be to serve, but in memory, and its discovery document is read. The store that is configured is
    tried by itself; what is not there yet is not made.
    """
    try:
        chosen, settings = chosen_settings()
    except ConfigurationError as error:
        return [Finding(str(error), is_error=True)]
    found: list[Finding] = []
    if isinstance(settings, BridgeSettings):
        found = [finding for check in CHECKS for finding in check(settings)]
    tried = _tried(chosen, settings)
    known = {finding.text for finding in found}
    return sorted([*found, *(each for each in tried if each.text not in known)], key=lambda finding: not finding.is_error)


def _tried(chosen: Choice, settings: ProviderSettings | None) -> list[Finding]:
    """What building the provider and using its store and keys says: the errors that these end with, and the warnings on the way."""
    with _warnings() as found:
        for step in _steps(chosen, settings):
            try:
                found.extend(step())
            except ConfigurationError as error:
                found.append(Finding(str(error), is_error=True))
    return found


def _build(chosen: Choice, settings: ProviderSettings | None) -> list[Finding]:
    provider: Any = chosen.provider
    if not issubclass(chosen.provider, OAuthProxy) or not isinstance(settings, BridgeSettings):
        provider()
        return []
    # A key of the moment in place of one that would be generated and kept.
    key = None if settings.jwt_signing_key else secrets.token_bytes(32)
    with _muted(_STORAGE):  # what it says of the store in memory is this check's own doing
        provider(client_storage="memory://", jwt_signing_key=key)
    return []


def _steps(chosen: Choice, settings: ProviderSettings | None) -> Iterator[Callable[[], list[Finding]]]:
    yield partial(_build, chosen, settings)
    if isinstance(settings, BridgeSettings):
        yield partial(store_findings, settings)
        yield partial(key_file_findings, settings)


class _Listener(logging.Handler):
    """Keeps warnings as findings."""

    def __init__(self, found: list[Finding]) -> None:
        super().__init__(logging.WARNING)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == _STORAGE and record.levelno > logging.WARNING:
            return  # its trouble is an error that is found, too
        self._found.append(Finding(record.getMessage(), is_error=False))


@contextmanager
def _warnings() -> Iterator[list[Finding]]:
    """The warnings that are logged meanwhile."""
    found: list[Finding] = []
    log = logging.getLogger("vestibule")
    listener, propagated = _Listener(found), log.propagate
    log.addHandler(listener)
    log.propagate = False
    try:
        yield found
    finally:
        log.removeHandler(listener)
        log.propagate = propagated


@contextmanager
def _muted(name: str) -> Iterator[None]:
    log = logging.getLogger(name)
    disabled, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = disabled
