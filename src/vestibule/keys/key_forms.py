"""What a key file may hold, as bytes to keys and back.

============  ======================================================================================================
document      JSON: ``{"keys": [{"id", "secret", "created_at", "active_from", "only_registrations"}]}``; the one that is written
lines         text, one secret a line, the first signs: what a secret manager usually mounts; a line that begins with # is a comment
raw           the 32 bytes of one secret: what earlier releases generated
foreign       anything else, such as text in another encoding than UTF-8: no key
============  ======================================================================================================
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Final

from vestibule.keys import base64url
from vestibule.keys.ring_key import RingKey
from vestibule.protocol.json_documents import read_json_object

__all__ = ["MAX_BYTES", "SECRET_BYTES", "Form", "form_of", "read_keys", "write_keys"]

MAX_BYTES: Final = 64 * 1024
SECRET_BYTES: Final = 32

_DOCUMENT_BEGINS: Final = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"')
_ASSIGNMENT: Final = re.compile(r"[\w.-]+=(?!=?$)")  # base64 has its "=" at the end


class Form(Enum):
    """See the top of this module."""

    DOCUMENT = auto()
    LINES = auto()
    RAW = auto()
    FOREIGN = auto()


def form_of(content: bytes, *, generated: bool) -> Form:
    """The form of a file's content.

    Half a document is still one, and damaged: it is never taken for a secret.

    Args:
        generated: whether the file is one that we keep ourselves. It never held lines, and what an operator put there before was
            taken byte for byte, a line break at its end included.
    """
    text = _text(content)
    if _is_wide(content):
        return Form.FOREIGN
    if text is None and len(content) == SECRET_BYTES:
        return Form.RAW  # random bytes may begin as a document does
    if _DOCUMENT_BEGINS.match(content) or (text or "").lstrip().startswith("{"):
        return Form.DOCUMENT
    if generated:
        return Form.RAW
    return Form.FOREIGN if text is None else Form.LINES


def _is_wide(content: bytes) -> bool:
    """Whether it looks like UTF-16 or UTF-32, as some editors write it. Of 32 random bytes hardly two are zero."""
    has_mark = content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) and len(content) != SECRET_BYTES
    return has_mark or content.count(0) * 4 >= len(content)


def read_keys(content: bytes, *, generated: bool) -> tuple[RingKey, ...]:
    """The keys in a file's content.

    Raises:
        ValueError: it is damaged; says how, and never what the content is.
    """
    if len(content) > MAX_BYTES:
        raise ValueError("it is too large")
    if not content.strip():
        raise ValueError("it is empty")
    keys = _READERS[form_of(content, generated=generated)](content)
    if all(key.only_registrations for key in keys):
        raise ValueError("it holds no key that signs")
    return tuple({key.key_id: key for key in reversed(keys)}.values())[::-1]


def write_keys(keys: Sequence[RingKey]) -> bytes:
    """The document of these keys."""
    return json.dumps({"keys": [_as_entry(key) for key in keys]}, indent=2).encode() + b"\n"


def _as_entry(key: RingKey) -> dict[str, Any]:
    entry = {
        "id": key.id,
        "secret": base64url.encode(key.secret),
        "created_at": key.created_at,
        "active_from": key.active_from,
    }
    return {**entry, "only_registrations": True} if key.only_registrations else entry


def _read_document(content: bytes) -> list[RingKey]:
    try:
        entries = read_json_object(content.removeprefix(BOM_UTF8)).get("keys")
    except ValueError:
        raise ValueError("it is not a whole JSON document") from None
    if not isinstance(entries, list) or not entries:
        raise ValueError("it lists no keys")
    return [_read_entry(entry, number) for number, entry in enumerate(entries, 1)]


def _read_entry(entry: Any, number: int) -> RingKey:
    """The id is checked against the secret: one flipped bit would otherwise be another key."""
    members = entry if isinstance(entry, dict) else {}
    secret = base64url.decode(members["secret"]) if isinstance(members.get("secret"), str) else None
    if secret is None or len(secret) < SECRET_BYTES:
        raise ValueError(f"the secret of key {number} is damaged or too short")
    key = RingKey(
        secret,
        created_at=_time(members.get("created_at"), number),
        active_from=_time(members.get("active_from"), number) or 0,
        only_registrations=members.get("only_registrations") is True,
    )
    if members.get("id") != key.id:
        raise ValueError(f"id and secret of key {number} do not belong together")
    return key


def _time(value: Any, number: int) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a time of key {number} is no number")
    return float(value)


def _read_lines(content: bytes) -> list[RingKey]:
    """A PEM file was always one secret; its lines are not, and the first is known to everybody."""
    text = _text(content) or ""
    if "-----BEGIN" in text:
        return [RingKey(text.strip("\r\n").encode())]
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    return [RingKey(_secret_of_line(line, number)) for number, line in lines]


def _secret_of_line(line: str, number: int) -> bytes:
    """Prose and settings are no secrets: whoever puts them into a key file took it for another."""
    if any(character.isspace() for character in line) or _ASSIGNMENT.match(line):
        raise ValueError(f"line {number} is no bare secret: it has a blank in it or sets a name; a comment begins with #")
    return line.encode()


def _read_foreign(content: bytes) -> list[RingKey]:
    raise ValueError("it is neither UTF-8 text nor a secret of 32 bytes")


def _read_raw(content: bytes) -> list[RingKey]:
    if len(content) < SECRET_BYTES or not any(content):
        raise ValueError("it is too short to be a key")
    return [RingKey(content)]


def _text(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text if all(character.isprintable() or character in "\r\n\t" for character in text) else None


_READERS: Final = {
    Form.DOCUMENT: _read_document,
    Form.LINES: _read_lines,
    Form.RAW: _read_raw,
    Form.FOREIGN: _read_foreign,
}
