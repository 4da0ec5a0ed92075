"""Files and folders that only their owner can read, whatever the umask."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from stat import S_IMODE
from typing import BinaryIO, Final

__all__ = ["create_private_file", "make_private_directory", "replacing"]

_PATIENCE_SECONDS: Final = 10


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


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Replace a file, or create it, by what is written meanwhile: readers see all of the old content or all of the new.

    The draft beside the file is the lock as well: while it exists, others wait. So what is read of the file inside the ``with`` block is
    what is replaced. An exception leaves the file as it was. Mode and owner stay, as far as nobody else may read it by them.

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
            os.fsync(descriptor)
        _take_over_access(path, draft)
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
            return os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except FileExistsError:
            if time.monotonic() > deadline:
                raise FileExistsError(
                    17, f"{draft} is there: another command changes the file, or one was killed; remove it if none runs"
                ) from None
            time.sleep(0.02)


def _take_over_access(path: Path, draft: Path) -> None:
    """Where root changes a server's file, it stays the server's."""
    if os.name != "posix":
        return
    draft.chmod(0o600)
    if not path.exists():
        return
    state = path.stat()
    if (state.st_uid, state.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(draft, state.st_uid, state.st_gid)
    draft.chmod(S_IMODE(state.st_mode) & 0o040 | 0o600)


def _keep_name(path: Path) -> None:
    """Without this a loss of power may bring back the old file (fsync(2): the folder needs one of its own)."""
    if os.name == "posix":
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        path.chmod(0o600)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
