"""``vestibule storage init`` and ``vestibule config check``, beside servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from anyio import run as run_async
from click.testing import CliRunner
from tests.stores.servers import PostgresServer, RedisServer

from vestibule.cli import main


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["storage", "init", *arguments])
    return result.exit_code, result.output


def psql(server: PostgresServer, statement: str) -> None:
    place = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "vestibule", "-d", "postgres"]
    server.run("psql", *place, "-c", statement)


def test_the_table_is_made_once(postgres_server: PostgresServer) -> None:
    name = f"db_{uuid4().hex}"
    psql(postgres_server, f"CREATE DATABASE {name}")
    url = postgres_server.url.replace("/postgres", f"/{name}").replace("vestibule@", "vestibule:hunter2@")
    first, second = run("--url", url), run("--url", url)
    assert first[0] == second[0] == 0
    assert "is ready" in first[1]
    assert "was ready before" in second[1]
    assert "hunter2" not in first[1] + second[1]


SERVER = """
from vestibule import DebugTokenVerifier, OAuthProxy
from vestibule.storage.postgres import PostgresStore

auth = OAuthProxy(
    upstream_authorization_endpoint="https://idp.example/authorize",
    upstream_token_endpoint="https://idp.example/token",
    upstream_client_id="us",
    token_verifier=DebugTokenVerifier(validate=bool),
    base_url="https://mcp.example.com",
    jwt_signing_key="4Uu2m0V2cYx1oWv0cQmJtq0H3xkHhT8x5ZQ",
    client_storage={storage},
)
"""


def test_the_table_of_a_server_in_a_file(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """It may have a name that no URL tells."""
    table = f"records_{uuid4().hex}"
    (tmp_path / "notes.py").write_text(SERVER.format(storage=f"PostgresStore({postgres_server.url!r}, table={table!r})"))
    first, second = run("--server", "notes.py:auth"), run("--server", "notes.py:auth")
    assert "is ready" in first[1]
    assert "was ready before" in second[1]

    async def is_there() -> bool:
        connection = await asyncpg.connect(postgres_server.url)
        try:
            return await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table)
        finally:
            await connection.close()

    assert run_async(is_there)
    (tmp_path / "notes.py").write_text(SERVER.format(storage="'memory://'"))
    assert "nothing to prepare" in run("--server", "notes.py:auth")[1]


def test_other_stores_need_nothing() -> None:
    assert run("--url", "memory://")[0] == 0
    assert "nothing to prepare" in run("--url", "redis://localhost")[1]


def test_what_is_wrong_is_said_in_a_line() -> None:
    status, said = run("--url", "postgresql://someone:hunter2@127.0.0.1:1/name")
    assert status == 1
    assert "the server cannot be reached" in said
    assert "hunter2" not in said
    assert run()[0] == 1


# --- vestibule config check -------------------------------------------------------------------------------------------------------


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[int, str]]:
    """A bridge whose store is at a URL; gives what the check says of it."""
    values = {
        "CLIENT_ID": "us",
        "CLIENT_SECRET": "a secret of the provider",
        "BASE_URL": "https://mcp.example.com",
        "JWT_SIGNING_KEY": "4Uu2m0V2cYx1oWv0cQmJtq0H3xkHhT8x5ZQ",
    }
    monkeypatch.setenv("VESTIBULE_AUTH", "github")
    for name, value in values.items():
        monkeypatch.setenv(f"VESTIBULE_GITHUB_{name}", value)

    def checked(url: str) -> tuple[int, str]:
        monkeypatch.setenv("VESTIBULE_GITHUB_CLIENT_STORAGE", url)
        result = CliRunner().invoke(main, ["config", "check"], env={"COLUMNS": "300"})
        return result.exit_code, result.output

    return checked


def test_the_check_makes_no_table_and_uses_the_one_that_is_there(
    postgres_server: PostgresServer, configured: Callable[[str], tuple[int, str]]
) -> None:
    name = f"db_{uuid4().hex}"
    psql(postgres_server, f"CREATE DATABASE {name}")
    url = postgres_server.url.removesuffix("/postgres") + f"/{name}"
    status, said = configured(url)
    assert status == 0
    assert "the table is not there, or of an earlier release: the first use makes it, or vestibule storage init" in said
    assert configured(url) == (status, said)
    run("--url", url)
    assert configured(url) == (0, "This can work.\n")
    psql(postgres_server, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    status, said = configured(url)
    assert status == 1
    assert "the server is read-only; name the server that can be written." in said


def test_the_check_tells_a_redis_that_refuses_or_may_lose_records(
    redis_server: RedisServer, configured: Callable[[str], tuple[int, str]]
) -> None:
    assert configured(redis_server.url) == (0, "This can work.\n")
    status, said = configured(redis_server.url.replace("redis://", "redis://nobody:hunter2@"))
    assert status == 1
    assert "the server refuses the credentials; set the right user and password" in said
    assert "hunter2" not in said
    assert redis_server.ask("CONFIG", "SET", "appendonly", "no") == b"+OK"
    try:
        status, said = configured(redis_server.url)
    finally:
        assert redis_server.ask("CONFIG", "SET", "appendonly", "yes") == b"+OK"
    assert status == 0
    assert "it keeps no append-only file" in said
