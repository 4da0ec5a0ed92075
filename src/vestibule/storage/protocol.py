"""What a store is: four atomic verbs on versioned records."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from secrets import randbits
from typing import Protocol, runtime_checkable

from vestibule import reasons
from vestibule.errors import Unavailable

__all__ = ["Record", "RecordBusy", "Store", "new_version"]


class RecordBusy(Unavailable):
    """One record cannot be had for the moment; of the others, and of the store, it tells nothing."""

    def __init__(self, detail: str) -> None:
        super().__init__(reasons.STORE_UNAVAILABLE, detail)


@dataclass(frozen=True, slots=True)
class Record:
    """What a store keeps under a key.

    Attributes:
        value: the content.
        version: what :meth:`Store.swap` compares; new at every write and never the same twice.
        expires_at: seconds since the epoch; from then on the record is absent.
    """

    value: bytes
    version: int
    expires_at: float


@runtime_checkable
class Store(Protocol):
    """Records by key. Every verb is atomic, also between processes that share the store.

    Times to live are seconds from now. Every verb raises :class:`~vestibule.errors.Unavailable` when the backend fails, and
    nothing else; a write whose answer was lost may or may not have happened.

    A store whose server can carry news to other processes at once also has an attribute ``announcements``, see
    :mod:`vestibule.storage.announcements`. Without it they find out by reading.
    """

    async def get(self, key: str) -> Record | None:
        """The record, or None if there is none or it has expired."""
        ...

    async def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        """Write a record if there is none under the key (an expired one does not count).

        Returns:
            Whether it was written.
        """
        ...

    async def swap(self, key: str, version: int, value: bytes | None, ttl: float) -> bool:
        """Replace the record, or delete it (`value` None), if it still has the version.

        Returns:
            Whether it was done.
        """
        ...

    def scan(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        """Every record whose key starts with the prefix. What is written meanwhile may or may not be seen."""
        ...

    async def purge(self, limit: int = 1000) -> int:
        """Remove expired records, at most `limit`, and tell how many."""
        ...

    async def aclose(self) -> None:
        """Let go of files and connections."""
        ...


def new_version() -> int:
    """A version no record had before: 62 random bits, so that a record deleted and made anew never repeats one."""
    return randbits(62) + 1
