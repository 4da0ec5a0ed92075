"""``vestibule keys`` on servers: what a key sealed is counted there, and sealed anew when the key is retired."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.stores.servers import Server

from vestibule.cli import main
from vestibule.keys.key_file import KeyFile
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer, sealed_by
from vestibule.storage.locate import open_store
from vestibule.storage.sealed import SealedRecords

RECORDS = 120


@pytest.fixture(params=["redis", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    server: Server = request.getfixturevalue(f"{request.param}_server")
    return server.url


async def fill(url: str, ring: KeyRing) -> None:
    store = open_store(url, namespace="", public_url="")
    async for key, record in store.scan(""):
        await store.swap(key, record.version, None, 0)
    records = SealedRecords(store, Sealer(ring))
    for number in range(RECORDS):
        assert await records.put_new(f"spent/{number}", {"number": number}, 600)
    await store.aclose()


async def kept(url: str, ring: KeyRing) -> tuple[set[str], list[int]]:
    """Which keys seal the records, and what is in them."""
    store = open_store(url, namespace="", public_url="")
    records = SealedRecords(store, Sealer(ring))
    found = [(sealed_by(record.value), records.open(key, record.value)) async for key, record in store.scan("")]
    await store.aclose()
    return {by for by, _ in found}, sorted(content["number"] for _, content in found if content is not None)


@pytest.mark.parametrize("compromised", [False, True])
def test_records_are_counted_and_sealed_anew(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compromised: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "keys.json"

    def keys(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["keys", *arguments, "--file", str(path)])
        assert result.exit_code == 0, result.output
        return result.stdout

    old = keys("new")[:8]
    asyncio.run(fill(url, KeyRing.of(KeyFile(path).read())))
    new = keys("new", "--in", "0")[:8]
    assert [line.split()[-2:] for line in keys("list", "--url", url).splitlines() if line.startswith(old)] == [
        [str(RECORDS), "0"]
    ]
    retired = keys("retire", old, "--yes", "--url", url, *(["--compromised"] if compromised else []))
    assert f"{RECORDS} records were sealed anew, 0 sessions were ended." in retired
    assert asyncio.run(kept(url, KeyRing.of(KeyFile(path).read()))) == ({new}, list(range(RECORDS)))
