"""One line in the log for each trouble of a store, and one when it is over."""

from __future__ import annotations

import logging

from vestibule import reasons
from vestibule.errors import Unavailable

__all__ = ["Health"]

_log = logging.getLogger("vestibule.storage")


class Health:
    """Whether a store works, said once when that changes.

    Reading and writing are told apart: a replica that can only be read answers reads between the writes that fail, and works no better
    for it.

    Args:
        name: what the log calls the store; no credentials.
        level: how grave a failure is, a level of ``logging``.
    """

    def __init__(self, name: str, level: int = logging.ERROR) -> None:
        self._name = name
        self._level = level
        self._troubles: dict[bool, str] = {}

    def failed(self, trouble: str, *, is_read: bool) -> Unavailable:
        """Log what is wrong, once per kind of trouble, and return what to raise."""
        if trouble not in self._troubles.values():
            _log.log(self._level, "%s: %s", self._name, trouble)
        self._troubles[is_read] = trouble
        return Unavailable(reasons.STORE_UNAVAILABLE, trouble)

    def works(self, *, is_read: bool) -> None:
        """Say that the trouble is over, if there was any. Whatever can be written can be read."""
        if not self._troubles:
            return
        self._troubles.pop(True, None)
        if not is_read:
            self._troubles.clear()
        if not self._troubles:
            _log.info("%s works again", self._name)
