"""``vestibule storage init``."""

from __future__ import annotations

from uuid import uuid4

import pytest
from click.testing import CliRunner
from tests.stores.servers import PostgresServer

from vestibule.cli import main


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["storage", "init", *arguments])
    return result.exit_code, result.output


def test_the_table_is_made_once(postgres_server: PostgresServer) -> None:
    name = f"db_{uuid4().hex}"
    place = [
        "-h",
        "127.0.0.1",
        "-p",
        str(postgres_server.port),
        "-U",
        "vestibule",
        "-d",
        "postgres",
        "-c",
        f"CREATE DATABASE {name}",
    ]
    postgres_server.run("psql", *place)
    url = postgres_server.url.replace("/postgres", f"/{name}").replace("vestibule@", "vestibule:hunter2@")
    first, second = run("--url", url), run("--url", url)
    assert first[0] == second[0] == 0
    assert "is ready" in first[1]
    assert "was ready before" in second[1]
    assert "hunter2" not in first[1] + second[1]


def test_other_stores_need_nothing() -> None:
    assert run("--url", "memory://")[0] == 0
    assert "nothing to prepare" in run("--url", "redis://localhost")[1]


def test_what_is_wrong_is_said_in_a_line() -> None:
    status, said = run("--url", "postgresql://someone:hunter2@127.0.0.1:1/name")
    assert status == 1
    assert "the server cannot be reached" in said
    assert "hunter2" not in said
    assert run()[0] == 1
