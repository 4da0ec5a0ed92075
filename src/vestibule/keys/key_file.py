"""The file that the keys of a server are kept in, shared by all its processes and by whoever rotates them.

It is replaced as a whole and never written in place, so that nobody reads half of it, and read anew when it changes, so that nothing
has to be restarted. The file may be a symbolic link whose target is swapped, as container platforms mount secrets.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from stat import S_IMODE
from typing import Final

from vestibule import reasons
from vestibule.errors import ConfigurationError
from vestibule.events import Event, emit
from vestibule.keys.key_forms import MAX_BYTES, SECRET_BYTES, Form, form_of, read_keys, write_keys
from vestibule.keys.private_files import close_to_others, create_private_file, replacing
from vestibule.keys.ring_key import RingKey

__all__ = ["KeyFile", "WatchedKeys", "key_file_path", "new_key"]

_log = logging.getLogger("vestibule.keys")

_SCHEME: Final = "file:"

Mark = tuple[int, int, int, int]
"""What tells one state of a file from another: device, inode, time of the last change, size."""


def key_file_path(setting: object) -> Path | None:
    """The file that a ``jwt_signing_key`` names, as a path or as ``file:///path/to/keys``; None if it is the secret itself."""
    if isinstance(setting, os.PathLike):
        return Path(setting).expanduser()
    if isinstance(setting, str) and setting.startswith(_SCHEME):
        return Path(setting.removeprefix(_SCHEME).removeprefix("//")).expanduser()
    return None


def new_key(now: float, *, active_from: float, taken: Collection[str] = ()) -> RingKey:
    """A key of 32 random bytes whose id none of the others has."""
    while True:
        key = RingKey(secrets.token_bytes(SECRET_BYTES), created_at=now, active_from=active_from)
        if key.id not in taken:
            return key


