"""``30d``, ``12h``, ``90m``: durations as people write them."""

from __future__ import annotations

import re
from typing import Final

import click

__all__ = ["ago", "read_duration"]

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_WRITTEN: Final = re.compile(r"(\d{1,6})([smhdw])")
_SPOKEN: Final = (("day", 86_400), ("hour", 3600), ("minute", 60))


def read_duration(context: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """The callback of an option: seconds, from a number and its unit."""
    if value is None:
        return None
    found = _WRITTEN.fullmatch(value.strip().lower())
    if found is None:
        raise click.BadParameter(f"{value!r} is no duration such as 30d, 12h or 90m", context, option)
    return float(int(found[1]) * _SECONDS[found[2]])


def ago(seconds: float) -> str:
    """How long something is ago, for people."""
    for word, unit in _SPOKEN:
        count = int(seconds // unit)
        if count >= 1:
            return f"{count} {word}{'s' if count > 1 else ''} ago"
    return "just now"
