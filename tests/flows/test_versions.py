"""Two versions at work at once: during an update the older one reads what the newer one wrote, in the store and in browsers."""

import json
import zlib
from typing import Any

import pytest
from tests.flows.conftest import SetStage
from tests.flows.stage import KEY, Stage, open_consent, query_of

from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer
from vestibule.storage.memory import MemoryStore
from vestibule.storage.sealed import SealedRecords
from vestibule.testing import FakeClock

pytestmark = pytest.mark.anyio

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
