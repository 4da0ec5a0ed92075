"""Sealed artefacts open for their purpose and place, with a listed key, and for nothing else."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.events import Event
from vestibule.keys import base64url
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer, sealed_by
from vestibule.storage.memory import MemoryStore
from vestibule.storage.sealed import SealedRecords

OLD, NEW = "old secret " * 4, "new secret " * 4
PURPOSES = ("client-id", "login", "consent", "record", "code", "")
sealer = Sealer(KeyRing.from_secrets(OLD))


@given(plaintext=st.binary(max_size=200), bound_to=st.binary(max_size=50), purpose=st.text(max_size=20))
def test_what_was_sealed_opens(plaintext: bytes, bound_to: bytes, purpose: str) -> None:
    assert sealer.open(purpose, sealer.seal(purpose, plaintext, bound_to=bound_to), bound_to=bound_to) == plaintext


@pytest.mark.parametrize(("made_for", "used_as"), list(permutations(PURPOSES, 2)))
def test_an_artefact_opens_for_no_other_purpose(made_for: str, used_as: str) -> None:
    sealed = sealer.seal(made_for, b"content", bound_to=b"place")
    assert sealer.open(used_as, sealed, bound_to=b"place") is None


def test_an_artefact_opens_in_no_other_place() -> None:
    sealed = sealer.seal("record", b"content", bound_to=b"grant/1")
    assert sealer.open("record", sealed, bound_to=b"grant/2") is None
    assert sealer.open("record", sealed) is None


@given(st.text())
def test_text_that_was_not_sealed_does_not_open(text: str) -> None:
    assert sealer.open("record", text) is None


@given(st.binary(max_size=100), st.booleans())
def test_bytes_that_were_not_sealed_do_not_open(data: bytes, with_key_id: bool) -> None:
    prefix = sealer.seal_bytes("record", b"")[:4] if with_key_id else b""
    assert sealer.open_bytes("record", prefix + data) is None


@given(st.data())
def test_no_bit_can_be_changed(data: st.DataObject) -> None:
    sealed = bytearray(sealer.seal_bytes("record", b"content"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert sealer.open_bytes("record", bytes(sealed)) is None


def test_there_is_one_text_for_an_artefact() -> None:
    sealed = sealer.seal("client-id", b"content?")
    last = sealed[-1]
    others = {sealed + "=", sealed + "\n", " " + sealed, sealed.replace("-", "+").replace("_", "/") + "=="}
    others |= {sealed[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter != last}
    assert all(sealer.open("client-id", other) is None for other in others - {sealed})


def test_sealing_twice_gives_two_texts() -> None:
    assert sealer.seal("login", b"same") != sealer.seal("login", b"same")


def test_rotation_keeps_what_the_old_key_sealed_until_it_is_retired() -> None:
    sealed = sealer.seal("client-id", b"content")
    rotated = Sealer(KeyRing.from_secrets([NEW, OLD]))
    assert rotated.open("client-id", sealed) == b"content"
    assert sealed_by(base64url.decode(sealed) or b"") == KeyRing.from_secrets(OLD).current.id
    fresh = rotated.seal("client-id", b"content")
    assert sealer.open("client-id", fresh) is None
    retired = Sealer(KeyRing.from_secrets(NEW))
    assert retired.open("client-id", fresh) == b"content"
    assert retired.open("client-id", sealed) is None


@given(st.binary())
def test_base64url_reads_back_what_it_wrote(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


class TestRecords:
    pytestmark = pytest.mark.anyio

    async def test_a_record_is_read_as_it_was_written(self) -> None:
        records = SealedRecords(MemoryStore(), sealer)
        assert await records.put_new("grant/1", {"subject": "ü"}, 60)
        content, version = await records.get("grant/1") or ({}, 0)
        assert content == {"subject": "ü"}
        assert await records.swap("grant/1", version, {"subject": "b"}, 60)
        assert not await records.swap("grant/1", version, None, 60)

    @pytest.mark.spec("RF-11", "PX-13")
    async def test_the_store_holds_nothing_readable(self) -> None:
        store = MemoryStore()
        await SealedRecords(store, sealer).put_new("grant/1", {"access_token": "upstream-token"}, 60)
        held = [record.value async for _, record in store.scan("")]
        assert len(held) == 1
        assert b"upstream-token" not in held[0]
        assert b"access_token" not in held[0]

    async def test_a_record_that_was_moved_counts_as_absent(self, caplog: pytest.LogCaptureFixture) -> None:
        store = MemoryStore()
        records = SealedRecords(store, sealer)
        await records.put_new("grant/1", {"subject": "a"}, 60)
        stolen = await store.get("grant/1")
        assert stolen is not None
        await store.put_new("grant/2", stolen.value, 60)
        await store.put_new("grant/3", b'{"subject":"b"}', 60)
        assert await records.get("grant/2") is None
        assert await records.get("grant/3") is None
        assert records.unreadable == 2
        assert "grant record" in caplog.text

    async def test_a_record_of_a_retired_key_counts_as_absent(self) -> None:
        store = MemoryStore()
        await SealedRecords(store, sealer).put_new("grant/1", {}, 60)
        assert await SealedRecords(store, Sealer(KeyRing.from_secrets([NEW, OLD]))).get("grant/1") is not None
        assert await SealedRecords(store, Sealer(KeyRing.from_secrets(NEW))).get("grant/1") is None

    async def test_unreadable_records_are_told_once_a_kind(self, events: list[Event]) -> None:
        store = MemoryStore()
        of_before = SealedRecords(store, sealer)
        for key in ("grant/1", "grant/2", "spent/1"):
            await of_before.put_new(key, {}, 60)
        records = SealedRecords(store, Sealer(KeyRing.from_secrets(NEW)))
        for key in ("grant/1", "grant/2", "spent/1"):
            assert await records.get(key) is None
        assert records.unreadable == 3
        assert [(event.name, event.reason, event.detail.split()[0]) for event in events] == [
            ("operator", "record_unreadable", "grant"),
            ("operator", "record_unreadable", "spent"),
        ]

    @pytest.mark.spec("TK-28")
    async def test_what_was_spent_under_a_lost_key_stays_spent(self) -> None:
        store = MemoryStore()
        assert await SealedRecords(store, sealer).put_new("spent/1", {}, 60)
        assert not await SealedRecords(store, Sealer(KeyRing.from_secrets(NEW))).put_new("spent/1", {}, 60)
