"""No token, code, secret or cookie in any log line, at any level, whatever goes wrong (design, promise 7)."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import httpx2
import pytest
from tests.flows.stage import query_of
from tests.races.house import KEY, ask, whoami
from tests.races.stores import WatchedStore

from vestibule import OIDCProxy, get_access_token
from vestibule.storage.memory import MemoryStore
from vestibule.testing import DevelopmentProvider, ScriptedClient, ScriptedUser

pytestmark = pytest.mark.anyio

_inside: ContextVar[bool] = ContextVar("inside", default=False)


class Listener(logging.Handler):
    """Keeps what is logged while the server answers, by whichever library."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if _inside.get():
            self.lines.append(self.format(record))


@contextmanager
def everything_logged() -> Iterator[Listener]:
    """Every logger at DEBUG."""
    listener, root = Listener(), logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(listener)
    try:
        yield listener
    finally:
        root.removeHandler(listener)
        root.setLevel(before)


class Run:
    """One server with a provider over real HTTP, and every secret that comes up."""

    def __init__(self, idp: DevelopmentProvider) -> None:
        self.idp = idp
        self.store = WatchedStore(MemoryStore())
        self.upstream = httpx2.AsyncClient(trust_env=False)
        self.secrets: dict[str, str] = {"signing key": KEY, "upstream client secret": idp.client_secret or ""}
        self.proxy = OIDCProxy(
            config_url=idp.config_url,
            client_id=idp.client_id,
            client_secret=idp.client_secret,
            base_url="http://127.0.0.1:8000",
            client_storage=self.store,
            jwt_signing_key=KEY,
            http_client=self.upstream,
        )
        self._protected = self.proxy.protect(self._noting)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        mark = _inside.set(True)
        try:
            await self._protected(scope, receive, send)
        finally:
            _inside.reset(mark)

    async def _noting(self, scope: Any, receive: Any, send: Any) -> None:
        caller = get_access_token()
        assert caller is not None
        self.note("upstream access token", caller.token)
        await whoami(scope, receive, send)

    def note(self, name: str, value: str | None) -> None:
        if value:
            self.secrets[f"{name} {len(self.secrets)}"] = value

    def note_all(self, client: ScriptedClient) -> None:
        """What client, browser and provider hold."""
        for name in ("access_token", "refresh_token"):
            self.note(name, client.tokens.get(name))
        self.note("client secret", client.registration.get("client_secret"))
        for cookie in client.user.browser.cookies.jar:
            self.note(f"cookie {cookie.name}", cookie.value)
        for page in client.user.pages:
            self.note("csrf token", page.html.partition('name="csrf_token" value="')[2].partition('"')[0])
        for request in self.idp.requests:
            for name in ("code", "refresh_token", "code_verifier", "state", "nonce", "client_assertion"):
                self.note(f"upstream {name}", request.parameters.get(name))

    def leaks(self, lines: list[str]) -> list[str]:
        """The names of the secrets that stand in a line, as they are or encoded."""
        text = "\n".join(lines)
        return sorted({name for name, value in self.secrets.items() for form in _spellings(value) if form in text})


def _spellings(value: str) -> set[str]:
    encoded = base64.b64encode(value.encode()).decode().rstrip("=")
    return {value, quote(value, safe=""), quote_plus(value), repr(value)[1:-1], encoded[:-2]}


async def test_a_whole_run_with_every_kind_of_trouble_logs_no_secret():
    with DevelopmentProvider(auto_approve_as="alice") as idp, everything_logged() as listener:
        run = Run(idp)
        apps = {"http://127.0.0.1:8000": run.app}
        async with ScriptedClient(
            "http://127.0.0.1:8000/mcp", user=ScriptedUser(apps=apps), apps=apps, auth_method="client_secret_post"
        ) as client:
            await client.discover()
            await client.register()
            await _sign_in(run, client)
            await _go_wrong(run, client)
            run.note_all(client)
        await run.upstream.aclose()
    assert len(run.secrets) > 20
    assert len(listener.lines) > 30
    assert any(line.startswith("vestibule.events") for line in listener.lines)
    assert run.leaks(listener.lines) == []


