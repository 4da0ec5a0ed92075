"""The format of grant records, and how one of an earlier version becomes one of this.

A member more, of the grant or of one of its parts, needs no new format: whoever does not know it keeps it as it is. A new format is for a
change after which an earlier version would misread the record. Then both versions must not work at once: the earlier one answers "not
now" for records of the later one, and touches none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from vestibule import reasons
from vestibule.errors import Unavailable
from vestibule.protocol.json_documents import known_members, unknown_members

__all__ = ["FORMAT", "RecordTooNew", "Stored", "in_this_format"]

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is kept as a JSON object.

    Attributes:
        unknown: members that a later version wrote; kept as they are.
    """

    unknown: Record = field(default_factory=dict, repr=False, compare=False)

    def as_document(self) -> Record:
        """The JSON object; a tuple in it is an array."""
        document = {each.name: _as_stored(getattr(self, each.name)) for each in fields(self)}
        return {**document.pop("unknown"), **document}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_document` wrote, in this version or another."""
        return cls(**{**known_members(cls, document), "unknown": unknown_members(cls, document)})


def _as_stored(value: Any) -> Any:
    return value.as_document() if isinstance(value, Stored) else value


class RecordTooNew(Unavailable):
    """A record was written by a later release, in a format that this one does not know."""

    def __init__(self, number: object) -> None:
        super().__init__(reasons.STORE_UNAVAILABLE, f"a session's record has format {number!r}, of a later release")


def _numbered(record: Record) -> Record:
    """Format 1 is what was written before there were numbers."""
    return record


# The step at place n leads from format n to n + 1. Never changed once released.
_STEPS: Final[tuple[Callable[[Record], Record], ...]] = (_numbered,)

FORMAT: Final = len(_STEPS)
"""What this version writes."""


def in_this_format(record: Record) -> Record:
    """`record`, as this version would have written it, without its number.

    Raises:
        RecordTooNew: see there.
    """
    number = record.get("format", 0)
    if type(number) is not int or not 0 <= number <= FORMAT:
        raise RecordTooNew(number)
    record = {name: value for name, value in record.items() if name != "format"}
    for step in _STEPS[number:]:
        record = step(record)
    return record
