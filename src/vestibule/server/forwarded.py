"""Another server's metadata shown at our address, for clients that look for it here (the MCP revision of 2025-03-26 had them do so)."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import Unavailable
from vestibule.net.cache import http_freshness
from vestibule.net.single_flight import SingleFlight
from vestibule.net.trusted import TrustedClient
from vestibule.protocol.json_documents import read_json_object
from vestibule.server.http import cors, json_endpoint, json_response
from vestibule.server.route import EndpointRoute

__all__ = ["ForwardedDocument"]

_USUAL: Final = 300.0
_LEAST: Final = 30.0
_MOST: Final = 3600.0


class ForwardedDocument:
    """A JSON document of a configured server, kept while it is fresh, and longer while the server does not answer.

    Args:
        url: where it is.
        http: fetches it.
        clock: the time.
    """

    def __init__(self, url: str, http: TrustedClient, clock: Clock) -> None:
        self._url = url
        self._http = http
        self._clock = clock
        self._copy: dict[str, Any] | None = None
        self._fresh_until = 0.0
        self._flight: SingleFlight[str, None] = SingleFlight()

    async def get(self) -> dict[str, Any]:
        """The document.

        Raises:
            Unavailable: it was never there to be had.
        """
        if self._copy is None or self._clock.now() >= self._fresh_until:
            try:
                await self._flight.share(self._url, self._fetch)
            except Unavailable:
                if self._copy is None:
                    raise
                self._fresh_until = self._clock.now() + _LEAST
        if self._copy is None:
            raise Unavailable(reasons.UPSTREAM_UNAVAILABLE, self._url)
        return self._copy

    def routes(self, *paths: str) -> list[BaseRoute]:
        """Where it is shown, to anyone."""

        async def show(request: Request) -> Response:
            return json_response(await self.get(), headers={"Cache-Control": "public, max-age=300"})

        handler = cors(json_endpoint(show), "GET")
        return [EndpointRoute(path, handler, methods=["GET", "OPTIONS"]) for path in dict.fromkeys(paths)]

    async def _fetch(self) -> None:
        answer = await self._http.get(self._url)
        if answer.status != 200:
            raise Unavailable(reasons.UPSTREAM_UNAVAILABLE, f"{self._url}: status {answer.status}")
        try:
            self._copy = read_json_object(answer.body)
        except ValueError as error:
            raise Unavailable(reasons.UPSTREAM_ANSWER, f"{self._url}: {error}") from None
        self._fresh_until = self._clock.now() + http_freshness(answer.headers, _USUAL, _LEAST, _MOST)
