"""One user for each thing that users do, stopped just before doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2
from tests.flows.stage import BASE, Stage, query_of

from vestibule.testing import ScriptedClient

TOKEN = f"{BASE}/token"


async def call(stage: Stage, client: ScriptedClient, http: httpx2.AsyncClient | None = None) -> httpx2.Response:
    """A call with the client's access token."""
    bearer = {"authorization": f"Bearer {client.tokens['access_token']}"}
    return await (http or stage.http).post(stage.resource, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=bearer)


async def refresh(client: ScriptedClient) -> httpx2.Response:
    """A refresh with the client's refresh token; its answer is not taken over."""
    form = {"grant_type": "refresh_token", "refresh_token": client.tokens["refresh_token"]}
    return await client.post_form(TOKEN, form)


@dataclass
class Scene:
    """Who waits to do what.

    Args:
        stage: a process as it is by default.
        lenient: another one, with ``store_outage_seconds``.
        clients: by action.
        attempts: of those who wait with a code: code and attempt.
        callback_url: where the provider sent a browser.
    """

    stage: Stage
    lenient: Stage
    clients: dict[str, ScriptedClient]
    code: tuple[str, Any]
    callback_url: str

    @classmethod
    async def set(cls, stage: Stage, lenient: Stage) -> Scene:
        names = ("just_verified", "verified", "carried", "unseen", "refresh", "revoke")
        clients = {name: await stage.signed_in() for name in names}
        clients["redeem"], clients["callback"] = await stage.registered(), await stage.registered()
        clients["authorize"] = await stage.registered()
        stage.clock.advance(20)
        code = await stage.with_code(clients["redeem"])
        waiting = clients["callback"]
        callback_url = await waiting.user.visit(waiting.start().url, stage.callback)
        return cls(stage, lenient, clients, code, callback_url)

    async def rotate(self) -> None:
        """A refresh, so that a copy of before does not know the refresh token."""
        await self.clients["refresh"].refresh()

    async def verify(self) -> None:
        """Those calls that are to have been seen before."""
        for name, stage in (("just_verified", self.stage), ("verified", self.stage), ("carried", self.lenient)):
            assert [(await call(stage, self.clients[name])).status_code for _ in range(2)] == [200, 200]

    async def act(self, action: str) -> httpx2.Response:
        """Do it, or do it again."""
        client = self.clients[action]
        match action:
            case "just_verified" | "verified" | "unseen":
                return await call(self.stage, client)
            case "carried":
                return await call(self.lenient, client)
            case "refresh":
                return await refresh(client)
            case "redeem":
                code, attempt = self.code
                form = {"grant_type": "authorization_code", "code": code, "code_verifier": attempt.verifier}
                return await client.post_form(TOKEN, {**form, "redirect_uri": client.redirect_uri})
            case "revoke":
                return await client.post_form(f"{BASE}/revoke", {"token": client.tokens["refresh_token"]})
            case "authorize":
                return await client.user.browser.get(client.start().url)
            case _:
                return await client.user.browser.get(self.callback_url)


def succeeded(action: str, answer: httpx2.Response) -> bool:
    """Whether the user goes on."""
    if action == "callback":
        return answer.status_code in (302, 303, 307) and "code" in query_of(answer.headers["location"])
    return answer.status_code == (303 if action == "authorize" else 200)
