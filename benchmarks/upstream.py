"""A stand-in identity provider, as cheap as one can be: codes carry their own state, nobody is asked anything.

It counts the requests it answers (``GET /requests``), which is how a benchmark knows whether a bridge used the network, and the refreshes
among them (``GET /refreshes``). ``python -m benchmarks.upstream 5`` makes tokens that live five seconds.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from benchmarks.processes import serve

CLIENT_ID = "benchmark"
CLIENT_SECRET = "a-secret-of-the-benchmark-only-0123456789"
SCOPE = "openid"
LIFE_SECONDS = 3600


class Upstream:
    """Discovery, keys, an authorization endpoint that never asks, and a token endpoint."""

    def __init__(self, issuer: str, life: int = LIFE_SECONDS) -> None:
        self.issuer = issuer
        self.life = life
        self.key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "upstream"})
        self.requests = 0
        self.refreshes = 0

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/jwks", self.jwks),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/requests", self.count),
                Route("/refreshes", self.count_refreshes),
            ]
        )

    async def discovery(self, _: Request) -> JSONResponse:
        self.requests += 1
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": [SCOPE],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def jwks(self, _: Request) -> JSONResponse:
        self.requests += 1
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def authorize(self, request: Request) -> RedirectResponse:
        self.requests += 1
        asked = request.query_params
        code = base64.urlsafe_b64encode(json.dumps({"nonce": asked.get("nonce")}).encode()).decode()
        answer = {"code": code, "state": asked["state"], "iss": self.issuer}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", status_code=302)

    async def token(self, request: Request) -> JSONResponse:
        self.requests += 1
        form = parse_qs((await request.body()).decode())
        nonce = None
        if "refresh_token" in form:
            self.refreshes += 1
        else:
            nonce = json.loads(base64.urlsafe_b64decode(form["code"][0]))["nonce"]
        return JSONResponse(
            {
                "access_token": self.sign(aud="benchmark-api", client_id=CLIENT_ID, scope=SCOPE, jti=secrets.token_hex(8)),
                "id_token": self.sign(aud=CLIENT_ID, nonce=nonce),
                "refresh_token": secrets.token_urlsafe(32),
                "token_type": "Bearer",
                "expires_in": self.life,
                "scope": SCOPE,
            }
        )

    async def count(self, _: Request) -> JSONResponse:
        return JSONResponse(self.requests)

    async def count_refreshes(self, _: Request) -> JSONResponse:
        return JSONResponse(self.refreshes)

    def sign(self, **claims: Any) -> str:
        now = int(time.time())
        named = {name: value for name, value in claims.items() if value is not None}
        common = {"iss": self.issuer, "sub": "user-1", "iat": now, "exp": now + self.life}
        return jwt.encode({"alg": "RS256", "kid": "upstream"}, common | named, self.key)


if __name__ == "__main__":
    serve(lambda base_url: Upstream(base_url, *map(int, sys.argv[1:])).app())
