"""The file that keys are kept in: what it may hold, how it is replaced, and what a server makes of it while it runs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vestibule.errors import ConfigurationError
from vestibule.events import Event
from vestibule.keys.key_file import KeyFile, WatchedKeys, key_file_path, new_key
from vestibule.keys.key_forms import write_keys
from vestibule.keys.keyring import LOOK_SECONDS, KeyRing
from vestibule.keys.ring_key import RingKey
from vestibule.keys.sealing import Sealer
from vestibule.testing import FakeClock

OLD, NEW = b"old-secret-" * 4, b"new-secret-" * 4
RAW = bytes(range(200, 232))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def add(file: KeyFile, now: float, active_from: float | None = None) -> RingKey:
    key = new_key(now, active_from=now if active_from is None else active_from)
    file.change(lambda keys: [*keys, key])
    return key


def secrets_in(path: Path, **options: bool) -> list[bytes]:
    return [key.secret for key in KeyFile(path, **options).read()]


def replace(path: Path, content: bytes) -> None:
    draft = path.with_name("draft")
    draft.write_bytes(content)
    draft.replace(path)


class TestForms:
    def test_a_document_keeps_everything_about_a_key(self, path: Path) -> None:
        kept = [RingKey(OLD, created_at=1.5, active_from=2.0, only_registrations=True), RingKey(NEW, active_from=3.0)]
        path.write_bytes(write_keys(kept))
        read = KeyFile(path).read()
        assert [vars(key) for key in read] == [vars(RingKey(key.secret, **_times(key))) | _ids(key) for key in kept]

    def test_one_secret_a_line_and_the_first_signs(self, path: Path) -> None:
        path.write_bytes(NEW + b"\r\n\n" + OLD)
        assert secrets_in(path) == [NEW, OLD]

    def test_a_text_is_what_a_secret_of_the_environment_was(self, path: Path) -> None:
        path.write_bytes(NEW + b"\n")
        assert KeyFile(path).read()[0].id == KeyRing.from_secrets(NEW).current.id

    def test_a_pem_is_one_secret(self, path: Path) -> None:
        """Its first line is known to everybody."""
        pem = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIFoo\n-----END PRIVATE KEY-----"
        path.write_bytes(pem + b"\n")
        assert secrets_in(path) == [pem]

    @pytest.mark.parametrize("content", [RAW, RAW * 2, b'{"' + RAW[2:], b"operator's own secret, with a line break\n"])
    def test_what_an_earlier_release_generated_stays_byte_for_byte(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        assert secrets_in(path, generated=True) == [content]
        assert KeyFile(path, generated=True).read()[0].id == KeyRing.from_secrets(content).current.id

    def test_raw_bytes_are_read_wherever_they_are(self, path: Path) -> None:
        path.write_bytes(RAW)
        assert secrets_in(path) == [RAW]

    @pytest.mark.parametrize("generated", [True, False])
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b" \n",
            bytes(64),
            RAW[:31],
            b"{",
            b'{"keys": []}',
            b'{"keys": [{}]}',
            b'{"keys": [7]}',
            b'{"keys": [{"secret": "c2hvcnQ"}]}',
            write_keys([RingKey(OLD)])[:-20],
            write_keys([RingKey(OLD)])[:-20] + bytes(20),
            write_keys([RingKey(OLD)]).replace(b'"active_from": 0', b'"active_from": "soon"'),
            write_keys([RingKey(OLD)]).replace(RingKey(OLD).id.encode(), b"00000000"),
            write_keys([RingKey(OLD, only_registrations=True)]),
            b"a" * 70_000,
        ],
    )
    def test_what_is_damaged_is_no_key_and_is_left_alone(self, path: Path, content: bytes, generated: bool) -> None:
        path.write_bytes(content)
        file = KeyFile(path, generated=generated)
        with pytest.raises(ConfigurationError, match=r"keys is damaged"):
            file.read()
        with pytest.raises(ConfigurationError, match=r"keys is damaged"):
            file.change(lambda keys: [*keys, RingKey(NEW)])
        assert path.read_bytes() == content
        assert os.listdir(path.parent) == ["keys"]

    @pytest.mark.parametrize("generated", [True, False])
    def test_a_document_that_an_editor_gave_a_mark_in_front_stays_one(self, path: Path, generated: bool) -> None:
        path.write_bytes(b"\xef\xbb\xbf" + write_keys([RingKey(OLD)]))
        assert secrets_in(path, generated=generated) == [OLD]

    @pytest.mark.parametrize("generated", [True, False])
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
    @pytest.mark.parametrize("text", [write_keys([RingKey(OLD)]).decode(), OLD.decode(), "only16characters"])
    def test_text_in_another_encoding_is_no_secret(self, path: Path, encoding: str, text: str, generated: bool) -> None:
        path.write_bytes(text.encode(encoding))
        with pytest.raises(ConfigurationError, match="neither UTF-8 text nor"):
            KeyFile(path, generated=generated).read()

    def test_bytes_of_another_length_are_no_secret_of_an_operators_file(self, path: Path) -> None:
        path.write_bytes(RAW * 2)
        with pytest.raises(ConfigurationError, match="neither UTF-8 text nor"):
            KeyFile(path).read()

    def test_comments_among_lines_are_no_secrets(self, path: Path) -> None:
        path.write_bytes(b"\xef\xbb\xbf# keys of production, changed every quarter\n" + NEW + b"\n# the one before\n" + OLD)
        assert secrets_in(path) == [NEW, OLD]

    @pytest.mark.parametrize(
        "line", ["keys of production, changed every quarter", "JWT_SIGNING_KEY=/etc/vestibule/keys.json", f"{OLD.decode()} "]
    )
    def test_prose_and_settings_are_no_secrets(self, path: Path, line: str) -> None:
        path.write_text(f"{NEW.decode()}\n{line}\n")
        with pytest.raises(ConfigurationError, match="line 2 is no bare secret") as caught:
            KeyFile(path).read()
        assert line.strip() not in str(caught.value)

    @pytest.mark.parametrize("count", [30, 31, 32])
    def test_base64_is_a_secret_with_its_padding(self, path: Path, count: int) -> None:
        secret = b64encode(bytes(range(count)))
        path.write_bytes(secret + b"\n")
        assert secrets_in(path) == [secret]

    def test_a_flipped_bit_is_noticed(self, path: Path) -> None:
        document = json.loads(write_keys([RingKey(OLD)]))
        secret = document["keys"][0]["secret"]
        document["keys"][0]["secret"] = ("A" if secret[0] != "A" else "B") + secret[1:]
        path.write_text(json.dumps(document))
        with pytest.raises(ConfigurationError, match="do not belong together") as caught:
            KeyFile(path).read()
        assert secret[1:] not in str(caught.value)

    def test_secrets_that_were_written_by_hand_are_checked(self, path: Path) -> None:
        def refuse(secret: bytes) -> None:
            raise ConfigurationError("too weak")

        path.write_bytes(NEW)
        with pytest.raises(ConfigurationError, match="too weak"):
            KeyFile(path, check=refuse).read()

    @pytest.mark.parametrize(
        ("setting", "named"),
        [
            (Path("/etc/keys"), "/etc/keys"),
            ("file:///etc/keys", "/etc/keys"),
            ("file:/etc/keys", "/etc/keys"),
            ("file:keys", "keys"),
            ("a secret", None),
            (b"file:/etc/keys", None),
            (["file:/etc/keys"], None),
            (None, None),
        ],
    )
    def test_a_setting_names_a_file_or_does_not(self, setting: object, named: str | None) -> None:
        assert key_file_path(setting) == (Path(named) if named else None)


def _times(key: RingKey) -> dict:
    return {"created_at": key.created_at, "active_from": key.active_from, "only_registrations": key.only_registrations}


def _ids(key: RingKey) -> dict:
    return {"key_id": key.key_id, "_derived": {"sealing key id": key.derive("sealing key id")}}


class TestReplacing:
    def test_a_file_is_created_once_and_private(self, tmp_path: Path) -> None:
        path = tmp_path / "home" / "state.key"
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: KeyFile(path, generated=True).create(0), range(40)))
        assert len(secrets_in(path)) == 1
        assert path.stat().st_mode & 0o7777 == 0o600
        assert path.parent.stat().st_mode & 0o7777 == 0o700
        assert os.listdir(path.parent) == ["state.key"]

    def test_of_many_changes_at_once_none_is_lost(self, path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            added = list(pool.map(lambda _: add(KeyFile(path), 0).id, range(40)))
        assert sorted(key.id for key in KeyFile(path).read()) == sorted(added)
        assert os.listdir(path.parent) == ["keys"]

    def test_of_many_commands_at_once_none_is_lost(self, path: Path) -> None:
        command = [sys.executable, "-c", "from vestibule.cli import main; main()", "keys", "new", "--file", str(path)]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=path.parent) for _ in range(6)]
        said = [process.communicate()[0] for process in running]
        assert sorted(key.id for key in KeyFile(path).read()) == sorted(line[:8] for line in said)

    def test_readers_see_the_old_file_or_the_new_one(self, path: Path) -> None:
        file = KeyFile(path)
        first = add(file, 0)

        def look_while_changing(keys: tuple[RingKey, ...]) -> list[RingKey]:
            assert [key.id for key in KeyFile(path).read()] == [first.id]
            return [*keys, RingKey(NEW)]

        file.change(look_while_changing)
        assert len(file.read()) == 2

    def test_a_change_that_fails_changes_nothing(self, path: Path) -> None:
        file = KeyFile(path)
        add(file, 0)
        before = path.read_bytes()
        with pytest.raises(ZeroDivisionError):
            file.change(lambda keys: [keys[1 // 0]])
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == ["keys"]

    def test_what_an_earlier_release_generated_becomes_a_document_by_the_first_change(self, path: Path) -> None:
        path.write_bytes(RAW)
        add(KeyFile(path, generated=True), 0)
        assert secrets_in(path, generated=True)[0] == RAW
        assert json.loads(path.read_bytes())["keys"][0]["id"] == RingKey(RAW).id

    def test_a_file_that_is_written_by_hand_is_left_to_the_hand(self, path: Path) -> None:
        path.write_bytes(NEW)
        with pytest.raises(ConfigurationError, match="yours to edit"):
            add(KeyFile(path), 0)
        assert path.read_bytes() == NEW

    @pytest.mark.parametrize(("mode", "after"), [(0o600, 0o600), (0o640, 0o640), (0o644, 0o640), (0o400, 0o600)])
    def test_a_changed_file_is_readable_for_whom_it_was_and_for_nobody_else(self, path: Path, mode: int, after: int) -> None:
        add(KeyFile(path), 0)
        path.chmod(mode)
        add(KeyFile(path), 0)
        assert path.stat().st_mode & 0o7777 == after

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")
    def test_where_root_changes_a_servers_file_it_stays_the_servers(self, path: Path) -> None:
        add(KeyFile(path), 0)
        os.chown(path, 4711, 4712)
        add(KeyFile(path), 0)
        state = path.stat()
        assert (state.st_uid, state.st_gid, state.st_mode & 0o777) == (4711, 4712, 0o600)

    def test_a_file_that_is_put_in_the_place_of_the_draft_is_left_alone(self, path: Path) -> None:
        """Whoever owns the folder could otherwise be given any file of root's, who runs the command."""
        file = KeyFile(path)
        add(file, 0)
        before, elsewhere = path.read_bytes(), path.with_name("elsewhere")
        elsewhere.write_bytes(b"of somebody else")
        elsewhere.chmod(0o644)

        def swap_meanwhile(keys: tuple[RingKey, ...]) -> list[RingKey]:
            draft = path.with_name(".keys.new")
            draft.unlink()
            draft.symlink_to(elsewhere)
            if os.geteuid() == 0:
                os.chown(path, 4711, 4712)
            return [*keys, RingKey(NEW)]

        owner = elsewhere.stat().st_uid
        with pytest.raises(ConfigurationError, match="another file in the place of"):
            file.change(swap_meanwhile)
        state = elsewhere.stat()
        assert (state.st_uid, state.st_mode & 0o777, elsewhere.read_bytes()) == (owner, 0o644, b"of somebody else")
        assert path.read_bytes() == before

    def test_what_a_link_leads_to_is_not_ours_to_close(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        elsewhere = path.with_name("elsewhere")
        elsewhere.write_bytes(RAW)
        elsewhere.chmod(0o644)
        path.symlink_to(elsewhere)
        KeyFile(path, generated=True).tighten()
        assert elsewhere.stat().st_mode & 0o777 == 0o644
        assert "can be read by every user" in caplog.text

    def test_a_draft_that_was_left_behind_is_told_of(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("vestibule.keys.private_files._PATIENCE_SECONDS", 0)
        path.with_name(".keys.new").touch()
        with pytest.raises(
            ConfigurationError, match=r"\.keys\.new is there: another command changes the file, or one was killed"
        ):
            add(KeyFile(path), 0)

    def test_a_link_stays_a_link(self, path: Path) -> None:
        target = path.with_name("elsewhere")
        path.symlink_to(target)
        add(KeyFile(path), 0)
        assert path.is_symlink()
        assert len(secrets_in(target)) == 1

    def test_an_open_file_of_ours_is_closed_and_one_of_the_operators_is_warned_of(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path.write_bytes(RAW)
        path.chmod(0o644)
        KeyFile(path).tighten()
        assert path.stat().st_mode & 0o777 == 0o644
        assert "can be read by every user" in caplog.text
        KeyFile(path, generated=True).tighten()
        assert path.stat().st_mode & 0o777 == 0o600
        assert "could be read by other users" in caplog.text

    @pytest.mark.parametrize("generated", [True, False])
    def test_a_file_that_cannot_be_is_a_matter_of_configuration(self, tmp_path: Path, generated: bool) -> None:
        (tmp_path / "home").write_text("")
        file = KeyFile(tmp_path / "home" / "keys", generated=generated)
        for attempt in (lambda: file.create(0), file.mark, file.read, lambda: add(file, 0)):
            with pytest.raises(ConfigurationError, match=r"home/keys cannot be"):
                attempt()

    def test_a_missing_file_is_told_with_the_command_that_makes_it(self, path: Path) -> None:
        with pytest.raises(ConfigurationError, match=f"vestibule keys new --file {path}"):
            WatchedKeys(KeyFile(path))


class TestWatching:
    def test_a_new_key_is_published_at_once_and_signs_when_its_time_has_come(self, path: Path, clock: FakeClock) -> None:
        file = KeyFile(path)
        old = add(file, clock.now())
        ring = KeyRing(WatchedKeys(file), clock)
        sealer = Sealer(ring)
        new = add(file, clock.now(), clock.now() + 60)
        made_elsewhere = KeyRing.of([new]).mac("code", b"data")
        clock.advance(LOOK_SECONDS)
        assert [key["kid"] for key in ring.jwks()["keys"]] == [old.signing_key.kid, new.signing_key.kid]
        assert ring.mac_fits("code", b"data", made_elsewhere)
        assert (ring.current.id, ring.signing_key.kid) == (old.id, old.signing_key.kid)
        clock.advance(60 - LOOK_SECONDS - 1)
        sealed = sealer.seal_bytes("record", b"content")
        assert sealed[:4] == old.key_id
        clock.advance(1)
        assert (ring.current.id, ring.signing_key.kid) == (new.id, new.signing_key.kid)
        assert sealer.seal_bytes("record", b"content")[:4] == new.key_id
        assert sealer.open_bytes("record", sealed) == b"content"

    def test_the_file_is_looked_at_every_few_seconds_and_when_the_clock_was_set_back(
        self, path: Path, clock: FakeClock
    ) -> None:
        file = KeyFile(path)
        add(file, clock.now())
        ring = KeyRing(WatchedKeys(file), clock)
        add(file, clock.now())
        clock.advance(LOOK_SECONDS - 0.1)
        assert len(ring) == 1
        clock.advance(0.1)
        assert len(ring) == 2
        add(file, clock.now())
        clock.advance(-3600)
        assert len(ring) == 3

    def test_what_no_key_made_is_a_reason_to_look_at_once(self, path: Path, clock: FakeClock) -> None:
        file = KeyFile(path)
        add(file, clock.now())
        ring = KeyRing(WatchedKeys(file), clock)
        tag = KeyRing.of([add(file, clock.now() + 1)]).mac("code", b"data")
        assert ring.mac_fits("code", b"data", tag)
        sealed = Sealer(KeyRing.of([add(file, clock.now() + 2)])).seal("record", b"content")
        assert Sealer(ring).open("record", sealed) == b"content"
        file.change(lambda keys: keys[:1])
        assert not ring.mac_fits("code", b"data", b"garbage of a length")
        assert len(ring) == 1

    def test_a_retired_key_serves_registrations_and_nothing_else(self, clock: FakeClock) -> None:
        before = KeyRing.of([RingKey(NEW, active_from=2), RingKey(OLD, active_from=1)], clock)
        after = KeyRing.of([RingKey(NEW, active_from=2), RingKey(OLD, active_from=1, only_registrations=True)], clock)
        old = KeyRing.of([RingKey(OLD)])
        assert [key.kid for key in after.verification_keys] == [before.signing_key.kid]
        for purpose in ("code", "refresh", "consent", "client-secret"):
            tag = old.mac(purpose, b"data")
            assert before.mac_fits(purpose, b"data", tag)
            assert after.mac_fits(purpose, b"data", tag) is (purpose == "client-secret")
        for purpose in ("record", "login", "consent", "client-id"):
            sealed = Sealer(old).seal(purpose, b"content")
            assert Sealer(before).open(purpose, sealed) == b"content"
            assert (Sealer(after).open(purpose, sealed) == b"content") is (purpose == "client-id")

    def test_where_no_key_is_active_yet_the_first_to_be_signs(self, clock: FakeClock) -> None:
        """The clock of this machine is behind that of the one where the file was made."""
        soon, later = (RingKey(secret, active_from=clock.now() + wait) for secret, wait in ((OLD, 1), (NEW, 60)))
        assert KeyRing.of([later, soon], clock).current.id == soon.id

    def test_listeners_are_told_when_keys_have_left(self, path: Path, clock: FakeClock) -> None:
        file = KeyFile(path)
        add(file, clock.now())
        ring = KeyRing(WatchedKeys(file), clock)
        told: list[int] = []
        ring.on_retired(lambda: told.append(len(ring)))
        add(file, clock.now())
        clock.advance(LOOK_SECONDS)
        assert (len(ring), told) == (2, [])
        file.change(lambda keys: keys[1:])
        clock.advance(LOOK_SECONDS)
        assert (len(ring), told) == (1, [1])

    @pytest.mark.parametrize("content", [b"", b"{", RAW[:20], RAW, write_keys([RingKey(NEW)]), None])
    def test_while_the_file_is_damaged_the_keys_in_force_stay_and_it_is_told_once(
        self, path: Path, clock: FakeClock, events: list[Event], caplog: pytest.LogCaptureFixture, content: bytes | None
    ) -> None:
        file = KeyFile(path)
        old = add(file, clock.now())
        good, ring = path.read_bytes(), KeyRing(WatchedKeys(file), clock)
        if content is None:
            path.unlink()
        else:
            replace(path, content)
        for _ in range(3):
            clock.advance(LOOK_SECONDS)
            assert ring.current.id == old.id
        assert str(path) in ring.trouble
        assert [(event.name, event.reason) for event in events] == [("operator", "key_file")]
        replace(path, good)
        new = add(file, clock.now())
        clock.advance(LOOK_SECONDS)
        assert (ring.trouble, ring.current.id) == ("", new.id)
        assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
        path.unlink()
        clock.advance(LOOK_SECONDS)
        assert len(ring) == 2
        assert len(events) == 2

    def test_a_mounted_secret_whose_folder_is_swapped(self, tmp_path: Path, clock: FakeClock) -> None:
        """As Kubernetes does it: the file is a link into a folder that is a link, and that one is replaced."""

        def mount(name: str, content: bytes) -> None:
            (tmp_path / name).mkdir()
            (tmp_path / name / "keys").write_bytes(content)
            (tmp_path / "..tmp").symlink_to(name)
            (tmp_path / "..tmp").replace(tmp_path / "..data")

        mount("..2026_01", OLD)
        (tmp_path / "keys").symlink_to(Path("..data", "keys"))
        ring = KeyRing(WatchedKeys(KeyFile(tmp_path / "keys")), clock)
        mount("..2026_02", NEW + b"\n" + OLD)
        clock.advance(LOOK_SECONDS)
        assert [key.secret for key in ring.keys] == [NEW, OLD]

    def test_a_file_is_not_read_again_while_it_stays_the_same(self, path: Path, clock: FakeClock) -> None:
        add(KeyFile(path), clock.now())
        ring = KeyRing(WatchedKeys(KeyFile(path)), clock)
        key = ring.current
        clock.advance(100 * LOOK_SECONDS)
        assert ring.current is key

    def test_a_damaged_file_is_read_once_however_much_garbage_comes(self, path: Path, clock: FakeClock) -> None:
        read: list[bytes] = []

        class CountedFile(KeyFile):
            def read(self) -> tuple[RingKey, ...]:
                read.append(self.path.read_bytes())
                return super().read()

        file = CountedFile(path)
        add(file, clock.now())
        ring = KeyRing(WatchedKeys(file), clock)
        good = path.read_bytes()
        replace(path, b"{")
        read.clear()
        for _ in range(5):
            assert not ring.mac_fits("code", b"data", b"garbage of a length")
        assert read == [b"{"]
        assert "damaged" in ring.trouble
        replace(path, good)
        assert not ring.mac_fits("code", b"data", b"garbage of a length")
        assert ring.trouble == ""

    def test_what_could_not_be_read_at_all_is_tried_again(self, path: Path, clock: FakeClock) -> None:
        """The file does not change by it that a process has files to spare again."""
        file = KeyFile(path)
        add(file, clock.now())
        ring = KeyRing(WatchedKeys(file), clock)
        add(file, clock.now())
        clock.advance(LOOK_SECONDS)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            trouble = ring.trouble
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert "Too many open files" in trouble
        clock.advance(LOOK_SECONDS)
        assert (ring.trouble, len(ring)) == ("", 2)
