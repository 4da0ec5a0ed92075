"""The pages' one stylesheet: colours, and the hash by which the content security policy knows it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from vestibule.errors import ConfigurationError

__all__ = ["DARK", "LIGHT", "content_security_policy", "stylesheet"]

LIGHT: Final[Mapping[str, str]] = {
    "background": "#f3f1ec",
    "surface": "#ffffff",
    "text": "#1c2230",
    "muted": "#565d6d",
    "line": "#dcd8cf",
    "control": "#7b7f89",
    "accent": "#1d4f7c",
    "accent_text": "#ffffff",
    "notice": "#fcf3dd",
    "notice_text": "#573f08",
}
DARK: Final[Mapping[str, str]] = {
    "background": "#12151a",
    "surface": "#1b2027",
    "text": "#e9ebef",
    "muted": "#a9b1be",
    "line": "#343b46",
    "control": "#7f8896",
    "accent": "#93c0ea",
    "accent_text": "#0e1a27",
    "notice": "#33290f",
    "notice_text": "#f3e0b0",
}

# Hexadecimal or a function of plain numbers (CSS Color 4): nothing that could end the declaration, fetch or compute.
_COLOUR: Final = re.compile(
    r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})|(?:rgb|hsl)a?\([0-9.,%/ deg-]{5,60}\)|(?:hwb|lab|lch|oklab|oklch)\([0-9.%/ deg-]{5,60}\)",
    re.IGNORECASE,
)


def stylesheet(rules: str, colours: Mapping[str, str]) -> str:
    """The text of the style element.

    Args:
        rules: CSS that takes its colours from custom properties.
        colours: replacements, by the names of :data:`LIGHT`; for the dark scheme with ``dark_`` before the name.

    Raises:
        ConfigurationError: a name is unknown or a value is no colour literal.
    """
    for name, value in colours.items():
        _check_colour(name, value)
    light = {name: colours.get(name, value) for name, value in LIGHT.items()}
    dark = {name: colours.get(f"dark_{name}", value) for name, value in DARK.items()}
    return f":root{{{_properties(light)}}}@media (prefers-color-scheme:dark){{:root{{{_properties(dark)}}}}}\n{rules}"


def content_security_policy(style: str) -> str:
    """A policy under which a page can show `style` and post to its own origin, and nothing else (CSP Level 3).

    A hash serves where a nonce would have to differ per answer: the stylesheet is the same on every page.
    ``form-action 'self'`` holds because a post is answered with a page and never with a redirect to the client:
    browsers apply this directive to the whole chain of redirects.
    """
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{digest}'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def _check_colour(name: str, value: str) -> None:
    if name.removeprefix("dark_") not in LIGHT:
        raise ConfigurationError(f"colours: {name!r} is unknown; use {', '.join(LIGHT)}, or one of them after 'dark_'.")
    if not _COLOUR.fullmatch(value):
        raise ConfigurationError(f"colours: {name} is not a colour literal; write #rrggbb, rgb(), hsl() or oklch().")


def _properties(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name.replace('_', '-')}:{value};" for name, value in colours.items())
