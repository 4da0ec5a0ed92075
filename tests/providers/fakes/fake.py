"""What the fakes of providers have in common: people, codes, grants, a sign-in page, and what they were asked."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from vestibule.protocol.pkce import verifier_fits
from vestibule.testing import FakeClock
from vestibule.testing.provider.keys import SigningKeys

LIFE = 3600


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came in."""

    path: str
    form: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a user allowed an application."""

    user: str
    client_id: str
    scopes: tuple[str, ...]
    redirect_uri: str
    nonce: str | None
    challenge: str | None
    path: dict[str, str]


class Refused(Exception):
    """An OAuth error."""

    def __init__(self, error: str, description: str, status: int = 400, **members: Any) -> None:
        super().__init__(error)
        self.status = status
        self.content = {"error": error, "error_description": description, **members}


@dataclass
class Fake:
    """A provider. Subclasses name its paths and say what its tokens look like."""

    clock: FakeClock
    users: dict[str, dict[str, Any]]
    disabled: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    status: int = 500
    asked: list[Asked] = field(default_factory=list)
    codes: dict[str, Allowed] = field(default_factory=dict)
    refresh_tokens: dict[str, Allowed] = field(default_factory=dict)
    keys: SigningKeys = field(default_factory=lambda: SigningKeys("RS256"))

    def requests_to(self, end: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.endswith(end)]

    def route(self, path: str, handler: Callable[[Request, dict[str, str]], Awaitable[Response]], *methods: str) -> Route:
        """Records the request; what is down does not answer, and refusals become JSON."""

        async def answer(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode() or request.url.query, keep_blank_values=True))
            self.asked.append(Asked(request.url.path, form, dict(request.headers)))
            if any(request.url.path.endswith(name) for name in self.down):
                return PlainTextResponse("out of order", self.status, {"retry-after": "7"})
            try:
                return await handler(request, form)
            except Refused as refused:
                return JSONResponse(refused.content, refused.status)

        return Route(path, answer, methods=list(methods) or ["GET"])

    def app(self, *routes: Route) -> Starlette:
        return Starlette(routes=routes)

    # --- the usual steps ------------------------------------------------------------------------------------------------------

    async def sign_in_page(self, request: Request, form: dict[str, str]) -> Response:
        """GET asks who it is, POST is the answer; the request's own parameters are in the query."""
        parameters = dict(parse_qsl(request.url.query))
        try:
            self.check_authorization(request, parameters)
            if request.method == "GET":
                buttons = "".join(f'<button name="user" value="{user}">{user}</button>' for user in self.users)
                return HTMLResponse(f'<form method="post" action="">{buttons}</form>')
            self.check_user(form["user"])
        except Refused as refused:
            return _redirect(parameters, refused.content)
        code = secrets.token_urlsafe(16)
        self.codes[code] = Allowed(
            user=form["user"],
            client_id=parameters["client_id"],
            scopes=tuple(parameters.get("scope", "").split()),
            redirect_uri=parameters["redirect_uri"],
            nonce=parameters.get("nonce"),
            challenge=parameters.get("code_challenge"),
            path=dict(request.path_params),
        )
        return _redirect(parameters, {"code": code})

    def check_authorization(self, request: Request, parameters: Mapping[str, str]) -> None:
        """Refuse what this provider refuses."""

    def check_user(self, user: str) -> None:
        """Refuse whom this provider refuses."""

    def spend(self, form: Mapping[str, str]) -> Allowed:
        """What a code or a refresh token stands for."""
        kept, name = (
            (self.codes, "code") if form["grant_type"] == "authorization_code" else (self.refresh_tokens, "refresh_token")
        )
        allowed = kept.pop(form.get(name, ""), None)
        if allowed is None:
            raise Refused("invalid_grant", f"{name} is not known")
        if name == "code" and allowed.challenge and not verifier_fits(form.get("code_verifier", ""), allowed.challenge):
            raise Refused("invalid_grant", "code_verifier does not fit")
        return allowed

    def new_refresh_token(self, allowed: Allowed) -> str:
        token = secrets.token_urlsafe(24)
        self.refresh_tokens[token] = allowed
        return token

    def sign(self, claims: Mapping[str, Any], kind: str = "JWT", **times: int) -> str:
        """A JWT of now."""
        now = int(self.clock.now())
        return self.keys.sign({"iat": now, "nbf": now, "exp": now + LIFE, **times, **claims}, kind)

    async def jwks(self, request: Request, form: dict[str, str]) -> Response:
        return JSONResponse(self.keys.jwks())


def _redirect(parameters: Mapping[str, str], answer: Mapping[str, Any]) -> Response:
    members = {**answer, "state": parameters.get("state", "")}
    return RedirectResponse(f"{parameters['redirect_uri']}?{urlencode(members)}", 303)
