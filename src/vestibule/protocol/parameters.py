"""Request parameters, read strictly (RFC 6749 §3.1, §3.2, appendix B).

Query and form body have the same encoding and the same reader. Nothing is repaired: what two readers could understand differently
is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl

from vestibule import reasons
from vestibule.errors import OAuthError

__all__ = ["MAX_REQUEST_BYTES", "Parameters", "parse_parameters"]

MAX_REQUEST_BYTES: Final = 64 * 1024
_MAX_FIELDS: Final = 200
_BROKEN_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1F\x7F]")


class Parameters:
    """The parameters of one request. Values may be secrets: the repr shows names only.

    A parameter sent without a value is as if omitted (RFC 6749 §3.1). One that was sent twice is an error as soon as somebody asks
    for it, so that an endpoint can still tell which of its checks is in doubt.
    """

    __slots__ = ("_repeatable", "_values")

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), *, repeatable: Collection[str] = frozenset({"resource"})) -> None:
        self._repeatable = frozenset(repeatable)
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def get(self, name: str) -> str | None:
        """The value of `name`; None if it is absent or empty.

        Raises:
            OAuthError: ``invalid_request``, if it was sent more than once.
        """
        values = self._values.get(name, ())
        if len(values) > 1:
            raise _repeated(name)
        return (values[0] or None) if values else None

    def require(self, name: str) -> str:
        """The value of `name`.

        Raises:
            OAuthError: ``invalid_request``, if it is absent, empty, or was sent more than once.
        """
        value = self.get(name)
        if value is None:
            raise OAuthError("invalid_request", reasons.PARAMETER_MISSING, f"{name} is missing")
        return value

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of `name` that is not empty, in order; for parameters that may be repeated (RFC 8707 §2)."""
        return tuple(value for value in self._values.get(name, ()) if value)

    def check_no_repeats(self) -> None:
        """Check that nothing was sent twice but what may be, known or not (RFC 6749 §3.1).

        Raises:
            OAuthError: ``invalid_request``, naming the parameter.
        """
        for name, values in self._values.items():
            if len(values) > 1 and name not in self._repeatable:
                raise _repeated(name)

    def __contains__(self, name: object) -> bool:
        return any(self._values.get(name, ())) if isinstance(name, str) else False

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Parameters({', '.join(sorted(self._values))})"


def parse_parameters(
    raw: bytes, *, repeatable: Collection[str] = frozenset({"resource"}), max_bytes: int = MAX_REQUEST_BYTES
) -> Parameters:
    """Read a query string or an ``application/x-www-form-urlencoded`` body.

    Args:
        raw: the bytes as they came.
        repeatable: the parameters that may come more than once.
        max_bytes: the longest input that is read.

    Raises:
        OAuthError: ``invalid_request``; status 413 if it is too long, 400 for a broken percent-encoding, text that is not UTF-8,
            control characters or too many fields.
    """
    if len(raw) > max_bytes:
        raise OAuthError("invalid_request", reasons.REQUEST_TOO_LARGE, f"more than {max_bytes} bytes", status=413)
    if _BROKEN_PERCENT.search(raw):
        raise _malformed("broken percent-encoding")
    pairs = _decode(raw)
    if any(_CONTROL.search(text) for pair in pairs for text in pair):
        raise _malformed("control character in a parameter")
    return Parameters(pairs, repeatable=repeatable)


def _decode(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except UnicodeDecodeError:
        raise _malformed("not UTF-8") from None
    except ValueError:
        raise _malformed(f"more than {_MAX_FIELDS} parameters") from None


def _malformed(detail: str) -> OAuthError:
    return OAuthError("invalid_request", reasons.REQUEST_MALFORMED, detail)


def _repeated(name: str) -> OAuthError:
    return OAuthError("invalid_request", reasons.PARAMETER_REPEATED, f"{name[:80]!a} was sent more than once")
