"""What counts once, for every process of this server: the first to write its record has it."""

from __future__ import annotations

import hashlib
from typing import Final

from vestibule.storage.sealed import SealedRecords

__all__ = ["CLOCKS_DIFFER", "SpentRecords"]

CLOCKS_DIFFER: Final = 60
"""Seconds for which a record is kept besides: on a machine whose clock is slow, what it stands for is good for longer."""


class SpentRecords:
    """Records under ``spent/`` and a digest, each as long as what it stands for could be used again.

    Args:
        records: the sealed store.
    """

    def __init__(self, records: SealedRecords) -> None:
        self._records = records

    async def spend(self, kind: str, identity: str, ttl: float) -> bool:
        """Whether this is the first use within `ttl` seconds.

        Raises:
            Unavailable: the store does not answer.
        """
        return await self._records.put_new(_key(kind, identity), {}, ttl + CLOCKS_DIFFER)

    async def is_spent(self, kind: str, identity: str) -> bool:
        """Whether it was used before. A record that does not open counts, as it does for :meth:`spend`: what was used up stays so.

        Raises:
            Unavailable: the store does not answer.
        """
        _, version = await self._records.hold(_key(kind, identity))
        return version is not None


def _key(kind: str, identity: str) -> str:
    return "spent/" + hashlib.sha256(f"{kind} {identity}".encode()).hexdigest()
