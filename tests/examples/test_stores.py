"""The examples that differ by where sessions are kept: a file, memory, and a real Redis under several starts."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.examples.test_auth0 import AUDIENCE, EXAMPLES, auth0, served
from tests.interop.processes import free_port
from tests.stores.servers import RedisServer, running

from vestibule.testing import DevelopmentProvider, ScriptedClient, ScriptedUser
from vestibule.testing.client import CallRefused
from vestibule.testing.session import ToolSession

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def provider() -> Iterator[DevelopmentProvider]:
    with DevelopmentProvider() as running:
        yield running


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running(RedisServer()) as server:
        yield server


@pytest.mark.parametrize(("example", "lasts"), [("oidc_proxy.py", True), ("memory_store.py", False)])
async def test_any_openid_provider(example: str, lasts: bool, provider: DevelopmentProvider, tmp_path: Path) -> None:
    """With a file, which is the default, a session outlives a restart; in memory it does not."""
    port = free_port()
    given = auth0(provider, port, "OIDC_") | {"BASE_URL": f"http://localhost:{port}"}
    client = ScriptedClient(f"http://localhost:{port}/mcp", user=ScriptedUser("alice"))
    try:
        with served(EXAMPLES / example, tmp_path, port, **given):
            await client.login()
            assert await processed(client) == "Processed: x"
        begin_anew(client)
        with served(EXAMPLES / example, tmp_path, port, **given):
            if lasts:
                assert await processed(client) == "Processed: x"
            else:
                with pytest.raises(CallRefused):
                    await processed(client)
    finally:
        await client.aclose()


def begin_anew(client: ScriptedClient) -> None:
    """MCP's own session ends with the process, the sign-in does not."""
    client.session = ToolSession(client.http, client.resource_url)


def text_of(result: dict[str, Any]) -> str:
    return str(result["content"][0]["text"])


async def answer_at(port: int, client: ScriptedClient) -> int:
    """The status that another process answers with, which a balancer hands the same requests."""
    asked = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "balanced", "version": "1"}}
    headers = {
        "authorization": f"Bearer {client.tokens['access_token']}",
        "accept": "application/json, text/event-stream",
        "host": client.resource_url.removeprefix("http://").partition("/")[0],
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked}
    async with httpx2.AsyncClient(trust_env=False) as http:
        return (await http.post(f"http://127.0.0.1:{port}/mcp", json=body, headers=headers)).status_code


async def processed(client: ScriptedClient) -> str:
    return text_of(await client.call_tool("protected_tool", {"data": "x"}))


async def test_production_with_redis(provider: DevelopmentProvider, redis: RedisServer, tmp_path: Path) -> None:
    """A session goes on after a restart, and at a second process; nothing that Redis holds can be read there."""
    port, second = free_port(), free_port()
    given = auth0(provider, port, "AUTH0_") | {
        "BASE_URL": f"http://localhost:{port}",
        "JWT_SIGNING_KEY": base64.b64encode(os.urandom(32)).decode(),
        "STORAGE_ENCRYPTION_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(redis.port),
        "VESTIBULE_AUTH0_REVOCATION_DELAY_SECONDS": "0",
    }
    example, url = EXAMPLES / "auth0" / "production.py", f"http://localhost:{port}/mcp"
    async with ScriptedClient(url, user=ScriptedUser("alice")) as client:
        with served(example, tmp_path, port, **given):
            await client.login()
            assert text_of(await client.call_tool("whoami")) == "alice"
        begin_anew(client)
        (tmp_path / "other").mkdir()
        with served(example, tmp_path, port, **given), served(example, tmp_path / "other", second, **given):
            assert text_of(await client.call_tool("whoami")) == "alice"
            await client.refresh()
            assert text_of(await client.call_tool("whoami")) == "alice"
            assert await answer_at(second, client) == 200
            await client.revoke()
            assert await answer_at(second, client) == 401
    written = b"".join(path.read_bytes() for path in redis.folder.rglob("*.aof"))
    assert b"vestibule:" in written
    for plain in (b"alice", b"access_token", AUDIENCE.encode()):
        assert plain not in written
