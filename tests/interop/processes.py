"""Programs that a test starts, talks to, and stops by their process id."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**further: str) -> dict[str, str]:
    """The surrounding variables without those that would send loopback traffic elsewhere or leak settings in."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    kept = {name: value for name, value in kept.items() if not name.startswith(("VESTIBULE_", "FASTMCP_"))}
    return {**kept, **further}


def stop(process: subprocess.Popen) -> None:
    """End a process and wait for it, by force if it does not listen."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until_it_listens(process: subprocess.Popen, port: int, log: Path, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not _accepts(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"no listener on port {port}; its log ends: {log.read_text()[-3000:]}")
        time.sleep(0.05)


@contextmanager
def listening(command: list[str], *, port: int, log: Path, env: Mapping[str, str], cwd: Path | None = None) -> Iterator[Path]:
    """Run a server until the block ends.

    Yields:
        The file that its output goes to.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=dict(env), cwd=cwd)
        try:
            _wait_until_it_listens(process, port, log)
            yield log
        finally:
            stop(process)


class Talk:
    """A program that is talked to line by line.

    Args:
        terminal: it is given a terminal of its own, as some programs ask for one.
    """

    def __init__(self, command: list[str], *, env: Mapping[str, str], cwd: Path | None = None, terminal: bool = False) -> None:
        self._ours, theirs = (end.detach() for end in socket.socketpair()) if not terminal else pty.openpty()
        try:
            self._process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(env), cwd=cwd)
        finally:
            os.close(theirs)
        self._rest = b""
        self.heard: list[str] = []

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_exc: object) -> None:
        stop(self._process)
        os.close(self._ours)

    def say(self, line: str) -> None:
        """Send one line."""
        os.write(self._ours, line.encode() + b"\n")

    def hear(self, prefix: str, seconds: float = 60.0) -> str:
        """Read until a line starts with `prefix`; returns what follows it on that line."""
        deadline = time.monotonic() + seconds
        while (line := self._line(deadline)) is not None:
            self.heard.append(line)
            if line.startswith(prefix):
                return line[len(prefix) :].strip()
        raise AssertionError(f"never said {prefix!r}, but:\n" + "\n".join(self.heard))

    def finish(self, seconds: float = 60.0) -> int:
        """Read to the end; returns the exit status."""
        deadline = time.monotonic() + seconds
        while (line := self._line(deadline)) is not None:
            self.heard.append(line)
        return self._process.wait(max(0.1, deadline - time.monotonic()))

    def _line(self, deadline: float) -> str | None:
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            piece = self._read() if ready else b""
            if not piece:
                last, self._rest = self._rest, b""
                return last.decode(errors="replace") if last else None
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    def _read(self) -> bytes:
        try:
            return os.read(self._ours, 65536)
        except OSError:  # how a terminal says that its program has ended
            return b""