class KeyFile:
    """Reads and changes a key file.

    Args:
        path: where it is.
        generated: whether we keep it ourselves: it is made where it is missing, and closed to other users.
        check: refuses the secrets of a file that was written by hand, by :class:`~vestibule.errors.ConfigurationError`.

    Attributes:
        path: where it is, absolute.
        generated: the same.
    """

    def __init__(self, path: Path, *, generated: bool = False, check: Callable[[bytes], object] | None = None) -> None:
        self.path = path.absolute()
        self.generated = generated
        self._check = check

    def create(self, now: float) -> None:
        """Put a first key there if there is no file. Of several processes that start at once one does, and all read the same.

        Raises:
            ConfigurationError: the file cannot be created.
        """
        try:
            if not self.path.exists() and create_private_file(self.path, write_keys([new_key(now, active_from=now)])):
                _log.info("a new signing key was generated in %s", self.path)
        except OSError as error:
            raise ConfigurationError(
                f"The signing key file {self.path} cannot be created ({error.strerror}); set jwt_signing_key."
            ) from error

    def mark(self) -> Mark:
        """The state of the file, without reading it.

        Raises:
            ConfigurationError: there is no such file, or it cannot be looked at.
        """
        try:
            state = self.path.stat()
        except OSError as error:
            raise self._unusable(error) from error
        return state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size

    def read(self) -> tuple[RingKey, ...]:
        """The keys in the file.

        Raises:
            ConfigurationError: it cannot be read, or what it holds is damaged or can be guessed.
        """
        content = self._content()
        try:
            keys = read_keys(content, generated=self.generated)
        except ValueError as error:
            raise ConfigurationError(
                f"The signing key file {self.path} is damaged: {error}. Restore it; without it, all sessions end."
            ) from None
        if self._check is not None and form_of(content, generated=self.generated) is not Form.DOCUMENT:
            for key in keys:
                self._check(key.secret)
        return keys

    def change(self, rule: Callable[[tuple[RingKey, ...]], Sequence[RingKey]]) -> tuple[RingKey, ...]:
        """Replace the keys by what `rule` makes of them; of several changes at once none is lost.

        Returns:
            The keys as they now are.

        Raises:
            ConfigurationError: the file cannot be read or written, or is one that is written by hand.
        """
        try:
            target = self.path.resolve()
            with replacing(target) as draft:
                keys = tuple(rule(self._keys_to_change() if target.exists() else ()))
                draft.write(write_keys(keys))
        except OSError as error:
            raise ConfigurationError(
                f"The signing key file {self.path} cannot be changed ({error.strerror}). Where it is mounted from elsewhere, "
                "change it there."
            ) from error
        return keys

    def tighten(self) -> None:
        """Close a file of ours to other users; only warn of one that is the operator's, which what a link leads to is too.

        Raises:
            ConfigurationError: that cannot be done.
        """
        try:
            is_ours = self.generated and not self.path.is_symlink()
            mode = S_IMODE(self.path.stat().st_mode)
            if os.name != "posix" or not mode & (0o077 if is_ours else 0o007):
                return
            if not is_ours:
                _log.warning("%s can be read by every user of this machine", self.path)
                return
            close_to_others(self.path)
            _log.warning("%s could be read by other users of this machine; its mode is now 0600", self.path)
        except OSError as error:
            raise self._unusable(error) from error

    def _keys_to_change(self) -> tuple[RingKey, ...]:
        keys = self.read()
        if form_of(self._content(), generated=self.generated) is Form.LINES:
            raise ConfigurationError(
                f"{self.path} holds one secret a line and is yours to edit: append the new secret, and when every process has read it "
                "move it to the first line. Docs: how-to/keys.md."
            )
        return keys

    def _content(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> ConfigurationError:
        hint = f"; make it: vestibule keys new --file {self.path}" if isinstance(error, FileNotFoundError) else ""
        return ConfigurationError(f"The signing key file {self.path} cannot be used ({error.strerror}){hint}.")


class WatchedKeys:
    """The keys of a file, read anew when it changes: a :class:`~vestibule.keys.keyring.KeySource`.

    While the file is missing or damaged, or holds none of the keys in force, these stay so; the log and an ``operator`` event say so
    once. A rotation always leaves one of them: the next key was in the file before it took over.

    Attributes:
        file: the same.

    Raises:
        ConfigurationError: it cannot be read at the start.
    """

    def __init__(self, file: KeyFile) -> None:
        self.trouble = ""
        self.file = file
        self._mark = file.mark()  # before reading: what changes meanwhile is read again
        self._keys = file.read()
        self._refused: tuple[Mark, str] | None = None

    def keys(self) -> tuple[RingKey, ...]:
        try:
            self._read_changes()
        except ConfigurationError as error:
            self._tell(error)
        else:
            self._end_of_trouble()
        return self._keys

    def _read_changes(self) -> None:
        mark = self.file.mark()
        if self._refused is not None and self._refused[0] == mark:
            raise ConfigurationError(self._refused[1])
        if mark != self._mark:
            self._keys, self._mark = self._read(mark), mark
            _log.info("the keys in %s have changed: %s", self.file.path, ", ".join(key.id for key in self._keys))
        self._refused = None

    def _read(self, mark: Mark) -> tuple[RingKey, ...]:
        """What is damaged stays so until the file changes; what could not be read at all may be readable the next time."""
        try:
            keys = self.file.read()
            self._check_related(keys)
        except ConfigurationError as error:
            if not isinstance(error.__cause__, OSError):
                self._refused = mark, str(error)
            raise
        return keys

    def _check_related(self, keys: Sequence[RingKey]) -> None:
        """Else another file was put there, and all sessions would end."""
        if {key.key_id for key in keys}.isdisjoint(key.key_id for key in self._keys):
            raise ConfigurationError(
                f"The signing key file {self.file.path} holds none of the keys in force: put one of them back beside the new ones, or "
                "restart to end all sessions."
            )

    def _end_of_trouble(self) -> None:
        if self.trouble:
            self.trouble = ""
            _log.info("the keys in %s can be read again", self.file.path)

    def _tell(self, error: ConfigurationError) -> None:
        if not self.trouble:
            detail = f"{error} The keys that were read before stay in force."
            _log.error("%s", detail)
            emit(Event(name="operator", reason=reasons.KEY_FILE.code, detail=detail))
        self.trouble = str(error)
