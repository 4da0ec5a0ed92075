"""From the setting to a store, and what the log says about it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from key_value.aio.stores.memory import MemoryStore as ForeignMemoryStore

from vestibule.errors import ConfigurationError
from vestibule.storage.key_value import KeyValueStore
from vestibule.storage.locate import ClientStorage, default_directory, key_path, open_store
from vestibule.storage.memory import MemoryStore
from vestibule.storage.protocol import Store
from vestibule.storage.sqlite import SQLiteStore

URL = "https://mcp.example.com"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VESTIBULE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def opened(setting: ClientStorage, namespace: str = URL) -> Store:
    return open_store(setting, namespace=namespace, public_url=URL)


def sqlite_path(store: Store) -> Path | None:
    assert isinstance(store, SQLiteStore)
    return store.path


def test_the_default_is_a_file_of_ones_own_with_the_key_beside_it(home: Path) -> None:
    first, again, other = opened(None), opened(None), opened(None, "https://other.example.com")
    path = sqlite_path(first)
    assert path is not None
    assert path.parent == home == default_directory()
    assert sqlite_path(again) == path != sqlite_path(other)
    assert "example" not in path.name
    assert key_path(first, namespace=URL) == path.with_suffix(".key")
    assert key_path(MemoryStore(), namespace=URL) == path.with_suffix(".key")


def test_without_the_variable_the_platform_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VESTIBULE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setattr("sys.platform", "linux")
    assert default_directory() == Path("/data/vestibule")


def test_urls_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlite_path(opened(f"sqlite:///{tmp_path}/a.db")) == tmp_path / "a.db"
    assert sqlite_path(opened("sqlite:///folder/b.db")) == tmp_path / "folder" / "b.db"
    assert sqlite_path(opened(tmp_path / "c.db")) == tmp_path / "c.db"
    assert sqlite_path(opened("sqlite:///:memory:")) is None
    assert isinstance(opened("memory://"), MemoryStore)


def test_stores_are_taken_as_they_are_and_foreign_ones_adapted() -> None:
    store = MemoryStore()
    assert opened(store) is store
    assert isinstance(opened(ForeignMemoryStore()), KeyValueStore)


@pytest.mark.parametrize(
    "setting", ["", "memory", "sqlite://", "sqlite:///", "sqlite://host/x", "mysql://u:hunter2@h/d", 5, object()]
)
def test_a_setting_that_names_no_store_is_refused(setting) -> None:
    with pytest.raises(ConfigurationError, match="client_storage") as caught:
        opened(setting)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "valkey", "postgresql"])
def test_a_store_to_come_names_its_extra(scheme: str) -> None:
    with pytest.raises(ConfigurationError, match=r"vestibule\[(redis|postgres)\]") as caught:
        opened(f"{scheme}://user:hunter2@host/0")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "said"),
    [(None, "survive a restart"), ("memory://", "a restart ends them all"), (ForeignMemoryStore(), "compare-and-swap")],
)
def test_the_log_says_where_state_lives_and_for_how_long(setting: ClientStorage, said: str, caplog) -> None:
    with caplog.at_level(logging.INFO, "vestibule"):
        opened(setting)
    assert said in caplog.text
