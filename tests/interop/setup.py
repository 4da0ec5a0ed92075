"""Installs the real peers, once, into git-ignored folders beside this file.

Run it as ``python -m tests.interop.setup``; the fixtures call the same functions. Whatever cannot be installed raises
:class:`NotInstalled`, which a test turns into a skip with that reason, or into a failure where ``CI`` is set.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
NODE_FOLDER = HERE / "node"
CANAILLE_FOLDER = HERE / ".venv-canaille"
CANAILLE = "canaille[front,oidc,server,sqlite]==0.3.6"
CHROMIUM = Path("/usr/bin/chromium")


class NotInstalled(Exception):
    """A peer cannot be had here; the text says why."""


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """One installer at a time, also across test processes."""
    folder = HERE / ".venv-locks"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str], cwd: Path) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{command[0]}: {error}") from error
    if done.returncode:
        raise NotInstalled(f"{' '.join(command[:3])} failed: {(done.stderr or done.stdout)[-400:]}")


def _install(name: str, target: Path, wanted: str, install: Callable[[], None]) -> None:
    """Run `install` unless the stamp in `target` says that exactly `wanted` is there already."""
    stamp = target / ".vestibule-stamp"
    with _locked(name):
        if not stamp.exists() or stamp.read_text() != wanted:
            install()
            stamp.write_text(wanted)


def node_modules() -> Path:
    """Node 22 and the peers written for it.

    Returns:
        The ``node_modules`` folder.
    """
    modules = NODE_FOLDER / "node_modules"
    if shutil.which("npm") is None:
        raise NotInstalled("npm is not installed")
    wanted = hashlib.sha256((NODE_FOLDER / "package-lock.json").read_bytes()).hexdigest()
    _install("node", modules, wanted, lambda: _run(["npm", "ci", "--no-audit", "--no-fund"], NODE_FOLDER))
    return modules


def canaille() -> Path:
    """Canaille in a virtual environment of its own.

    Returns:
        Its command.
    """

    def install() -> None:
        _run([sys.executable, "-m", "venv", str(CANAILLE_FOLDER)], HERE)
        _run([str(CANAILLE_FOLDER / "bin/python"), "-m", "pip", "install", "--quiet", CANAILLE], HERE)

    _install("canaille", CANAILLE_FOLDER, CANAILLE, install)
    return CANAILLE_FOLDER / "bin/canaille"


def chromium() -> Path:
    """Debian's browser; Playwright only drives it."""
    if not CHROMIUM.exists():
        raise NotInstalled(f"{CHROMIUM} is not installed")
    return CHROMIUM


def required() -> bool:
    """Whether a missing peer is a failure and not a skip."""
    return bool(os.environ.get("CI"))


if __name__ == "__main__":
    for part in (node_modules, canaille, chromium):
        print(f"{part.__name__}: {part()}")
