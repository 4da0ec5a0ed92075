"""One protected server with its provider, all in this process: no sockets, no threads, a clock that only tests move."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from tests.races.stores import WaitingStore

from vestibule import OIDCConfiguration, OIDCProxy, get_access_token
from vestibule.storage.memory import MemoryStore
from vestibule.testing import DevelopmentProvider, FakeClock, ProviderClient, ScriptedClient, ScriptedUser

KEY = "a signing key of this test house, forty bytes"
UPSTREAM_SECRET = "what the provider gave this test house"


class NearProxy(OIDCProxy):
    """An OIDCProxy that is told its provider's document instead of fetching it."""

    def get_oidc_configuration(self, config_url: Any, strict: bool | None, timeout_seconds: int | None) -> OIDCConfiguration:
        issuer = str(config_url).partition("/.well-known/")[0]
        return OIDCConfiguration(
            issuer=issuer,
            authorization_endpoint=f"{issuer}/authorize",
            token_endpoint=f"{issuer}/token",
            jwks_uri=f"{issuer}/jwks",
            revocation_endpoint=f"{issuer}/revoke",
            scopes_supported=["openid", "offline_access"],
            response_types_supported=["code"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["RS256"],
        )


async def whoami(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """The protected application: says who calls, and that it was reached at all."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):  # a connection that is closed with a body unread is reset
        pass
    caller = get_access_token()
    body = json.dumps({"reached": True, "subject": caller.subject if caller else None}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Answer:
    """What a server sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value.decode("latin-1") for key, value in self.headers if key == name.lower().encode()), "")

    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json().get("error"))


async def ask(
    app: Any,
    method: str,
    path: str,
    *,
    query: bytes = b"",
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    host: bytes = b"127.0.0.1:8000",
    scheme: str = "http",
) -> Answer:
    """One request straight to an ASGI app: nothing on the way repairs or refuses it."""
    given = list(headers)
    if not any(name == b"host" for name, _ in given):
        given.insert(0, (b"host", host))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "root_path": "",
        "query_string": query,
        "headers": given,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    waiting = [{"type": "http.request", "body": body[:1000], "more_body": len(body) > 1000}]
    if len(body) > 1000:
        waiting.append({"type": "http.request", "body": body[1000:], "more_body": False})
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    content = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answer(start["status"], [(bytes(k).lower(), bytes(v)) for k, v in start["headers"]], content)


@dataclass
class House:
    """A proxy, its provider, and a protected application.

    Args:
        store: what keeps the grants.
        clock: everybody's time.
        base_url: the public URL.
        provider: shared with another house, if given.
        options: of the proxy.
    """

    store: Any = None
    clock: FakeClock = field(default_factory=FakeClock)
    base_url: str = "http://127.0.0.1:8000"
    path: str = "/mcp"
    provider: DevelopmentProvider | None = None
    access_token_seconds: int = 3600
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.idp = self.provider or DevelopmentProvider(
            clock=self.clock,
            clients=[ProviderClient("vestibule", UPSTREAM_SECRET, redirect_uris=(f"{self.base_url}/auth/callback",))],
            access_token_seconds=self.access_token_seconds,
            auto_approve_as="alice",
        )
        self.store = self.store or MemoryStore(self.clock)
        self.open()

    def open(self) -> None:
        """Start the server; again: restart it on the same store."""
        chosen = {"client_storage": self.store, "jwt_signing_key": KEY, "clock": self.clock, **self.options}
        upstream = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.idp.app), base_url=self.idp.issuer)
        self.proxy = NearProxy(
            config_url=self.idp.config_url,
            client_id=self.idp.client_id,
            client_secret=self.idp.client_secret,
            base_url=self.base_url,
            http_client=upstream,
            **chosen,
        )
        self.app = self.proxy.protect(whoami, self.path)

    @property
    def host(self) -> bytes:
        return urlsplit(self.base_url).netloc.encode()

    @property
    def apps(self) -> dict[str, Any]:
        """For scripted clients: the server as it is now, and the provider."""

        async def current(scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

        parts = urlsplit(self.base_url)
        return {f"{parts.scheme}://{parts.netloc}": current, self.idp.issuer: self.idp.app}

    @property
    def upstream_refreshes(self) -> int:
        """How often the provider was asked for a refresh."""
        return sum(r.parameters.get("grant_type") == "refresh_token" for r in self.idp.requests_to("token"))

    async def client(self, *, user: ScriptedUser | None = None, **settings: Any) -> ScriptedClient:
        """A client that has discovered and registered."""
        user = user or ScriptedUser(apps=self.apps)
        made = ScriptedClient(self.base_url + self.path, user=user, apps=self.apps, **settings)
        await made.discover()
        await made.register()
        return made

    async def signed_in(self, **settings: Any) -> ScriptedClient:
        """A client with tokens."""
        made = await self.client(**settings)
        await made.login()
        return made

    async def code(self, client: ScriptedClient, **extra: str) -> tuple[str, Any]:
        """A fresh code of a client, and the attempt that its verifier is in."""
        attempt = client.start(**extra)
        return client.finish(attempt, await client.user.visit(attempt.url, client.redirect_uri)), attempt

    async def call(self, token: str | None) -> Answer:
        """A request to the protected application."""
        headers = [(b"content-type", b"application/json")]
        if token is not None:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        return await self.request("POST", self.path, headers=headers, body=b"{}")

    async def post(self, path: str, /, **form: str) -> Answer:
        """A form."""
        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        return await self.request("POST", path, headers=headers, body=urlencode(form).encode())

    async def redeem(self, client: ScriptedClient, code: str, attempt: Any, /, **changes: str) -> Answer:
        """A code at the token endpoint."""
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": attempt.verifier, **changes}
        return await self.post("/token", **{"client_id": client.registration["client_id"], **form})

    async def refresh(self, client: ScriptedClient, token: str, /, **changes: str) -> Answer:
        """A refresh token at the token endpoint."""
        form = {"grant_type": "refresh_token", "refresh_token": token, **changes}
        return await self.post("/token", **{"client_id": client.registration["client_id"], **form})

    async def revoke(self, client: ScriptedClient, token: str) -> Answer:
        return await self.post("/revoke", client_id=client.registration["client_id"], token=token)

    async def request(self, method: str, path: str, **parts: Any) -> Answer:
        """Any request."""
        scheme = urlsplit(self.base_url).scheme
        return await ask(self.app, method, path, **{"host": self.host, "scheme": scheme, **parts})

    async def grants(self) -> int:
        """How many grants the store holds."""
        return len([key async for key, _ in self.store.scan("grant/")])


def house_that_waits(seed: int, **settings: Any) -> House:
    """One whose store lets others run around every verb, in an order that `seed` repeats."""
    clock = FakeClock()
    return House(store=WaitingStore(MemoryStore(clock), seed), clock=clock, **settings)


async def at_once(*requests: Any) -> list[Any]:
    """All of them at the same time."""
    return list(await asyncio.gather(*requests))