async def _sign_in(run: Run, client: ScriptedClient) -> None:
    attempt = client.start(state="the-state-of-the-client-0001")
    run.note("verifier", attempt.verifier)
    run.note("client state", "the-state-of-the-client-0001")
    callback = await client.user.visit(attempt.url, "http://127.0.0.1:8000/auth/callback")
    run.note_all(client)
    run.note("upstream code", query_of(callback)["code"])
    answer = await client.user.browser.get(callback)
    code = query_of(answer.headers["location"])["code"]
    run.note("code", code)
    await client.exchange(code, attempt)
    await client.http.post(client.resource_url, json={}, headers={"authorization": f"Bearer {client.tokens['access_token']}"})
    run.note_all(client)
    await client.refresh()
    run.note_all(client)
    await client.user.browser.get(callback)  # once more: refused
    await client.post_form(client.server["token_endpoint"], {"grant_type": "authorization_code", "code": code})


async def _go_wrong(run: Run, client: ScriptedClient) -> None:
    """Secrets in every wrong place, and failures of all that can fail."""
    held = list(run.secrets.values())
    for value in held:
        await _misplace(run, value)
    run.store.failing = True
    for value in held:
        await _misplace(run, value)
    run.store.failing = False
    for order in (run.idp.faults.fail, run.idp.faults.garbage):
        order("token")
        await _stranded_login(run, client)
    run.idp.faults.error("token", "invalid_client", f"the secret {run.idp.client_secret} is wrong", 401)
    await _stranded_login(run, client)
    run.idp.faults.wrong_nonce()
    await _stranded_login(run, client)
    run.idp.faults.error("revoke", "invalid_request")
    await client.revoke()


async def _misplace(run: Run, value: str) -> None:
    header = value.encode("ascii", "replace")
    form = [(b"content-type", b"application/x-www-form-urlencoded")]
    client_id = {"client_id": "vc_" + value}
    for grant in (
        {"grant_type": "authorization_code", "code": value, "code_verifier": value},
        {"grant_type": "refresh_token", "refresh_token": value, "scope": value, "resource": value},
        {"grant_type": value},
    ):
        body = urlencode({**client_id, "client_secret": value, **grant}).encode()
        await ask(run.app, "POST", "/token", headers=form, body=body)
    for path in ("/revoke", "/introspect"):
        body = urlencode({**client_id, "token": value, "client_assertion": value}).encode()
        await ask(run.app, "POST", path, headers=form, body=body)
    for path in ("/authorize", "/auth/callback", "/consent"):
        for name in ("client_id", "state", "code", "login", "error", "error_description", "redirect_uri", "iss"):
            query = urlencode({"state": "x", name: value}).encode()
            await ask(run.app, "GET", path, query=query, headers=[(b"cookie", b"vestibule-login-x=" + header)])
    for scheme in (b"Bearer ", b"Basic ", b"", b"DPoP "):
        authorization = [(b"authorization", scheme + header)]
        await ask(run.app, "POST", "/mcp", headers=authorization)
        await ask(run.app, "POST", "/token", headers=[*form, *authorization], body=b"grant_type=refresh_token&refresh_token=x")


async def _stranded_login(run: Run, client: ScriptedClient) -> None:
    attempt = client.start()
    run.note("client state", attempt.state)
    run.note("verifier", attempt.verifier)
    callback = await client.user.visit(attempt.url, "http://127.0.0.1:8000/auth/callback")
    run.note("upstream code", query_of(callback)["code"])
    await client.user.browser.get(callback)
    run.note_all(client)


async def test_the_listener_hears_a_leak():
    """The test above would notice."""
    with everything_logged() as listener:
        mark = _inside.set(True)
        logging.getLogger("anything").debug("token=%s", KEY)
        _inside.reset(mark)
    with DevelopmentProvider() as idp:
        assert Run(idp).leaks(listener.lines) == ["signing key"]
