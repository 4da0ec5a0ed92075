"""The example of several processes behind nginx, started as its docstring says and walked while they are killed in turn."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from tests.examples.test_auth0 import EXAMPLES, RUN
from tests.examples.test_stores import begin_anew, text_of
from tests.interop.processes import environment, free_port, listening
from tests.stores.servers import RedisServer, missing, running

from vestibule.testing import DevelopmentProvider, ScriptedClient, ScriptedUser
from vestibule.testing.client import StepFailed

pytestmark = pytest.mark.anyio

_Result = TypeVar("_Result")

EXAMPLE = EXAMPLES / "replicas"
KEYS = [*RUN[:-1], "keys"]


@contextmanager
def nginx(folder: Path, front: int, ports: list[int]) -> Iterator[None]:
    """nginx with the example's file, on other ports."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin") or missing("nginx")
    text = (EXAMPLE / "nginx.conf").read_text().replace("listen 127.0.0.1:8000", f"listen 127.0.0.1:{front}")
    for written, port in zip((8001, 8002), ports, strict=True):
        text = text.replace(f"127.0.0.1:{written}", f"127.0.0.1:{port}")
    (folder / "nginx.conf").write_text(text)
    command = [str(program), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    with listening(command, port=front, log=folder / "nginx.log", env=os.environ):
        yield


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running(RedisServer()) as server:
        yield server


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A key file, made by the command."""
    path = tmp_path / "keys" / "keys.json"
    path.parent.mkdir(mode=0o700)
    subprocess.run([*KEYS, "new", "--file", str(path)], check=True, env=environment(), capture_output=True)
    return path


async def whoami(client: ScriptedClient) -> tuple[str, int]:
    """The subject, and the process that answered."""
    begin_anew(client)
    name, _, process = text_of(await client.call_tool("whoami")).partition(" at ")
    return name, int(process)


async def test_a_session_is_everywhere_at_once_and_outlives_each_process(
    redis: RedisServer, keys: Path, tmp_path: Path
) -> None:
    front, ports = free_port(), [free_port(), free_port()]
    with DevelopmentProvider() as provider, ExitStack() as running:
        env = environment(
            CONFIG_URL=provider.config_url,
            CLIENT_ID=provider.client_id,
            CLIENT_SECRET=provider.client_secret or "",
            BASE_URL=f"http://localhost:{front}",
            STORE_URL=redis.url,
            KEY_FILE=str(keys),
        )
        for port in ports:
            command = [*RUN, f"{EXAMPLE / 'server.py'}:app", "--port", str(port)]
            running.enter_context(listening(command, port=port, log=tmp_path / f"log-{port}", env=env, cwd=tmp_path))
        running.enter_context(nginx(tmp_path, front, ports))
        async with ScriptedClient(f"http://localhost:{front}/mcp", user=ScriptedUser("alice")) as client:
            await client.login()
            await _walk(client)


async def patiently(step: Callable[[], Awaitable[_Result]]) -> _Result:
    """What a client does that comes again when it is told to: a request that was on its way when the process died is not sent on."""
    for _ in range(5):
        try:
            return await step()
        except StepFailed as failed:
            if failed.status != 503:
                raise
    raise AssertionError("no process answers")


async def _walk(client: ScriptedClient) -> None:
    answered = [await whoami(client) for _ in range(6)]
    assert {name for name, _ in answered} == {"alice"}
    processes = {process for _, process in answered}
    assert len(processes) == 2
    os.kill(processes.pop(), signal.SIGKILL)
    await patiently(client.refresh)
    assert {await patiently(partial(whoami, client)) for _ in range(4)} == {("alice", processes.pop())}
