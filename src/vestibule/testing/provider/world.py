"""What the development provider's endpoints share, and what every one of them does with a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import OAuthError
from vestibule.protocol.parameters import Parameters, parse_parameters
from vestibule.testing.provider.faults import EndpointName, Faults, OAuthFault
from vestibule.testing.provider.keys import SigningKeys
from vestibule.testing.provider.model import Memory, ProviderClient, RecordedRequest

__all__ = ["AccessTokenFormat", "Handler", "World", "endpoint", "fault_error"]

AccessTokenFormat = Literal["jwt", "opaque"]


@dataclass(slots=True, kw_only=True)
class World:
    """Settings and state of one provider."""

    base_url: str
    clients: dict[str, ProviderClient]
    users: Mapping[str, Mapping[str, Any]]
    auto_approve_as: str | None
    access_token_format: AccessTokenFormat
    refresh_tokens: bool
    access_token_seconds: int
    require_nonce: bool
    require_pkce: bool
    clock: Clock
    keys: SigningKeys
    faults: Faults
    memory: Memory = field(default_factory=Memory)
    requests: list[RecordedRequest] = field(default_factory=list)

    def url(self, path: str) -> str:
        """The URL of an endpoint."""
        return self.base_url + path

    @property
    def gives_jwts(self) -> bool:
        """Whether access tokens are JWTs."""
        return self.access_token_format == "jwt"  # noqa: S105 - a format

    def claims_of(self, user: str) -> dict[str, Any]:
        """What is known of a user; ``sub`` is the name unless the claims say otherwise."""
        return {"sub": user, "preferred_username": user, **self.users[user]}


Handler = Callable[[World, Request, Parameters], Awaitable[Response]]


def endpoint(world: World, path: str, name: EndpointName, handler: Handler, methods: list[str]) -> Route:
    """The route of an endpoint: the request is recorded, ordered faults come first, and a refusal becomes its JSON."""

    async def answer(request: Request) -> Response:
        try:
            pairs = await _read(request)
            _record(world, name, request, pairs)
            return await _faulty_answer(world, name) or await handler(world, request, Parameters(pairs))
        except OAuthError as error:
            headers = {"cache-control": "no-store", **error.headers}
            return JSONResponse({"error": error.error, "error_description": error.detail}, error.status, headers)

    return Route(path, answer, methods=methods)


def fault_error(world: World, name: EndpointName) -> OAuthError | None:
    """The OAuth error that was ordered for this endpoint, if any."""
    fault: OAuthFault | None = world.faults.take("error", name)
    if fault is None:
        return None
    return OAuthError(fault.code, reasons.UPSTREAM_ERROR, fault.description, status=fault.status)


async def _read(request: Request) -> list[tuple[str, str]]:
    query, form = (parse_parameters(raw) for raw in (request.url.query.encode(), await request.body()))
    return [(name, value) for parameters in (query, form) for name in parameters for value in parameters.all(name)]


def _record(world: World, name: EndpointName, request: Request, pairs: list[tuple[str, str]]) -> None:
    headers = {key.lower(): value for key, value in request.headers.items()}
    world.requests.append(RecordedRequest(name, request.method, headers, dict(pairs), tuple(pairs)))


async def _faulty_answer(world: World, name: EndpointName) -> Response | None:
    seconds = world.faults.take("slow", name)
    if seconds:
        await world.clock.sleep(seconds)
    failure = world.faults.take("fail", name)
    if failure:
        status, retry_after = failure
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        return PlainTextResponse("out of order", status, headers)
    if world.faults.take("garbage", name):
        return HTMLResponse("<!doctype html><title>Welcome</title><p>Accept the terms of this network.")
    return None
