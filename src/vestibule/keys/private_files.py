"""Files and folders that only their owner can read, whatever the umask."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from stat import S_IMODE, S_ISREG
from typing import BinaryIO, Final

__all__ = ["close_to_others", "create_private_file", "make_private_directory", "replacing"]

_PATIENCE_SECONDS: Final = 10
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_BINARY", 0)


def make_private_directory(path: Path) -> None:
    """Create a folder and its missing parents with mode 0700. Folders that exist are left as they are.

    Raises:
        OSError: it cannot be created.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)  # the umask may have taken bits from the owner too


def create_private_file(path: Path, content: bytes = b"") -> bool:
    """Create a file with mode 0600 and all its content at once, unless it exists.

    The content is written under another name first and linked into place, so that of several processes exactly one creates
    the file and no other ever sees half of it.

    Returns:
        Whether this call created it.

    Raises:
        OSError: it cannot be created.
    """
    make_private_directory(path.parent)
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        _write(draft, content)
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def close_to_others(path: Path) -> None:
    """Set the mode of a file to 0600.

    Raises:
        OSError: that cannot be done, or a link stands there.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _NO_LINK)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Replace a file, or create it, by what is written meanwhile: readers see all of the old content or all of the new.

    The draft beside the file is the lock as well: while it exists, others wait. So what is read of the file inside the ``with`` block is
    what is replaced. An exception leaves the file as it was. Mode and owner stay, as far as nobody else may read it by them.

    The folder may be another user's than the one who runs this, e.g. the server's where root does: what that user puts in the place of the
    draft meanwhile is never written to, opened up or given away.

    Raises:
        OSError: it cannot be written, or somebody else's draft does not go away.
    """
    make_private_directory(path.parent)
    draft = path.with_name(f".{path.name}.new")
    descriptor = _open_alone(draft)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            _take_over_access(path, descriptor)
            os.fsync(descriptor)
            _check_same_file(draft, descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _keep_name(path)


def _open_alone(draft: Path) -> int:
    """Create the draft, when nobody else has one."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return os.open(draft, _NEW_FILE, 0o600)
        except FileExistsError:
            if time.monotonic() > deadline:
                raise FileExistsError(
                    17, f"{draft} is there: another command changes the file, or one was killed; remove it if none runs"
                ) from None
            time.sleep(0.02)


def _take_over_access(path: Path, descriptor: int) -> None:
    """Where root changes a server's file, it stays the server's. By the descriptor: the name may mean another file by now."""
    if os.name != "posix":
        return
    os.fchmod(descriptor, 0o600)
    state = _state_of_file(path)
    if state is None:
        return
    if (state.st_uid, state.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, state.st_uid, state.st_gid)
    os.fchmod(descriptor, S_IMODE(state.st_mode) & 0o040 | 0o600)


def _state_of_file(path: Path) -> os.stat_result | None:
    """The state of a regular file; None for anything else, a link included."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return None
    return state if S_ISREG(state.st_mode) else None


def _check_same_file(draft: Path, descriptor: int) -> None:
    """What gets the file's name is what was written."""
    state = _state_of_file(draft)
    if state is None or not os.path.samestat(state, os.fstat(descriptor)):
        raise OSError(errno.EBUSY, f"somebody put another file in the place of {draft}")


def _keep_name(path: Path) -> None:
    """Without this a loss of power may bring back the old file (fsync(2): the folder needs one of its own)."""
    if os.name == "posix":
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, _NEW_FILE, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if os.name == "posix":
            os.fchmod(descriptor, 0o600)  # the umask may have taken bits from the owner too
        file.write(content)
        file.flush()
        os.fsync(descriptor)
