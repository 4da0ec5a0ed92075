"""Two versions at work at once: during an update the older one reads what the newer one wrote, in the store and in browsers."""

import json
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import KEY, Stage, open_consent, query_of

from vestibule.errors import Unavailable
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.memory import MemoryStore
from vestibule.storage.sealed import SealedRecords
from vestibule.storage.sqlite import SQLiteStore
from vestibule.testing import FakeClock
from vestibule.testing.client import StepFailed

pytestmark = pytest.mark.anyio

FIRST = Path(__file__).with_name("samples") / "first"
SEALER = Sealer(KeyRing.from_secrets(KEY))


def of_a_later_version(value: Any) -> Any:
    """`value` with one more member in each of its objects, except the user's claims."""
    if not isinstance(value, dict):
        return value
    return {**{name: item if name == "claims" else of_a_later_version(item) for name, item in value.items()}, "later": 1}


async def test_a_session_that_a_later_version_wrote(staged: SetStage, clock: FakeClock):
    store = MemoryStore(clock)
    client = await (await staged(store=store, revocation_delay_seconds=0)).signed_in()
    await client.refresh()
    records = SealedRecords(store, SEALER)
    [key] = [key async for key, _ in store.scan("grant/")]
    found = await records.get(key)
    assert found is not None
    assert await records.swap(key, found[1], of_a_later_version(found[0]), 3600)
    assert (await client.call_tool("whoami"))["subject"] == "alice"
    assert (await client.refresh())["access_token"]


async def test_what_a_later_version_added_is_kept(staged: SetStage, clock: FakeClock):
    """Otherwise the update would lose it wherever a process of before has changed a record last."""
    store = MemoryStore(clock)
    client = await (await staged(store=store)).signed_in()
    records = SealedRecords(store, SEALER)
    [key] = [key async for key, _ in store.scan("grant/")]
    record, version = await records.get(key) or ({}, 0)
    parts = {part: {**record[part], "later": part} for part in ("code", "upstream")}
    assert await records.swap(key, version, {**record, **parts, "later": {"more": [1]}}, 3600)
    await client.refresh()
    changed, later_version = await records.get(key) or ({}, 0)
    assert later_version != version
    assert changed["later"] == {"more": [1]}
    assert [changed[part]["later"] for part in parts] == list(parts)
    await client.revoke()
    ended, _ = await records.get(key) or ({}, 0)
    assert "later" not in ended, "it may be what the end of a session takes away"


async def test_a_session_of_before_there_were_formats(staged: SetStage, clock: FakeClock):
    store = MemoryStore(clock)
    client = await (await staged(store=store, revocation_delay_seconds=0)).signed_in()
    records = SealedRecords(store, SEALER)
    [key] = [key async for key, _ in store.scan("grant/")]
    record, version = await records.get(key) or ({}, 0)
    members = (
        "id",
        "client_id",
        "redirect_uri",
        "scopes",
        "resource",
        "subject",
        "claims",
        "created_at",
        "expires_at",
        "code",
        "upstream",
    )
    first = {name: record[name] for name in (*members, "rotation")}
    for part, later in (("code", ["wrapped_key"]), ("rotation", ["wrapped_key", "previous_wrapped_key"])):
        first[part] = {name: value for name, value in record[part].items() if name not in later}
    assert await records.swap(key, version, first, 3600)
    assert (await client.call_tool("whoami"))["subject"] == "alice"
    assert (await client.refresh())["access_token"]


async def test_a_store_file_of_the_first_version(staged: SetStage, clock: FakeClock, tmp_path: Path):
    """What that version wrote: the file, the client's registration, a session refreshed once."""
    path = tmp_path / "state.sqlite3"
    shutil.copy(FIRST / "state.sqlite3", path)
    held = json.loads((FIRST / "client.json").read_text())
    assert clock.now() == held["now"]
    stage = await staged(store=SQLiteStore(path, clock))
    client = stage.client()
    await client.discover()
    client.registration, client.tokens = held["registration"], held["tokens"]
    assert (await client.call_tool("whoami"))["subject"] == "alice"
    assert (await client.refresh())["access_token"]
    assert (await client.call_tool("whoami"))["subject"] == "alice"
    await client.login()
    await stage.store.aclose()
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (1,)


async def test_a_store_file_of_a_later_version_is_not_now_and_stays(tmp_path: Path):
    path = tmp_path / "state.sqlite3"
    store = SQLiteStore(path)
    assert await store.put_new("a/1", b"kept", 60)
    await store.aclose()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 2")
    with pytest.raises(Unavailable, match="of a later release"):
        await store.put_new("a/2", b"value", 60)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT key FROM records").fetchall() == [("a/1",)]
        file.execute("PRAGMA user_version = 1")
    assert await store.get("a/1") is not None
    await store.aclose()


@pytest.mark.parametrize("number", [2, -1, "1", None, True])
async def test_a_record_in_a_later_format_is_not_now_and_stays(staged: SetStage, clock: FakeClock, number: object):
    """The process that can read it answers the next request."""
    store = MemoryStore(clock)
    stage = await staged(store=store, revocation_delay_seconds=0)
    client = await stage.signed_in()
    records = SealedRecords(store, SEALER)
    [key] = [key async for key, _ in store.scan("grant/")]
    record, version = await records.get(key) or ({}, 0)
    assert await records.swap(key, version, {**record, "format": number}, 3600)
    before = await store.get(key)
    for attempt in (client.call_tool("whoami"), client.refresh()):
        with pytest.raises(StepFailed) as refused:
            await attempt
        assert refused.value.status == 503
    assert await store.get(key) == before
    assert not {"reused", "revoked"} & set(stage.names())


async def test_a_login_that_a_later_version_began(stage: Stage):
    client = await stage.registered()
    page = await open_consent(client.user, client.start().url)
    handle = query_of(page.url)["login"]
    [cookie] = client.user.browser.cookies.jar
    content = SEALER.open("login", cookie.value or "", bound_to=handle.encode())
    assert content is not None
    later = json.dumps(of_a_later_version(json.loads(zlib.decompress(content)))).encode()
    cookie.value = SEALER.seal("login", zlib.compress(later), bound_to=handle.encode())
    answer = await client.user.browser.get(page.url)
    assert answer.status_code == 200
