"""A WorkOS Connect application: opaque access tokens, userinfo without scopes, and introspection that answers about any application's token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.providers.fakes.fake import LIFE, Allowed, Fake, Refused

DOMAIN = "https://lively-dog-42.authkit.app"
APP = "client_01JABCDEF"
OTHER_APP = "client_01JOTHER"
SECRET = "the-secret-of-the-application"
PEOPLE: dict[str, dict[str, Any]] = {
    name: {
        "sub": f"user_01{name.upper()}",
        "email": f"{name}@example.com",
        "email_verified": True,
        "name": f"{name.title()} Example",
        "given_name": name.title(),
        "family_name": "Example",
    }
    for name in ("alice", "bob")
}


@dataclass
class FakeWorkOS(Fake):
    """One AuthKit domain with several applications."""

    domain: str = DOMAIN
    users: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(PEOPLE))
    tokens: dict[str, Allowed] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.asgi: Starlette = self.app(
            self.route("/oauth2/authorize", self.sign_in_page, "GET", "POST"),
            self.route("/oauth2/token", self.token, "POST"),
            self.route("/oauth2/userinfo", self.userinfo),
            self.route("/oauth2/introspection", self.introspection, "POST"),
            self.route("/oauth2/jwks", self.jwks),
        )

    def check_user(self, user: str) -> None:
        if user in self.disabled:
            raise Refused("access_denied", "The user is not active.")

    async def token(self, request: Request, form: dict[str, str]) -> Response:
        self._authenticate(form)
        allowed = self.spend(form)
        if allowed.user in self.disabled:
            raise Refused("invalid_grant", "The session is not active any more.")
        return JSONResponse(self._answer(allowed))

    def _answer(self, allowed: Allowed) -> dict[str, Any]:
        granted = [scope for scope in allowed.scopes if scope not in self.refuses]
        answer: dict[str, Any] = {
            "access_token": self.new_token(allowed),
            "token_type": "bearer",
            "expires_in": LIFE,
            "scope": " ".join(granted),
        }
        if "offline_access" in granted:
            answer["refresh_token"] = self.new_refresh_token(allowed)
        if "openid" in granted:
            claims = {"iss": self.domain, "aud": allowed.client_id, "nonce": allowed.nonce, **self.users[allowed.user]}
            answer["id_token"] = self.sign(claims)
        return answer

    def new_token(self, allowed: Allowed) -> str:
        token = secrets.token_urlsafe(32)
        self.tokens[token] = allowed
        return token

    def token_of(self, user: str, client_id: str) -> str:
        """A token that some application got."""
        return self.new_token(Allowed(user, client_id, ("openid",), "", None, None, {}))

    async def userinfo(self, request: Request, form: dict[str, str]) -> Response:
        allowed = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if allowed is None or allowed.user in self.disabled:
            return JSONResponse({"error": "invalid_token"}, 401, {"www-authenticate": 'Bearer error="invalid_token"'})
        return JSONResponse(self.users[allowed.user])

    async def introspection(self, request: Request, form: dict[str, str]) -> Response:
        self._authenticate(form)
        allowed = self.tokens.get(form["token"])
        if allowed is None:
            return JSONResponse({"active": False})
        answer = {"active": True, "client_id": allowed.client_id, "sub": self.users[allowed.user]["sub"], "iss": self.domain}
        return JSONResponse({**answer, "scope": " ".join(allowed.scopes), "exp": int(self.clock.now()) + LIFE})

    def _authenticate(self, form: dict[str, str]) -> None:
        """In the body, as it is documented."""
        if (form.get("client_id"), form.get("client_secret")) != (APP, SECRET):
            raise Refused("invalid_client", "Client authentication failed.", 401)
