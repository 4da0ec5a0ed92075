"""A bridge, the fake of its provider, a protected server and people, all in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from tests.flows.stage import BASE, KEY, protected_server

from vestibule.events import Event
from vestibule.storage.memory import MemoryStore
from vestibule.testing import FakeClock, ScriptedClient, ScriptedUser
from vestibule.testing.client import StepFailed
from vestibule.testing.user import Page, UnexpectedPage, web_client

RESOURCE = f"{BASE}/mcp"
FAILED = (StepFailed, UnexpectedPage)
"""What a login raises that does not come to an end."""


@dataclass
class House:
    """Everything by URL, and who has come in.

    Attributes:
        apps: the provider's apps by base URL.
        events: what happened.
    """

    clock: FakeClock
    apps: dict[str, Any]
    events: list[Event]
    _open: list[Any] = field(default_factory=list)

    @property
    def common(self) -> dict[str, Any]:
        """Options of every bridge here."""
        return {
            "base_url": BASE,
            "client_storage": MemoryStore(self.clock),
            "jwt_signing_key": KEY,
            "clock": self.clock,
            "http_client": self.http(),
        }

    def open(self, auth: Any, app: Any = None) -> None:
        """Put the provider `auth` before a server."""
        self.apps[BASE] = auth.protect(app or protected_server())

    def http(self) -> httpx2.AsyncClient:
        return self._keep(web_client(self.apps))

    def client(self, user: str = "alice") -> ScriptedClient:
        person = self._keep(ScriptedUser(user, apps=self.apps))
        return self._keep(ScriptedClient(RESOURCE, user=person, apps=self.apps))

    async def signed_in(self, user: str = "alice", scope: str | None = None) -> ScriptedClient:
        client = self.client(user)
        await client.login(scope)
        return client

    async def page_of_refusal(self, user: str = "alice") -> Page:
        """What a user sees whose login does not come to an end."""
        client = self.client(user)
        with pytest.raises(FAILED):
            await client.login()
        return client.user.pages[-1]

    async def call_with(self, token: str | None) -> httpx2.Response:
        """A request to the resource."""
        headers = {"accept": "application/json, text/event-stream"} | ({"authorization": f"Bearer {token}"} if token else {})
        return await self.http().post(RESOURCE, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=headers)

    def operator_events(self) -> list[str]:
        return [event.detail for event in self.events if event.name == "operator"]

    async def close(self) -> None:
        for item in self._open:
            await item.aclose()

    def _keep(self, item: Any) -> Any:
        self._open.append(item)
        return item
