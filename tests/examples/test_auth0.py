"""The examples, started by their documented command and walked by a client."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from tests.interop.processes import environment, free_port, listening

from vestibule.testing import DevelopmentProvider, ScriptedClient, ScriptedUser

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "examples"
RUN = [sys.executable, "-c", "from vestibule.cli import main; main()", "run"]
AUDIENCE = "https://api.example.com"


@pytest.fixture(scope="module")
def provider() -> Iterator[DevelopmentProvider]:
    with DevelopmentProvider() as running:
        yield running


@contextmanager
def served(example: Path, folder: Path, port: int, **variables: str) -> Iterator[str]:
    """The example as its docstring says to run it, in a clean folder. Gives the URL of its endpoint."""
    command = [*RUN, str(example), "--transport", "http", "--port", str(port)]
    env = environment(VESTIBULE_HOME=str(folder / "home"), **variables)
    with listening(command, port=port, log=folder / "log", env=env, cwd=folder):
        yield f"http://localhost:{port}/mcp"


async def tool_result(url: str, tool: str) -> dict[str, object]:
    async with ScriptedClient(url, user=ScriptedUser("alice")) as client:
        await client.login()
        return await client.call_tool(tool)


def auth0(provider: DevelopmentProvider, port: int, prefix: str) -> dict[str, str]:
    return {
        f"{prefix}CONFIG_URL": provider.config_url,
        f"{prefix}CLIENT_ID": provider.client_id,
        f"{prefix}CLIENT_SECRET": provider.client_secret or "",
        f"{prefix}AUDIENCE": AUDIENCE,
        f"{prefix}BASE_URL": f"http://localhost:{port}",
    }


async def test_the_server_with_arguments(provider: DevelopmentProvider, tmp_path: Path) -> None:
    port = free_port()
    given = auth0(provider, port, "AUTH0_")
    base_url = given.pop("AUTH0_BASE_URL")
    with served(EXAMPLES / "auth0" / "server.py", tmp_path, port, BASE_URL=base_url, **given) as url:
        result = await tool_result(url, "get_token_info")
    info = result["structuredContent"]
    assert isinstance(info, dict)
    assert (info["issuer"], info["audience"]) == (provider.issuer, AUDIENCE)


async def test_the_server_that_only_the_environment_tells(provider: DevelopmentProvider, tmp_path: Path) -> None:
    """The lines of env.example, with the values of this provider."""
    port = free_port()
    values = auth0(provider, port, "VESTIBULE_AUTH0_")
    (tmp_path / "secret").write_text(values["VESTIBULE_AUTH0_CLIENT_SECRET"] + "\n")
    values["VESTIBULE_AUTH0_CLIENT_SECRET"] = f"file:{tmp_path / 'secret'}"
    lines = (EXAMPLES / "auth0" / "env.example").read_text(encoding="utf-8").splitlines()
    names = [line.partition("=")[0] for line in lines if not line.startswith("#")]
    written = {
        **dict.fromkeys(names, ""),
        **values,
        "VESTIBULE_AUTH": "auth0",
        "VESTIBULE_AUTH0_REQUIRED_SCOPES": "openid,email",
    }
    assert set(written) == set(names)
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in written.items()))
    with served(EXAMPLES / "auth0" / "env_server.py", tmp_path, port) as url:
        result = await tool_result(url, "search_logs")
    assert "started" in str(result["content"])


async def test_people_and_machines(provider: DevelopmentProvider, tmp_path: Path) -> None:
    port = free_port()
    values = {**auth0(provider, port, "VESTIBULE_AUTH0_"), "VESTIBULE_AUTH": "auth0", "NIGHTLY_KEY": "key-of-the-job"}
    with served(EXAMPLES / "machines_and_people.py", tmp_path, port, **values) as url:
        person = await tool_result(url, "whoami")
        async with ScriptedClient(url) as machine:
            machine.tokens = {"access_token": "key-of-the-job"}
            robot = await machine.call_tool("whoami")
    assert "by server" in str(person["content"])
    assert "nightly by keys" in str(robot["content"])


FOLLOW = """
import sys, asyncio
import httpx2
from vestibule.testing import ScriptedUser
async def main(url):
    from urllib.parse import parse_qs, urlsplit
    redirect_uri = parse_qs(urlsplit(url).query)["redirect_uri"][0]
    async with ScriptedUser("alice") as user:
        back = await user.visit(url, redirect_uri)
    async with httpx2.AsyncClient(trust_env=False) as client:
        await client.get(back)
asyncio.run(main(sys.argv[1]))
"""


async def test_the_client_signs_its_user_in(provider: DevelopmentProvider, tmp_path: Path) -> None:
    """A script takes the browser's place."""
    port = free_port()
    given = auth0(provider, port, "AUTH0_")
    base_url = given.pop("AUTH0_BASE_URL")
    (tmp_path / "follow.py").write_text(FOLLOW)
    browser = f"{sys.executable} {tmp_path / 'follow.py'} %s &"
    with served(EXAMPLES / "auth0" / "server.py", tmp_path, port, BASE_URL=base_url, **given) as url:
        env = environment(BROWSER=browser, HOME=str(tmp_path))
        command = [sys.executable, str(EXAMPLES / "auth0" / "client.py"), url]
        with anyio.fail_after(60):
            done = await anyio.run_process(command, env=env, check=False)
    assert f"Auth0 audience: {AUDIENCE}" in done.stdout.decode(), done.stderr.decode()[-2000:]
