"""No test reads the machine's own configuration."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with nothing configured yet."""
    for name in [name for name in os.environ if name.startswith(("VESTIBULE_", "FASTMCP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VESTIBULE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def runner() -> CliRunner:
    """Runs commands in this process."""
    return CliRunner()
