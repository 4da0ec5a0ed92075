"""A stand-in of three providers whose access tokens are opaque, GitHub, Google and WorkOS, with the paths of their real APIs.

It asks nobody anything and takes every token, as what is measured is how often it is asked (``GET /requests``). Both sides know
those providers by their real addresses; ``diverted`` sends what goes there here instead, in the same way for both.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx2
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from benchmarks.processes import serve
from benchmarks.upstream import CLIENT_ID, LIFE_SECONDS

HOSTS = (
    *("github.com", "api.github.com"),
    *("accounts.google.com", "oauth2.googleapis.com", "openidconnect.googleapis.com", "www.googleapis.com"),
    "benchmark.authkit.app",
)
GOOGLE = "https://accounts.google.com"
AUTHKIT = "https://benchmark.authkit.app"

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Vendor:
    """One provider: its module and class, which both sides call the same, the scope to ask for, what it alone needs, and what the
    peer's class takes so that it keeps an answer as long as ours does."""

    module: str
    provider: str
    scope: str
    options: dict[str, str] = field(default_factory=dict)
    keeping: dict[str, int] = field(default_factory=dict)


VENDORS = {
    "GitHub": Vendor("github", "GitHubProvider", "user", keeping={"cache_ttl_seconds": 300}),
    "Google": Vendor("google", "GoogleProvider", "openid", keeping={"cache_ttl_seconds": 300}),
    "WorkOS": Vendor("workos", "WorkOSProvider", "", {"authkit_domain": AUTHKIT}),
}

PERSON = {"sub": "583231", "name": "Alice", "email": "alice@example.com", "email_verified": True}
GITHUB_USER = {"id": 583231, "login": "alice", "name": "Alice", "avatar_url": "https://avatars.example/1"}
GOOGLE_USER = {"id": "583231", "name": "Alice", "email": "alice@example.com", "verified_email": True}


@contextlib.contextmanager
def diverted(stand_in: str) -> Iterator[None]:
    """Send every request for those providers to ``stand_in``, below all that either side does with its HTTP clients."""
    send = httpx2.AsyncHTTPTransport.handle_async_request
    target = httpx2.URL(stand_in)

    async def divert(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        if request.url.host in HOSTS:
            request.url = request.url.copy_with(scheme=target.scheme, host=target.host, port=target.port)
        return await send(transport, request)

    httpx2.AsyncHTTPTransport.handle_async_request = divert  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        httpx2.AsyncHTTPTransport.handle_async_request = send  # type: ignore[method-assign]


class StandIn:
    """The three of them; their paths do not meet."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "vendor"})
        self.requests = 0

    def app(self) -> Starlette:
        places: list[tuple[str, str, Handler]] = [
            ("GET", "/login/oauth/authorize", self.authorize),
            ("POST", "/login/oauth/access_token", self.github_token),
            ("POST", f"/applications/{CLIENT_ID}/token", self.github_application),
            ("GET", "/user", _answers(GITHUB_USER)),
            ("GET", "/user/repos", _answers([], {"x-oauth-scopes": "user"})),
            ("GET", "/o/oauth2/v2/auth", self.authorize),
            ("POST", "/token", self.google_token),
            ("GET", "/tokeninfo", self.google_token_info),
            ("GET", "/oauth2/v3/certs", self.jwks),
            ("GET", "/v1/userinfo", _answers(PERSON)),
            ("GET", "/oauth2/v2/userinfo", _answers(GOOGLE_USER)),
            ("GET", "/oauth2/authorize", self.authorize),
            ("POST", "/oauth2/token", self.workos_token),
            ("GET", "/oauth2/jwks", self.jwks),
            ("GET", "/oauth2/userinfo", _answers(PERSON)),
        ]
        routes = [Route(path, self.counted(handler), methods=[method]) for method, path, handler in places]
        return Starlette(routes=[*routes, Route("/requests", self.count)])

    def counted(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            self.requests += 1
            return await handler(request)

        return answer

    async def count(self, _: Request) -> JSONResponse:
        return JSONResponse(self.requests)

    async def authorize(self, request: Request) -> RedirectResponse:
        """Sign the one user in; the code carries the nonce."""
        asked = request.query_params
        code = base64.urlsafe_b64encode(json.dumps({"nonce": asked.get("nonce")}).encode()).decode()
        return RedirectResponse(
            f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", status_code=302
        )

    async def jwks(self, _: Request) -> JSONResponse:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def github_token(self, _: Request) -> JSONResponse:
        return JSONResponse({"access_token": f"gho_{secrets.token_hex(18)}", "token_type": "bearer", "scope": "user"})

    async def github_application(self, _: Request) -> JSONResponse:
        return JSONResponse({"id": 1, "app": {"client_id": CLIENT_ID}, "scopes": ["user"], "user": GITHUB_USER})

    async def google_token(self, request: Request) -> JSONResponse:
        return JSONResponse(await self.openid_tokens(request, GOOGLE, "ya29."))

    async def google_token_info(self, _: Request) -> JSONResponse:
        ends = {"exp": str(int(time.time()) + LIFE_SECONDS), "expires_in": str(LIFE_SECONDS)}
        return JSONResponse({"aud": CLIENT_ID, "azp": CLIENT_ID, "sub": PERSON["sub"], "scope": "openid"} | ends)

    async def workos_token(self, request: Request) -> JSONResponse:
        return JSONResponse(await self.openid_tokens(request, AUTHKIT, ""))

    async def openid_tokens(self, request: Request, issuer: str, prefix: str) -> dict[str, Any]:
        """An opaque access token, with an ID token for whom that is."""
        code = parse_qs((await request.body()).decode())["code"][0]
        nonce = json.loads(base64.urlsafe_b64decode(code))["nonce"]
        return {
            "access_token": prefix + secrets.token_urlsafe(32),
            "id_token": self.sign(iss=issuer, aud=CLIENT_ID, nonce=nonce, **PERSON),
            "refresh_token": secrets.token_urlsafe(32),
            "token_type": "Bearer",
            "expires_in": LIFE_SECONDS,
            "scope": "openid",
        }

    def sign(self, **claims: Any) -> str:
        now = int(time.time())
        named = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "vendor"}, {"iat": now, "exp": now + LIFE_SECONDS} | named, self.key)


def _answers(content: object, headers: dict[str, str] | None = None) -> Handler:
    async def answer(_: Request) -> JSONResponse:
        return JSONResponse(content, headers=headers)

    return answer


if __name__ == "__main__":
    serve(lambda _: StandIn().app())
