"""Files and folders that only their owner can read, whatever the umask."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex

__all__ = ["create_private_file", "make_private_directory"]


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


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        path.chmod(0o600)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
