"""Where clients publish their metadata documents: a web server on this machine, which the guarded fetcher may reach from a loopback issuer."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from vestibule.testing import LoopbackServer

LOOPBACK_URI = "http://127.0.0.1:33418/callback"


class DocumentSite:
    """One document, which a test may change."""

    def __init__(self) -> None:
        self.changes: dict[str, Any] = {}
        self.status = 200
        self.headers = {"cache-control": "no-store"}
        self.fetched = 0
        self._server = LoopbackServer(Starlette(routes=[Route("/client.json", self._show), Route("/moved.json", self._moved)]))

    @property
    def client_id(self) -> str:
        return f"{self._server.url}/client.json"

    @property
    def moved(self) -> str:
        return f"{self._server.url}/moved.json"

    @property
    def host(self) -> str:
        return self._server.url.removeprefix("http://")

    def __enter__(self) -> DocumentSite:
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop()

    async def _show(self, request: Request) -> Response:
        self.fetched += 1
        document = {"client_id": self.client_id, "client_name": "Published", "redirect_uris": [LOOPBACK_URI], **self.changes}
        present = {name: value for name, value in document.items() if value is not None}
        return JSONResponse(present, self.status, self.headers)

    async def _moved(self, request: Request) -> Response:
        return RedirectResponse(self.client_id, 302)
