"""A whole deployment in this process: an identity provider, a bridge, a protected server, and people with browsers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from tests.races.stores import WrappedStore

from vestibule import OIDCConfiguration, OIDCProxy, get_access_token, reasons
from vestibule.errors import Unavailable
from vestibule.events import Event
from vestibule.grants.model import Code, Grant, UpstreamSession
from vestibule.storage.memory import MemoryStore
from vestibule.storage.protocol import Record, Store
from vestibule.testing import DevelopmentProvider, FakeClock, ScriptedClient, ScriptedUser
from vestibule.testing.client import Attempt
from vestibule.testing.provider.model import DEFAULT_CLIENT
from vestibule.testing.user import Page, web_client

ISSUER = "http://127.0.0.1:9400"
BASE = "http://127.0.0.1:9500"
PUBLIC = "https://mcp.example.com"
LOOPBACK_URI = "http://127.0.0.1:33418/callback"
WEB_URI = "https://app.example/callback"
KEY = "a key for tests that is long enough for a public server"


class KnownProxy(OIDCProxy):
    """A bridge that was given the provider's document, instead of fetching it over a network."""

    def __init__(self, document: Mapping[str, Any], **options: Any) -> None:
        self.document = dict(document)
        super().__init__(**options)

    def get_oidc_configuration(self, config_url: object, strict: object, timeout_seconds: object) -> OIDCConfiguration:
        return OIDCConfiguration.model_validate(self.document)


