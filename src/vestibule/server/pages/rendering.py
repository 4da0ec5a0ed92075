"""How templates become pages: the engine, and the headers that every page is sent with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from vestibule.protocol.visible_text import visible

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["environment", "headers"]


def environment(templates: Path | None) -> Environment:
    """The built-in templates, behind those of `templates`: escaping on, an unknown name an error."""
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, PrefixLoader, StrictUndefined

    builtin = PackageLoader("vestibule.server.pages")
    own = [FileSystemLoader(templates)] if templates else []
    return Environment(
        loader=ChoiceLoader([*own, builtin, PrefixLoader({"builtin": builtin})]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def headers(csp: str) -> dict[str, str]:
    """What every page is sent with; without a policy where `csp` is empty."""
    every = {
        "Cache-Control": "no-store",
        "Content-Language": "en",
        "Content-Security-Policy": csp,
        # Clients open the login in a popup and watch it. Every stricter value cuts the tie to the opener for good.
        "Cross-Origin-Opener-Policy": "unsafe-none",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex",
    }
    return {name: value for name, value in every.items() if value}


def _visible(value: Any) -> Any:
    """What a template puts in: text that others chose is shown without what cannot be seen."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
