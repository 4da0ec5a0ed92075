"""Configuration from the environment, a ``.env`` file and ``vestibule.toml``.

Owns where values are looked for (:mod:`~vestibule.settings.sources`), how text becomes a value (:mod:`~vestibule.settings.fields`) and
which settings every provider has (:mod:`~vestibule.settings.models`). May import :mod:`vestibule.proxy` and what lies below it.
"""

from __future__ import annotations

from vestibule.settings.fields import Secret, Table, Text, TextList
from vestibule.settings.models import BridgeSettings, ProviderSettings
from vestibule.settings.sources import Found, Sources

__all__ = ["BridgeSettings", "Found", "ProviderSettings", "ScopeList", "Secret", "Sources", "Table", "Text", "TextList"]

ScopeList = TextList
"""Scopes are lists like any other; the name says what they are for."""