class FaultyStore(WrappedStore):
    """A store whose verbs fail on order.

    Attributes:
        broken: these verbs.
        broken_keys: all verbs, on keys that begin so; empty: none.
        calls: the verbs so far.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.broken: set[str] = set()
        self.broken_keys = ""
        self.calls: list[str] = []

    async def before(self, verb: str, key: str) -> None:
        self.calls.append(verb)
        if verb in self.broken or (self.broken_keys and key.startswith(self.broken_keys)):
            raise Unavailable(reasons.STORE_UNAVAILABLE, "out of order", retry_after=7)

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        await self.before("scan", prefix)
        async for found in super().scan(prefix):
            yield found


async def _echo(request: Request) -> Response:
    """An MCP server as far as the client needs one; its tools tell who calls."""
    message = json.loads(await request.body() or b"{}")
    if "id" not in message:
        return Response(status_code=202)
    caller = get_access_token()
    assert caller is not None
    who = {
        "subject": caller.subject,
        "client_id": caller.client_id,
        "scopes": caller.scopes,
        "claims": caller.claims,
        "resource": caller.resource,
        "token": caller.token,
    }
    return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": who})


def protected_server(path: str = "/mcp") -> Starlette:
    """What is to be protected."""
    return Starlette(routes=[Route(path, _echo, methods=["GET", "POST", "DELETE"])])


@dataclass(kw_only=True)
class Stage:
    """Everything that plays a part, and its doors by URL."""

    clock: FakeClock
    provider: DevelopmentProvider
    provider_http: httpx2.AsyncClient
    store: FaultyStore
    auth: KnownProxy
    base_url: str
    apps: dict[str, Any]
    events: list[Event]
    path: str = "/mcp"
    _open: list[Any] = field(default_factory=list)

    @property
    def resource(self) -> str:
        return f"{self.base_url}{self.path}".rstrip("/")

    @property
    def callback(self) -> str:
        return f"{self.base_url}/auth/callback"

    @property
    def http(self) -> httpx2.AsyncClient:
        """A fresh client without cookies."""
        return self._keep(web_client(self.apps))

    def user(self, name: str = "alice", **options: Any) -> ScriptedUser:
        return self._keep(ScriptedUser(name, apps=self.apps, **options))

    def client(self, name: str = "alice", **options: Any) -> ScriptedClient:
        """A client and its user."""
        user = options.pop("user", None) or self.user(name, decision=options.pop("decision", "approve"))
        return self._keep(ScriptedClient(self.resource, user=user, apps=self.apps, **options))

    async def registered(
        self, name: str = "alice", *, register: Mapping[str, Any] | None = None, **options: Any
    ) -> ScriptedClient:
        """A client that knows the server and is known to it."""
        client = self.client(name, **options)
        await client.discover()
        await client.register(**(register or {}))
        return client

    async def signed_in(self, name: str = "alice", *, scope: str | None = None, **options: Any) -> ScriptedClient:
        """A client with tokens."""
        client = await self.registered(name, **options)
        await client.login(scope)
        return client

    async def with_code(self, client: ScriptedClient, scope: str | None = None, **extra: str) -> tuple[str, Attempt]:
        """A login up to the code."""
        attempt = client.start(scope, **extra)
        return client.finish(attempt, await client.user.visit(attempt.url, client.redirect_uri)), attempt

    def names(self) -> list[str]:
        """The events so far."""
        return [event.name for event in self.events]

    def reasons(self) -> list[str]:
        """Why something was refused, as far as events tell."""
        return [event.reason for event in self.events if event.reason]

    async def close(self) -> None:
        for item in [*self._open, self.provider_http]:
            await item.aclose()

    def _keep(self, item: Any) -> Any:
        self._open.append(item)
        return item


async def set_stage(
    clock: FakeClock,
    events: list[Event],
    *,
    provider: Mapping[str, Any] | None = None,
    document: Mapping[str, Any] | None = None,
    base_url: str = BASE,
    path: str = "/mcp",
    store: Store | None = None,
    at: DevelopmentProvider | None = None,
    bridge: Callable[..., Any] = KnownProxy,
    **options: Any,
) -> Stage:
    """Put everything together.

    Args:
        provider: options of the identity provider.
        document: members to change in its discovery document; None leaves one out.
        path: of the protected server.
        store: the store to use.
        at: an identity provider that is there already.
        bridge: makes the bridge from the discovery document and keyword arguments.
        options: of the bridge.
    """
    app_at_provider = replace(DEFAULT_CLIENT, redirect_uris=(f"{base_url}/auth/callback",))
    ordinary = {"base_url": ISSUER, "clock": clock, "algorithm": "ES256", "clients": [app_at_provider]}
    idp = at or DevelopmentProvider(**{**ordinary, **(provider or {})})
    provider_http = web_client({idp.issuer: idp.app})
    discovered = {**(await provider_http.get(idp.config_url)).json(), **(document or {})}
    idp.requests.clear()
    kept = FaultyStore(store or MemoryStore(clock))
    settings = {"config_url": idp.config_url, "client_id": idp.client_id, "client_secret": idp.client_secret}
    common = {
        "base_url": base_url,
        "client_storage": kept,
        "jwt_signing_key": KEY,
        "clock": clock,
        "http_client": provider_http,
    }
    auth = bridge({name: value for name, value in discovered.items() if value is not None}, **{**settings, **common, **options})
    app = auth.protect(protected_server(path), path)
    url = urlsplit(base_url)
    if url.path:
        app = Starlette(routes=[*auth.get_well_known_routes(path), Mount(url.path, app)])
    return Stage(
        clock=clock,
        provider=idp,
        provider_http=provider_http,
        store=kept,
        auth=auth,
        base_url=base_url,
        path=path,
        apps={f"{url.scheme}://{url.netloc}": app, idp.issuer: idp.app},
        events=events,
    )


# --- one step at a time ---------------------------------------------------------------------------------------------------------


async def open_consent(user: ScriptedUser, url: str) -> Page:
    """From an authorization request to the consent page."""
    answer = await user.browser.get(url)
    assert answer.status_code == 303, answer.text
    return Page.read(await user.browser.get(answer.headers["location"]))


async def decide(user: ScriptedUser, page: Page, action: str = "approve", **fields: str) -> httpx2.Response:
    """Press a button of the consent page; `fields` replace or add form fields."""
    data = {**page.forms[0].hidden, "action": action, **fields}
    return await user.browser.post(page.url, data={name: value for name, value in data.items() if value})


async def call_status(client: ScriptedClient, access_token: str | None = None) -> int:
    """What the resource says to a call."""
    bearer = f"Bearer {access_token or client.tokens['access_token']}"
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}}
    return (await client.http.post(client.resource_url, json=message, headers={"authorization": bearer})).status_code


def redeemed_grant(upstream: UpstreamSession, now: float) -> Grant:
    """The record of a session whose code was spent just now."""
    return Grant(
        id="a-grant",
        client_id="a-client",
        redirect_uri="http://127.0.0.1/",
        scopes=(),
        resource="http://127.0.0.1/mcp",
        subject="alice",
        created_at=now,
        expires_at=now + 86_400,
        code=Code(digest="", expires_at=now, challenge="", redirect_uri="", spent_at=now),
        upstream=upstream,
    )


def query_of(url: str) -> dict[str, str]:
    """The parameters of a URL, each of which must be there once."""
    parameters = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in parameters.values())
    return {name: values[0] for name, values in parameters.items()}


def lacks(text: str, secrets: Collection[str | None]) -> bool:
    """Whether none of the secrets is in the text."""
    return not any(secret in text for secret in secrets if secret)
