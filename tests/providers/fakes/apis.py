"""Providers with an API of their own instead of OpenID Connect's: GitHub, Google (in part) and Discord.

Written after GitHub's REST reference (apps/oauth-applications), Google's OpenID Connect guide and Discord's OAuth2 reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.providers.fakes.fake import Allowed, Refused
from tests.providers.fakes.vendor import OUR_SECRET, PEOPLE, Vendor


@dataclass
class GitHub(Vendor):
    """Errors with status 200, scopes parted by commas, tokens without an end, and no refresh."""

    issuer: ClassVar[str] = "https://github.com"
    client_id: ClassVar[str] = "Ov23liAAAABBBBCCCCDD"
    endpoints: ClassVar[Mapping[str, str]] = {
        "authorize": "https://github.com/login/oauth/authorize",
        "token": "https://github.com/login/oauth/access_token",
        "userinfo": "https://api.github.com/user",
    }
    opaque: ClassVar[bool] = True
    prefix: ClassVar[str] = "gho_"
    refresh: ClassVar[Any] = "none"
    life: ClassVar[int | None] = None
    known_scopes: ClassVar[frozenset[str] | None] = frozenset({"user", "read:user", "user:email", "repo"})

    users: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "alice": {"id": 583231, "login": "alice", "name": "Alice", "email": None, "avatar_url": "https://a.example/1"},
            "bob": {"id": 583232, "login": "bob", "name": "Bob", "email": None, "avatar_url": "https://a.example/2"},
        }
    )

    def subject(self, user: str) -> str:
        return str(self.users[user]["id"])

    def places(self) -> list[tuple[str, Any, tuple[str, ...]]]:
        url = "https://api.github.com/applications/{client_id}/token"
        return [*super().places(), (url, self.application, ("POST", "DELETE"))]

    async def token(self, request: Request, form: dict[str, str]) -> Response:
        try:
            return await super().token(request, form)
        except Refused as refused:
            code = {"invalid_grant": "bad_verification_code", "invalid_client": "incorrect_client_credentials"}
            return JSONResponse({**refused.content, "error": code[refused.content["error"]]}, 200)

    def answer(self, allowed: Allowed, form: Mapping[str, str]) -> dict[str, Any]:
        return {**super().answer(allowed, form), "token_type": "bearer", "scope": ",".join(allowed.scopes)}

    async def application(self, request: Request, form: dict[str, str]) -> Response:
        """Checks or deletes a token of the application that asks; any other is not found."""
        client_id = self.authenticate(request, form)
        token = json.loads(await request.body())["access_token"]
        allowed = self.living(token)
        if client_id != request.path_params["client_id"] or allowed is None or allowed.client_id != client_id:
            return JSONResponse({"message": "Not Found"}, 404)
        if request.method == "DELETE":
            del self.tokens[token]
            return Response(status_code=204)
        return JSONResponse(
            {
                "id": 1,
                "app": {"client_id": client_id, "name": "ours", "url": "https://ours.example"},
                "scopes": list(allowed.scopes),
                "user": {"id": self.users[allowed.user]["id"], "login": allowed.user},
                "expires_at": None,
            }
        )


@dataclass
class Google(Vendor):
    """A refresh token at a consent only, long names for scopes, and a token API in which everything is a text."""

    issuer: ClassVar[str] = "https://accounts.google.com"
    client_id: ClassVar[str] = "1234567890-abc.apps.googleusercontent.com"
    endpoints: ClassVar[Mapping[str, str]] = {
        "authorize": "https://accounts.google.com/o/oauth2/v2/auth",
        "token": "https://oauth2.googleapis.com/token",
        "revoke": "https://oauth2.googleapis.com/revoke",
        "jwks": "https://www.googleapis.com/oauth2/v3/certs",
        "userinfo": "https://openidconnect.googleapis.com/v1/userinfo",
    }
    opaque: ClassVar[bool] = True
    prefix: ClassVar[str] = "ya29."
    refresh: ClassVar[Any] = "same"
    known_scopes: ClassVar[frozenset[str] | None] = frozenset({"openid", "email", "profile"})

    users: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: {**claims, "hd": "example.com"} for name, claims in PEOPLE.items()}
    )
    consented: set[str] = field(default_factory=set)
    consent_asked: bool = False

    def places(self) -> list[tuple[str, Any, tuple[str, ...]]]:
        return [*super().places(), ("https://oauth2.googleapis.com/tokeninfo", self.token_info, ("GET",))]

    def check_authorization(self, request: Request, parameters: Mapping[str, str]) -> None:
        super().check_authorization(request, parameters)
        self.consent_asked = parameters.get("access_type") == "offline" and parameters.get("prompt") == "consent"

    def answer(self, allowed: Allowed, form: Mapping[str, str]) -> dict[str, Any]:
        members = super().answer(allowed, form)
        if allowed.user in self.consented and not self.consent_asked:
            members.pop("refresh_token", None)
        self.consented.add(allowed.user)
        return {**members, "scope": _long(allowed)}

    async def token_info(self, request: Request, form: dict[str, str]) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        allowed = self.living(token)
        if allowed is None:
            raise Refused("invalid_token", "Invalid Value")
        return JSONResponse(
            {
                "azp": allowed.client_id,
                "aud": allowed.client_id,
                "sub": self.subject(allowed.user),
                "scope": _long(allowed),
                "exp": str(int(self.tokens[token][1])),
                "expires_in": str(int(self.tokens[token][1] - self.clock.now())),
                "access_type": "offline",
            }
        )


def _long(allowed: Allowed) -> str:
    start = "https://www.googleapis.com/auth/userinfo."
    return " ".join(f"{start}{scope}" if scope in ("email", "profile") else scope for scope in allowed.scopes)


@dataclass
class Discord(Vendor):
    """Numbers of applications and users, times as ISO 8601."""

    issuer: ClassVar[str] = "https://discord.com"
    client_id: ClassVar[str] = "157730590492196864"
    endpoints: ClassVar[Mapping[str, str]] = {
        "authorize": "https://discord.com/oauth2/authorize",
        "token": "https://discord.com/api/oauth2/token",
        "revoke": "https://discord.com/api/oauth2/token/revoke",
        "userinfo": "https://discord.com/api/users/@me",
    }
    opaque: ClassVar[bool] = True
    known_scopes: ClassVar[frozenset[str] | None] = frozenset({"identify", "email", "guilds"})
    life: ClassVar[int | None] = 604_800

    users: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "alice": {"id": "80351110224678912", "username": "alice", "email": "alice@example.com", "verified": True},
            "bob": {"id": "80351110224678913", "username": "bob", "email": "bob@example.com", "verified": True},
        }
    )

    def subject(self, user: str) -> str:
        return str(self.users[user]["id"])

    def places(self) -> list[tuple[str, Any, tuple[str, ...]]]:
        return [*super().places(), ("https://discord.com/api/oauth2/@me", self.me, ("GET",))]

    async def me(self, request: Request, form: dict[str, str]) -> Response:
        allowed = self.presented(request)
        ends = self.tokens[request.headers["authorization"].removeprefix("Bearer ")][1]
        return JSONResponse(
            {
                "application": {"id": allowed.client_id, "name": "ours"},
                "scopes": list(allowed.scopes),
                "expires": datetime.fromtimestamp(ends, UTC).isoformat(),
                "user": {"id": self.subject(allowed.user), "username": allowed.user},
            }
        )


__all__ = ["OUR_SECRET", "Discord", "GitHub", "Google"]
