"""Text that others chose, as a person may see it: on a page, in a terminal, in a record."""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["shortened", "visible"]

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def visible(text: str) -> str:
    """`text` without what cannot be seen and turns a page or a terminal around: controls, bidi marks, lone surrogates."""
    return "".join(" " if character.isspace() else character for character in text if _is_visible(character))


def shortened(text: str, limit: int) -> str:
    """The visible words of `text`, at most `limit` characters; what was cut is shown by an ellipsis."""
    words = " ".join(visible(text).split())
    return words if len(words) <= limit else f"{words[: limit - 1]}…"


def _is_visible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) not in _UNSEEN
