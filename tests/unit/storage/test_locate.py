"""From the setting to a store, and what the log says about it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from traceback import format_exception

import pytest
from key_value.aio.stores.memory import MemoryStore as ForeignMemoryStore

from vestibule.errors import ConfigurationError
from vestibule.storage.key_value import KeyValueStore
from vestibule.storage.locate import ClientStorage, default_directory, key_path, open_store
from vestibule.storage.memory import MemoryStore
from vestibule.storage.postgres import PostgresStore
from vestibule.storage.protocol import Store
from vestibule.storage.redis import RedisStore
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


@pytest.mark.parametrize(
    ("url", "kind", "shown"),
    [
        ("redis://user:hunter2@host:6380/1?socket_timeout=1", RedisStore, "redis://host:6380/1"),
        ("valkeys://user:hunter2@host", RedisStore, "valkeys://host"),
        (
            "redis+sentinel://:hunter2@a:1,b:2/service/0?sentinel_password=hunter2",
            RedisStore,
            "redis+sentinel://a:1,b:2/service/0",
        ),
        ("rediss+cluster://:hunter2@a,b:2", RedisStore, "rediss+cluster://a,b:2"),
        ("postgresql://user:hunter2@host/name?sslpassword=hunter2", PostgresStore, "postgresql://host/name"),
        ("postgres://user:hunter2@a,b/name", PostgresStore, "postgres://a,b/name"),
    ],
)
def test_a_url_of_a_server_is_opened_and_its_password_not_told(url: str, kind: type, shown: str, caplog) -> None:
    with caplog.at_level(logging.INFO, "vestibule"):
        store = opened(url)
    assert isinstance(store, kind)
    assert shown in caplog.text
    assert "hunter2" not in caplog.text + repr(store)


@pytest.mark.parametrize(
    ("scheme", "library", "extra"),
    [("redis", "redis", "redis"), ("valkeys+cluster", "redis", "redis"), ("postgresql", "asyncpg", "postgres")],
)
def test_a_store_whose_library_is_missing_names_its_extra(
    scheme: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("vestibule.storage.redis", "vestibule.storage.postgres"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError, match=rf"vestibule\[{extra}\]") as caught:
        opened(f"{scheme}://user:hunter2@host/0")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:hunter2@host:port",
        "redis://user:hunter2@host?socket_timeout=hunter2",
        "redis+sentinel://user:hunter2@host",
        "redis+cluster://user:hunter2@host:port",
        "redis://user:hunter2\u2100@host",
        "redis://user:hunter2[@host",
        "redis://user:?hunter2@host",
        "redis+other://user:hunter2@host",
    ],
)
def test_a_url_that_cannot_be_understood_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="client_storage") as caught:
        opened(url)
    assert "hunter2" not in str(caught.value)


def test_a_key_that_other_machines_lack_is_warned_of(caplog) -> None:
    with caplog.at_level(logging.WARNING, "vestibule"):
        key_path(opened(None), namespace=URL)
        assert "jwt_signing_key" not in caplog.text
        key_path(opened("redis://localhost"), namespace=URL)
    assert "jwt_signing_key" in caplog.text


@pytest.mark.parametrize(
    ("setting", "said"),
    [(None, "survive a restart"), ("memory://", "a restart ends them all"), (ForeignMemoryStore(), "compare-and-swap")],
)
def test_the_log_says_where_state_lives_and_for_how_long(setting: ClientStorage, said: str, caplog) -> None:
    with caplog.at_level(logging.INFO, "vestibule"):
        opened(setting)
    assert said in caplog.text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://host/notes", "port and database are numbers"),
        ("redis://:hun/ter2@host", "reserved characters in a password are percent-encoded"),
        ("redis://:ter2#hun@host", "reserved characters in a password are percent-encoded"),
        ("redis+cluster://:ter2#hun@host", "reserved characters in a password are percent-encoded"),
        ("redis+sentinel://host/service/notes", "port and database are numbers"),
        ("redis+sentinel://host", "names no service"),
        ("redis://host/0?sslca=/x", "sslca is no option"),
        ("redis://host/0?ssl_ca_certs=/x", "ssl_ca_certs is no option of a redis:// URL"),
        ("redis+cluster://host?sslca=/x", "sslca is no option"),
        ("redis+sentinel://host/service/0?sslca=/x", "sslca is no option"),
        ("redis://host/0?socket_timeout=", "option socket_timeout of the redis:// URL has no value"),
        ("redis://host/0?socket_timeout=long", "option socket_timeout of the redis:// URL has a value that cannot be used"),
        ("redis+cluster://host?max_connections=many", "option max_connections of"),
        ("redis+sentinel://host/service/0?protocol=9", "option protocol of"),
        ("rediss://host/0?ssl_cert_reqs=sometimes", "option ssl_cert_reqs of"),
        ("rediss://host/0?ssl_ca_certs=/no/such/file", "ssl_ca_certs names a file that is not there: /no/such/file"),
        ("postgresql://u:hunter2@host/db?sslmode=verify", "sslmode in the PostgreSQL URL is one of disable, .*, verify-full"),
        ("postgresql://u:hunter2@host/db?sslmod=require", "no option sslmod. Did you mean sslmode?"),
        ("postgresql://u:hunter2@host/db?sslmode=", "option sslmode of the PostgreSQL URL has no value"),
        ("postgresql://u:hunter2@host/db?hunter2", "cannot be understood; reserved characters"),
        ("postgresql://u:hunter2@host/db?target_session_attrs=master", "is one of any, primary"),
        ("postgresql://u:hunter2@host/db?ssl_min_protocol_version=SSLv3", "is one of TLSv1, "),
        (
            "postgresql://u:hunter2@host/db?sslrootcert=/no/such/file",
            "sslrootcert names a file that is not there: /no/such/file",
        ),
        ("postgresql://host/db?sslmode=verify-full&sslrootcert=system", "sslrootcert names a file that is not there: system"),
        ("postgresql://u:hunter2@host:port/db", "the port of the PostgreSQL URL is no number"),
        ("postgresql://u:hunter2@a:5432,b:70000/db", "the port of the PostgreSQL URL is no number"),
        ("postgresql://u:hunter2@[::1]:x/db", "the port of the PostgreSQL URL is no number"),
        ("postgresql://u:hunter2@/db?host=h&port=5432,x", "the port of the PostgreSQL URL is no number"),
        ("postgresql://u:hunter2@[::1/db", "cannot be understood"),
        ("postgresql://u:p@ss:hunter2@host/db", "more than one @"),
        ("postgresql://u:hun/ter2@host/db", "reserved characters in a password are percent-encoded"),
        ("postgresql://u:5432/hunter2@host/db", "more than one @"),
        ("postgresql://u:5432#hunter2@host/db", "more than one @"),
        ("postgresql://u@host/db?listen_url=mysql%3A%2F%2Fu%3Ahunter2%40x", "listen_url: a PostgreSQL URL starts with"),
        ("postgresql://u@host/db?listen_url=postgresql%3A%2F%2Fu%3Ahunter2%40x%3Ay", "listen_url: the port"),
    ],
)
def test_a_url_that_cannot_work_is_refused_before_the_first_request(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        open_store(url, namespace="x", public_url="x")
    assert "ter2" not in str(caught.value)
    assert "ter2" not in "".join(format_exception(caught.value)), "nor where nobody catches it"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host",
        "postgres:///db?host=/var/run/postgresql",
        "postgresql://%2Fvar%2Frun/db",
        "postgresql://u:p%40ss@[::1]:5432,host:5433/db?sslmode=verify-full&target_session_attrs=primary",
        "postgresql://host/db?application_name=notes&search_path=auth&statement_timeout=5s&options=-c%20geqo%3Doff",
        "postgresql://host/db?port=5432,5433&user=u&password=p&connect_timeout=3",
        "redis://user:password@host:6379/0?client_name=notes&socket_timeout=1.5&max_connections=7&health_check_interval=30&protocol=3",
        "rediss://user@host/0?ssl_cert_reqs=none&ssl_check_hostname=false",
        "redis+cluster://user:password@a:1,b:2?read_from_replicas=true&reinitialize_steps=2&max_connections=7&client_name=notes",
        "rediss+cluster://user:password@a:1,b:2?ssl_cert_reqs=none",
        "redis+sentinel://user:password@a:1,b:2/service/0?sentinel_username=u&sentinel_password=p&max_connections=7&client_name=notes",
        "valkeys+sentinel://a/service?ssl_cert_reqs=none",
    ],
)
def test_a_url_that_may_work_is_taken(url: str) -> None:
    assert open_store(url, namespace="x", public_url="x")
