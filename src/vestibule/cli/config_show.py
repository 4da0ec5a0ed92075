"""``vestibule config show``: what is in force, and where it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vestibule.clients.configured import ConfiguredClient
from vestibule.errors import ConfigurationError
from vestibule.providers.chosen import Choice, choice
from vestibule.settings import ProviderSettings

__all__ = ["chosen_settings", "masked", "show_config"]

_MASK: Final = "••••••"
_SECRET_NAMES: Final = frozenset({"jwt_signing_key", "upstream_private_key"})
_SECRET_VALUES: Final = frozenset({"extra_authorize_params", "extra_token_params", "obo_options"})

# Greedy, for passwords with characters that should have been encoded; what stands before an @ is no loss in what is no URL.
_BEFORE_HOST: Final = re.compile(r"(?<=://).*@|^[^/]*:[^/]*@", re.DOTALL)
_IN_QUERY: Final = re.compile(r"(?<=password=)[^&]*", re.IGNORECASE)


def chosen_settings() -> tuple[Choice, ProviderSettings | None]:
    """What is chosen, with its settings as they are in force.

    Raises:
        ConfigurationError: nothing is chosen, or something that is written cannot be used.
    """
    chosen = choice()
    if chosen is None:
        raise ConfigurationError("No provider is chosen: set VESTIBULE_AUTH, or auth in vestibule.toml.")
    return chosen, chosen.settings.filled() if chosen.settings is not None else None


def show_config(console: Console | None = None) -> None:
    """Print it.

    Raises:
        ConfigurationError: as :func:`chosen_settings`.
    """
    console = console or Console(highlight=False)
    chosen, settings = chosen_settings()
    console.print(Text(f"{chosen.provider.__name__}, chosen by {chosen.origin}"))
    if settings is None:
        console.print("It reads no settings.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("setting", "value", "from"):
        table.add_column(heading, overflow="fold")
    for name, origin in settings.origins.items():
        table.add_row(Text(name), Text(masked(name, getattr(settings, name))), Text(origin))
    console.print(table)


def masked(name: str, value: Any) -> str:
    """A value for people to see: no secret, and no password inside a URL."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, SecretStr) or name in _SECRET_NAMES:
        return ", ".join([_MASK] * len(value)) if isinstance(value, list) else _MASK
    if name in _SECRET_VALUES and isinstance(value, Mapping):
        return ", ".join(f"{key}={_MASK}" for key in value)
    if callable(value):
        return "rules"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_shown(item) for item in value) or "[]"
    return _without_password(str(value))


def _shown(item: object) -> str:
    return item.client_id if isinstance(item, ConfiguredClient) else _without_password(str(item))


def _without_password(text: str) -> str:
    return _IN_QUERY.sub(_MASK, _BEFORE_HOST.sub(f"{_MASK}@", text))
