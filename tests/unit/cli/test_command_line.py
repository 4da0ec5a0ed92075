"""What holds for every command."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from vestibule.cli import main


def commands(group: click.Group = main, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield *path, name


COMMANDS = list(commands())


@pytest.mark.parametrize("written", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_tells_what_it_does(command: tuple[str, ...], written: str, runner: CliRunner) -> None:
    result = runner.invoke(main, [*command, written])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: {' '.join(['main', *command])} ")


@pytest.mark.parametrize(
    "command", [path for path in COMMANDS if len(path) == 2 and path[0] in ("keys", "sessions", "storage")], ids=" ".join
)
def test_whoever_works_on_a_server_can_be_told_which(command: tuple[str, ...], runner: CliRunner) -> None:
    told = " ".join(runner.invoke(main, [*command, "--help"]).stdout.split())
    whose = command[0] if command[0] != "storage" else "store"
    assert f"--server SERVER.py[:object] The server whose {whose}; default: the configured one." in told


def test_the_store_is_named_once(runner: CliRunner) -> None:
    result = runner.invoke(main, ["storage", "init", "--server", "notes.py", "--url", "memory://"])
    assert result.exit_code == 2
    assert "not both" in result.output
