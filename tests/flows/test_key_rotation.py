"""Keys change while everything goes on: what a rotation must not lose, and what a retired key must close."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import click
import pytest
from anyio.to_thread import run_sync
from tests.flows.conftest import SetStage
from tests.flows.stage import BASE, LOOPBACK_URI, KnownProxy, Stage, call_status, decide, open_consent
from tests.flows.test_consent import BY_HAND, asked_again

from vestibule.cli.key_place import find_keys
from vestibule.cli.keys import add_key
from vestibule.cli.keys_retire import retire_key
from vestibule.clients.configured import ConfiguredClient
from vestibule.errors import ConfigurationError
from vestibule.grants.rekeying import key_use
from vestibule.keys.jwt import peek_header
from vestibule.keys.key_file import KeyFile, new_key
from vestibule.keys.keyring import LOOK_SECONDS, KeyRing
from vestibule.keys.sealing import Sealer, sealed_by
from vestibule.storage.protocol import Record
from vestibule.storage.sealed import SealedRecords
from vestibule.storage.sqlite import SQLiteStore
from vestibule.testing import FakeClock, ScriptedClient, ScriptedUser
from vestibule.testing.client import Attempt, StepFailed
from vestibule.testing.user import UnexpectedPage

pytestmark = pytest.mark.anyio

ACCESS_TOKEN_SECONDS = 3600
CONFIGURED = ConfiguredClient(client_id="configured", redirect_uris=(LOOPBACK_URI,))


@dataclass(kw_only=True)
class Keys:
    """The commands, on the files of a test."""

    folder: Path
    clock: FakeClock

    @property
    def path(self) -> Path:
        return self.folder / "keys.json"

    @property
    def database(self) -> Path:
        return self.folder / "state.sqlite3"

    @property
    def ids(self) -> list[str]:
        return [key.id for key in KeyFile(self.path).read()]

    async def new(self, delay: float = 60) -> str:
        await run_sync(partial(add_key, find_keys(self.path, None), delay, clock=self.clock))
        return self.ids[-1]

    async def retire(self, key_id: str, *, compromised: bool = False, yes: bool = False) -> None:
        place = find_keys(self.path, f"sqlite:///{self.database}")
        await run_sync(partial(retire_key, place, key_id, compromised=compromised, yes=yes, clock=self.clock))

    async def rotate(self) -> str:
        """A new key, in force everywhere; gives the old one."""
        old = self.ids[-1]
        await self.new()
        self.clock.advance(60 + LOOK_SECONDS)
        return old

    async def use(self) -> Any:
        """What hangs from each key."""
        ring = KeyRing.of(KeyFile(self.path).read(), self.clock)
        return await key_use(SealedRecords(SQLiteStore(self.database, self.clock), Sealer(ring)), self.clock)


@pytest.fixture
async def keys(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Keys:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())  # whoever asks gets no answer
    made = Keys(folder=tmp_path, clock=clock)
    await made.new()
    return made


@pytest.fixture
async def stage(staged: SetStage, keys: Keys, clock: FakeClock) -> Stage:
    return await staged(store=SQLiteStore(keys.database, clock), jwt_signing_key=keys.path, valid_scopes=["profile"])


def key_of(client: ScriptedClient) -> object:
    return (peek_header(client.tokens["access_token"]) or {})["kid"]


# --- a rotation loses nothing ---------------------------------------------------------------------------------------------------


@dataclass
class Traffic:
    """Clients of every age, and things that were begun in one moment and are finished in a later one."""

    stage: Stage
    clients: list[ScriptedClient] = field(default_factory=list)
    logins: list[tuple[ScriptedClient, str, Attempt]] = field(default_factory=list)
    codes: list[tuple[ScriptedClient, str, Attempt]] = field(default_factory=list)

    async def go_on(self) -> None:
        """Everything that was begun is finished, every client does all that it can, and new ones come."""
        for client, page, attempt in self.logins:
            code = client.finish(attempt, await client.user.visit(page, client.redirect_uri))
            await client.exchange(code, attempt)
        for client, code, attempt in self.codes:
            await client.exchange(code, attempt)
        for client in (*self.clients[:4], *self.clients[-8:]):
            assert await call_status(client) == 200
            before = client.tokens
            await client.refresh()
            assert (await client.refresh(refresh_token=before["refresh_token"]))["access_token"]  # its answer was lost
            assert await call_status(client, before["access_token"]) == 200
        again = [await self.signed_in_again(client) for client in (*self.clients[:2], *self.clients[-2:])]
        anew = [await self.stage.signed_in(), await self.stage.signed_in(auth_method="client_secret_basic")]
        self.clients += [*again, *anew, *(client for client, *_ in (*self.logins, *self.codes))]
        await self.begin()

    async def signed_in_again(self, client: ScriptedClient) -> ScriptedClient:
        """The same client with a further session, on another machine of its user."""
        other = self.stage.client(auth_method=client.auth_method)
        await other.discover()
        other.registration = client.registration
        await other.login()
        return other

    async def begin(self) -> None:
        client = await self.stage.registered()
        attempt = client.start()
        self.logins = [(client, (await open_consent(client.user, attempt.url)).url, attempt)]
        other = await self.stage.registered()
        self.codes = [(other, *await self.stage.with_code(other))]


@pytest.mark.spec("AT-04")
@pytest.mark.parametrize("protection", ["server", "client"])
async def test_a_rotation_from_beginning_to_end_loses_nothing(staged: SetStage, keys: Keys, clock: FakeClock, protection: str):
    stage = await staged(
        store=SQLiteStore(keys.database, clock), jwt_signing_key=keys.path, upstream_token_protection=protection
    )
    traffic = Traffic(stage)
    old = keys.ids[0]
    await traffic.go_on()
    new = await keys.new()
    for wait in (1, LOOK_SECONDS, 48, LOOK_SECONDS, 1, LOOK_SECONDS):  # unknown, known, almost in force, in force
        stage.clock.advance(wait)
        await traffic.go_on()
    assert all(key_of(client) == key_of(traffic.clients[-1]) for client in traffic.clients[-2:])
    stage.clock.advance(ACCESS_TOKEN_SECONDS - 30)
    for client in traffic.clients:
        await client.refresh()
    stage.clock.advance(90)
    await traffic.begin()
    use = await keys.use()
    assert (use.records[old], use.sessions[old]) == (1, 0), "the list of the user's sessions that has its name from that key"
    assert use.sessions[new] >= len(traffic.clients)
    await keys.retire(old)  # asks nothing, for there is nothing to ask about
    for wait in (0, LOOK_SECONDS, 1):
        stage.clock.advance(wait)
        await traffic.go_on()
    assert went_smoothly(stage)


def went_smoothly(stage: Stage, *expected: str) -> bool:
    """Nothing was refused but calls without a token, from which discovery starts, and what was expected."""
    unwanted = {"refused", "rejected", "reused", "revoked", "operator"}
    return not [event for event in stage.events if event.name in unwanted and event.reason not in ("token_missing", *expected)]


async def test_every_process_knows_a_key_before_anything_comes_that_was_made_with_it(
    staged: SetStage, keys: Keys, clock: FakeClock
):
    """Two servers at one address, which look at the file at different times and take every request in turn."""
    options: dict[str, Any] = {"store": SQLiteStore(keys.database, clock), "jwt_signing_key": keys.path}
    first = await staged(**options)
    clock.advance(LOOK_SECONDS / 2)
    second = await staged(**options, at=first.provider)
    servers, turns, known = [first.apps[BASE], second.apps[BASE]], count(), set()

    async def either(scope: Any, receive: Any, send: Any) -> None:
        await servers[next(turns) % 2](scope, receive, send)

    first.apps[BASE] = either
    http, traffic, old = first.http, Traffic(first), keys.ids[0]
    await traffic.go_on()

    async def look_and_go_on(wait: float) -> None:
        clock.advance(wait)
        await traffic.go_on()
        known.add(tuple([len((await http.get(f"{BASE}/.well-known/jwks.json")).json()["keys"]) for _ in servers]))

    await keys.new()
    for _ in range(20):
        await look_and_go_on(4)
    assert len({key_of(client) for client in traffic.clients[-6:]}) == 1
    clock.advance(ACCESS_TOKEN_SECONDS)
    for client in traffic.clients:
        await client.refresh()
    await traffic.begin()
    await look_and_go_on(61)
    await keys.retire(old)  # asks nothing
    for _ in range(4):
        await look_and_go_on(2)
    assert known >= {(1, 1), (2, 2)}
    assert known & {(1, 2), (2, 1)}
    assert went_smoothly(first)


async def test_a_key_that_signs_at_once_is_looked_for_where_it_is_met(staged: SetStage, keys: Keys, clock: FakeClock):
    """In a hurry, on one machine: a server that has not looked yet learns of the key from what was made with it."""
    options: dict[str, Any] = {"store": SQLiteStore(keys.database, clock), "jwt_signing_key": keys.path}
    first = await staged(**options)
    second = await staged(**options, at=first.provider)
    there = await second.registered()
    for step in ("call", "refresh", "login", "exchange"):
        clock.advance(LOOK_SECONDS)
        for each in (first, second):
            assert await call_status(await each.signed_in()) == 200  # both have looked
        await keys.new(0)
        clock.advance(1)
        assert (await first.http.get(f"{BASE}/authorize?client_id=vc_garbage")).status_code == 400  # the first one looks again
        client = await first.registered()
        code, attempt = await first.with_code(client)
        there.registration = client.registration
        if step == "exchange":
            await there.exchange(code, attempt)
            continue
        there.tokens = await client.exchange(code, attempt)
        if step == "call":
            assert await call_status(there) == 200
        else:
            await (there.refresh() if step == "refresh" else there.login())
    assert went_smoothly(first, "client_unknown")


async def test_records_are_sealed_anew_at_their_next_write(stage: Stage, keys: Keys):
    client = await stage.signed_in()
    old = await keys.rotate()
    sealed = [sealed_by(record.value) async for _, record in stage.store.scan("grant/")]
    await client.refresh()
    anew = [sealed_by(record.value) async for _, record in stage.store.scan("grant/")]
    assert (sealed, anew) == ([old], [keys.ids[-1]])


# --- what a retired key closes --------------------------------------------------------------------------------------------------


@dataclass
class Holding:
    """Everything that somebody can have that was made with one key. Each trial tells whether it still counts.

    The client is one that was configured, except where the matter is registration: each thing stands or falls by itself.
    """

    stage: Stage
    session: ScriptedClient
    registered: ScriptedClient
    confidential: ScriptedClient
    coder: tuple[ScriptedClient, str, Attempt]
    visitor: tuple[ScriptedClient, str, Attempt]
    rememberer: ScriptedClient

    @classmethod
    async def of(cls, stage: Stage) -> Holding:
        coder, visitor, rememberer, session = [await cls._configured(stage) for _ in range(4)]
        attempt = visitor.start()
        await session.login()
        await decide(rememberer.user, await open_consent(rememberer.user, rememberer.start().url), remember="yes")
        return cls(
            stage,
            session,
            await stage.registered(),
            await stage.registered(auth_method="client_secret_post"),
            (coder, *await stage.with_code(coder)),
            (visitor, (await open_consent(visitor.user, attempt.url)).url, attempt),
            rememberer,
        )

    async def access_token(self) -> bool:
        return await call_status(self.session) == 200

    async def refresh_token(self) -> bool:
        return await _works(self.session.refresh())

    async def code(self) -> bool:
        client, code, attempt = self.coder
        return await _works(client.exchange(code, attempt))

    async def sign_in_under_way(self) -> bool:
        client, page, attempt = self.visitor
        return await _works(self._finish(client, page, attempt))

    async def consent(self) -> bool:
        return not await asked_again(self.rememberer, BY_HAND)

    async def client_id(self) -> bool:
        return await _works(self.registered.login())

    async def client_secret(self) -> bool:
        return await _works(self.confidential.login())

    async def published_key(self) -> bool:
        document = (await self.session.http.get(f"{BASE}/.well-known/jwks.json")).json()
        return key_of(self.session) in {key["kid"] for key in document["keys"]}

    @staticmethod
    async def _configured(stage: Stage) -> ScriptedClient:
        client = stage.client()
        await client.discover()
        client.registration = {"client_id": CONFIGURED.client_id}
        return client

    @staticmethod
    async def _finish(client: ScriptedClient, page: str, attempt: Attempt) -> None:
        await client.exchange(client.finish(attempt, await client.user.visit(page, client.redirect_uri)), attempt)


async def _works(step: Awaitable[object]) -> bool:
    try:
        await step
    except (StepFailed, UnexpectedPage):
        return False
    return True


TRIALS: dict[str, Callable[[Holding], Awaitable[bool]]] = {
    "published key": Holding.published_key,
    "access token": Holding.access_token,
    "refresh token": Holding.refresh_token,
    "code": Holding.code,
    "sign-in under way": Holding.sign_in_under_way,
    "remembered consent": Holding.consent,
    "client id": Holding.client_id,
    "client secret": Holding.client_secret,
}
REGISTRATIONS = {"client id", "client secret"}


async def closed_of(holding: Holding) -> set[str]:
    return {name for name, trial in TRIALS.items() if not await trial(holding)}


@pytest.fixture
async def remembering(staged: SetStage, keys: Keys, clock: FakeClock) -> Stage:
    return await staged(
        store=SQLiteStore(keys.database, clock),
        jwt_signing_key=keys.path,
        valid_scopes=["profile"],
        require_authorization_consent="remember",
        clients=[CONFIGURED],
    )


async def test_before_a_key_is_retired_everything_that_it_made_counts(remembering: Stage, keys: Keys):
    holding = await Holding.of(remembering)
    await keys.rotate()
    assert await closed_of(holding) == set()


@pytest.mark.parametrize("compromised", [False, True])
async def test_a_retired_key_closes_exactly_what_it_must(remembering: Stage, keys: Keys, compromised: bool):
    of_old = await Holding.of(remembering)
    old = await keys.rotate()
    of_new = await Holding.of(remembering)
    await keys.retire(old, compromised=compromised, yes=True)
    remembering.clock.advance(LOOK_SECONDS)
    expected = set(TRIALS) if compromised else set(TRIALS) - REGISTRATIONS
    assert await closed_of(of_old) == expected
    assert await closed_of(of_new) == set()
    assert (old in keys.path.read_text()) is not compromised


@pytest.mark.parametrize("protection", ["server", "client"])
async def test_sessions_end_only_when_somebody_says_so(
    staged: SetStage, keys: Keys, clock: FakeClock, capsys: pytest.CaptureFixture[str], protection: str
):
    stage = await staged(
        store=SQLiteStore(keys.database, clock), jwt_signing_key=keys.path, upstream_token_protection=protection
    )
    idle, busy = await stage.signed_in(), await stage.signed_in()
    old = await keys.rotate()
    await busy.refresh()
    stage.clock.advance(61)
    with pytest.raises(click.Abort):
        await keys.retire(old)
    said = capsys.readouterr().out
    assert "1 sessions hold a refresh token or code made with it" in said
    assert "Access tokens made with it are valid until" in said
    assert old in keys.ids
    assert await call_status(idle) == 200
    await keys.retire(old, yes=True)
    assert "1 sessions were ended" in capsys.readouterr().out
    stage.clock.advance(LOOK_SECONDS)
    assert not await _works(idle.refresh())
    assert await _works(busy.refresh())
    idle.tokens = {}
    assert await _works(idle.login())  # with its registration of before


async def test_a_lost_answer_counts_as_held(stage: Stage, keys: Keys):
    """Its client may ask again with the token of before, which the old key made."""
    client = await stage.signed_in()
    old = await keys.rotate()
    await client.refresh()
    assert (await keys.use()).sessions[old] == 1
    stage.clock.advance(61)
    assert (await keys.use()).sessions[old] == 0


async def test_a_session_that_has_just_moved_over_is_not_ended(stage: Stage, keys: Keys):
    """It counts for a minute as if its client had lost the answer, and nearly all have not."""
    client = await stage.signed_in()
    old = await keys.rotate()
    await client.refresh()
    await keys.retire(old, yes=True)
    stage.clock.advance(LOOK_SECONDS)
    assert await call_status(client) == 200
    assert await _works(client.refresh())


async def test_a_session_hangs_from_the_key_of_the_last_answer(stage: Stage, keys: Keys):
    """The retry comes after the new key took over, and is answered with a token of that."""
    client = await stage.signed_in()
    old = keys.ids[-1]
    await keys.new(LOOK_SECONDS + 10)
    stage.clock.advance(LOOK_SECONDS)
    before = client.tokens["refresh_token"]
    await client.refresh()
    stage.clock.advance(15)
    await client.refresh(refresh_token=before)
    stage.clock.advance(2 * ACCESS_TOKEN_SECONDS)
    assert (await keys.use()).sessions[old] == 0
    await keys.retire(old)  # asks nothing
    stage.clock.advance(LOOK_SECONDS)
    assert await _works(client.refresh())


async def test_sessions_of_an_earlier_release_hang_from_the_oldest_key(stage: Stage, keys: Keys):
    await stage.signed_in()
    records = SealedRecords(stage.store, Sealer(KeyRing.of(KeyFile(keys.path).read(), stage.clock)))
    [(name, _)] = [found async for found in stage.store.scan("grant/")]
    found = await records.get(name)
    assert found is not None
    for part in ("code", "rotation"):
        del found[0][part]["ring_key"]
    assert await records.swap(name, found[1], found[0], 30 * 86_400)
    oldest = await keys.rotate()
    second = await keys.rotate()
    stage.clock.advance(2 * ACCESS_TOKEN_SECONDS)
    await keys.retire(second)  # asks nothing
    with pytest.raises(click.Abort):
        await keys.retire(oldest)


async def test_with_a_compromised_key_the_sessions_of_its_clients_end(
    stage: Stage, keys: Keys, capsys: pytest.CaptureFixture[str]
):
    """Their tokens are of the newer key, but nobody knows the client any more that could refresh them."""
    of_old = await stage.signed_in()
    old = await keys.rotate()
    of_new = await stage.signed_in()
    await of_old.refresh()
    stage.clock.advance(61)
    assert (await keys.use()).sessions[old] == 0
    await keys.retire(old, compromised=True, yes=True)
    said = capsys.readouterr().out
    assert "1 sessions are of clients that registered with it: they end too." in said
    assert "1 sessions were ended" in said
    stage.clock.advance(LOOK_SECONDS)
    assert [await call_status(client) for client in (of_old, of_new)] == [401, 200]
    left = await stage.auth.hall.listing.of_user("alice")
    assert [grant.client_id for grant in left if not grant.ended] == [of_new.registration["client_id"]]


async def test_the_key_that_signs_stays(stage: Stage, keys: Keys):
    [only] = keys.ids
    for compromised in (False, True):
        with pytest.raises(ConfigurationError, match="is the key that signs: add the next one first"):
            await keys.retire(only, compromised=compromised, yes=True)
    new = await keys.new()
    with pytest.raises(ConfigurationError, match=f"{new} takes over at"):
        await keys.retire(only, yes=True)
    await keys.retire(new)  # it has made nothing yet
    assert keys.ids == [only]


async def test_a_process_that_does_not_know_the_new_key_is_noticed(
    stage: Stage, keys: Keys, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
):
    """Were the old key retired, the sessions that it goes on with would be lost."""
    await stage.signed_in()
    [(name, _)] = [found async for found in stage.store.scan("grant/")]
    of_before = KeyFile(keys.path).read()
    old = await keys.rotate()
    known, stale = (
        SealedRecords(SQLiteStore(keys.database, clock), Sealer(KeyRing.of(ring, clock)))
        for ring in (KeyFile(keys.path).read(), of_before)
    )

    class WrittenMeanwhile(SQLiteStore):
        """A store in which that process writes while the command works."""

        async def scan(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
            content, version = await known.get(name) or ({}, 0)
            assert await stale.swap(name, version, content, 3600)
            async for found in super().scan(prefix):
                yield found

    monkeypatch.setattr("vestibule.storage.locate.SQLiteStore", WrittenMeanwhile)
    with pytest.raises(ConfigurationError, match=f"Some process still seals with {old}"):
        await keys.retire(old, yes=True)
    assert old in [key.id for key in KeyFile(keys.path).read() if not key.only_registrations]
    assert (await keys.use()).sessions[old] == 1


async def test_what_was_made_with_a_key_too_late_is_told(
    staged: SetStage, keys: Keys, clock: FakeClock, capsys: pytest.CaptureFixture[str]
):
    """A process that has a copy of the file, which nobody renews, and is quiet while the command works."""
    copy = keys.path.with_name("copy")
    copy.write_bytes(keys.path.read_bytes())
    old = await keys.rotate()
    clock.advance(600)
    await (await staged(store=SQLiteStore(keys.database, clock), jwt_signing_key=copy)).signed_in()
    clock.advance(ACCESS_TOKEN_SECONDS)
    with pytest.raises(click.Abort):
        await keys.retire(old)
    assert "Some process still made tokens with it at 2027-01-15 08:11:05 UTC" in capsys.readouterr().out


async def test_a_token_that_was_seen_before_is_refused_as_soon_as_the_file_was_read(
    staged: SetStage, keys: Keys, clock: FakeClock
):
    stage = await staged(
        store=SQLiteStore(keys.database, clock), jwt_signing_key=keys.path, revocation_delay_seconds=ACCESS_TOKEN_SECONDS
    )
    of_old = await stage.signed_in()
    old = await keys.rotate()
    of_new = await stage.signed_in()
    assert [await call_status(client) for client in (of_old, of_new)] == [200, 200]
    KeyFile(keys.path).change(lambda listed: [key for key in listed if key.id != old])
    clock.advance(LOOK_SECONDS)
    await of_new.http.get(f"{BASE}/.well-known/jwks.json")
    assert [await call_status(client) for client in (of_old, of_new)] == [401, 200]


async def test_a_retired_key_is_noticed_by_calls_alone(stage: Stage, keys: Keys, clock: FakeClock):
    client = await stage.signed_in()
    of_old = client.tokens["access_token"]
    old = await keys.rotate()
    await client.refresh()  # the session itself is the new key's
    assert await call_status(client, of_old) == 200
    KeyFile(keys.path).change(lambda listed: [key for key in listed if key.id != old])
    clock.advance(LOOK_SECONDS)
    assert await call_status(client, of_old) == 401
    assert await call_status(client) == 200


# --- settings -------------------------------------------------------------------------------------------------------------------


async def test_the_generated_key_is_such_a_file(staged: SetStage, clock: FakeClock, tmp_path: Path):
    store = SQLiteStore(tmp_path / "home" / "state.sqlite3", clock)

    def bridge(document: Any, **options: Any) -> Any:
        return KnownProxy(document, **{**options, "client_storage": store})

    stage = await staged(jwt_signing_key=None, bridge=bridge)
    client = await stage.signed_in()
    path = tmp_path / "home" / "state.key"
    before = key_of(client)
    clock.advance(1)
    KeyFile(path, generated=True).change(lambda keys: [*keys, new_key(clock.now(), active_from=clock.now())])
    clock.advance(LOOK_SECONDS)
    await client.refresh()
    assert key_of(client) != before
    again = await staged(jwt_signing_key=None, bridge=bridge, at=stage.provider)
    assert await call_status(client) == 200
    other = ScriptedClient(again.resource, user=ScriptedUser(apps=again.apps), apps=again.apps)
    await other.discover()
    other.registration, other.tokens = client.registration, client.tokens
    assert await call_status(other) == 200
    assert await _works(other.refresh())
    await other.aclose()


@pytest.mark.parametrize("setting", ["a path", "a text"])
async def test_the_file_is_named_by_a_path_or_a_text(staged: SetStage, keys: Keys, setting: str):
    stage = await staged(jwt_signing_key=keys.path if setting == "a path" else f"file://{keys.path}")
    client = await stage.signed_in()
    document = (await client.http.get(f"{BASE}/.well-known/jwks.json")).json()
    assert [key["kid"] for key in document["keys"]] == [KeyFile(keys.path).read()[0].signing_key.kid]


async def test_a_named_file_that_is_missing_or_weak_is_refused_at_the_start(staged: SetStage, tmp_path: Path):
    path = tmp_path / "named"
    with pytest.raises(ConfigurationError, match=f"{path} cannot be used"):
        await staged(jwt_signing_key=path)
    path.write_text("short\n")
    with pytest.raises(ConfigurationError, match="only 5 bytes"):
        await staged(jwt_signing_key=path, base_url="https://mcp.example.com")
