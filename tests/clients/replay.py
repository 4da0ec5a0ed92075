"""Sends what a client was seen to send, in order, and checks that it gets what it needs."""

from __future__ import annotations

import asyncio
import re
import socket
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import pytest
from tests.clients.transcript import AtOnce, Later, Login, Request, Same, Step, Stopped, Transcript, Trouble, Windows
from tests.flows.stage import Stage, open_consent, query_of
from tests.signing import rsa_signer

from vestibule.protocol.pkce import challenge_for
from vestibule.testing.user import Page

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
MAX_ANSWER = 8 * 1024
"""Bytes. Some clients and the proxies before them read no more of a token or metadata answer."""

_SIGNER = rsa_signer()


class ClientsWeb:
    """The web that clients publish their documents in. It is all the network that there is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pages: dict[str, Any] = {}
        self.is_down = False
        public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: public)
        monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", lambda _, request: self._answer(request))

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        page = self.pages.get(f"https://{request.headers['host']}{request.url.path}", 404)
        if self.is_down:
            raise httpx2.ConnectError("by order of the transcript")
        return httpx2.Response(page) if isinstance(page, int) else httpx2.Response(200, json=page)


class Replayer:
    """One client before one server.

    Args:
        transcript: what happens.
        stage: the server, its provider and its store.
        web: where documents are.
    """

    def __init__(self, transcript: Transcript, stage: Stage, web: ClientsWeb) -> None:
        self._steps = transcript.steps
        self._stage = stage
        self._web = web
        self._user = stage.user()
        self._kept: dict[str, Any] = {
            "base": stage.base_url,
            "issuer": stage.base_url,
            "resource": stage.resource,
            "client_id": transcript.client_id,
            "state": "a state / with + odd = characters",
            "verifier": VERIFIER,
            "challenge": challenge_for(VERIFIER),
        }
        web.pages = self._filled({"https://client.example/jwks.json": _SIGNER.jwks, **transcript.documents})

    async def run(self) -> None:
        for step in self._steps:
            await self._do(step)

    async def _do(self, step: Step) -> None:
        match step:
            case Request():
                await self._send(step)
            case Login():
                await self._log_in(step)
            case Stopped():
                await self._stop(step)
            case AtOnce():
                await asyncio.gather(*(self._send(request) for request in step.requests))
            case Windows():
                await self._log_in_side_by_side(step.logins)
            case Same():
                assert (len({self._kept[name] for name in step.names}) == 1) is step.equal, step.names
            case Later():
                await self._stage.clock.sleep(step.seconds)
            case Trouble():
                self._break(step.at)

    # --- the client -----------------------------------------------------------------------------------------------------------

    async def _send(self, step: Request) -> None:
        async with self._client(step.address) as http:
            answer = await http.request(
                step.method,
                self._filled(step.url),
                headers=self._filled(step.headers),
                data=self._filled(step.form),
                json=self._filled(step.json),
            )
        assert answer.status_code == step.status, f"{step.method} {step.url}: {answer.status_code} {answer.text}"
        _check_manners(answer)
        for name, text in self._filled(step.headed).items():
            assert text in answer.headers.get(name, ""), f"{step.method} {step.url}: {name}"
        if step.answer or step.without or step.keep:
            self._read(step, answer.json())

    def _read(self, step: Request, members: dict[str, Any]) -> None:
        self._compare(step.answer, members)
        assert not set(step.without) & members.keys()
        self._kept |= {name: members[member] for name, member in step.keep.items()}

    def _client(self, address: str) -> httpx2.AsyncClient:
        transports = {url: httpx2.ASGITransport(app=app, client=(address, 50000)) for url, app in self._stage.apps.items()}
        return httpx2.AsyncClient(mounts=transports, verify=False, trust_env=False)

    # --- the user -------------------------------------------------------------------------------------------------------------

    async def _log_in(self, step: Login) -> None:
        await self._go_on(step, self._authorization(step.query, step.url))

    async def _log_in_side_by_side(self, logins: tuple[Login, ...]) -> None:
        pages = [await open_consent(self._user, self._authorization(step.query, step.url)) for step in logins]
        for step, page in reversed(list(zip(logins, pages, strict=True))):
            await self._go_on(step, page.url)

    async def _go_on(self, step: Login, url: str) -> None:
        returned = await self._user.visit(url, self._filled(step.lands))
        parameters = query_of(returned)
        self._compare(step.returns, parameters)
        self._kept[step.keep] = parameters.get("code", "")

    async def _stop(self, step: Stopped) -> None:
        browser = self._stage.http
        answer = await browser.get(self._authorization(step.query))
        if answer.status_code == 303:
            if step.embedded:
                browser.cookies.clear()
            answer = await browser.get(answer.headers["location"])
        page = Page.read(answer)
        assert page.status == step.status, page.html
        for text in self._filled(step.shows):
            assert text in page.html

    def _authorization(self, query: Mapping[str, str], url: str = "{authorization_endpoint}") -> str:
        return f"{self._filled(url)}?{urlencode(self._filled(query))}"

    # --- the world ------------------------------------------------------------------------------------------------------------

    def _break(self, what: str) -> None:
        self._stage.store.broken = {"get", "put_new", "swap"} if what == "store" else set()
        self._web.is_down = what == "documents"
        self._stage.provider.faults.clear()
        if what == "provider":
            self._stage.provider.faults.fail(status=503, times=None)

    # --- what was kept --------------------------------------------------------------------------------------------------------

    def _compare(self, expected: Mapping[str, Any], members: Mapping[str, Any]) -> None:
        for name, value in expected.items():
            assert members.get(name), f"{name} is missing"
            assert value is ... or members[name] == self._filled(value), name

    def _filled(self, value: Any) -> Any:
        match value:
            case str():
                return re.sub(r"\{(\w+)\}", lambda found: self._named(found[1]), value)
            case Mapping():
                return {self._filled(name): self._filled(item) for name, item in value.items()}
            case list() | tuple():
                return [self._filled(item) for item in value]
            case _:
                return value

    def _named(self, name: str) -> str:
        match name:
            case "basic":
                pair = f"{quote(self._kept['client_id'], safe='')}:{quote(self._kept['client_secret'], safe='')}"
                return b64encode(pair.encode()).decode()
            case "assertion":
                now = self._stage.clock.now()
                return _SIGNER.assertion(self._kept["client_id"], self._kept["issuer"], now)["client_assertion"]
            case _:
                return str(self._kept[name])


def _check_manners(answer: httpx2.Response) -> None:
    """What every client needs of every answer."""
    assert not answer.is_redirect, "programs do not follow redirects of forms and tokens"
    assert "content-encoding" not in answer.headers
    assert len(answer.content) <= MAX_ANSWER
    if answer.content and answer.status_code != 404:  # what is not ours is the protected server's
        assert answer.headers["content-type"] == "application/json"
    if urlsplit(str(answer.url)).path == "/token" and answer.request.method == "POST":
        assert answer.headers["cache-control"] == "no-store"
    if answer.status_code == 503:
        assert int(answer.headers["retry-after"]) > 0
