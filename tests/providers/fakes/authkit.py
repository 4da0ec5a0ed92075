"""AuthKit as an authorization server for MCP clients: a metadata document, keys, and JWTs for the resources in its dashboard."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.providers.fakes.fake import Fake

DOMAIN = "https://lively-dog-42.authkit.app"
CLIENT = "client_01JMCPCLIENT"


@dataclass
class FakeAuthKit(Fake):
    """One AuthKit domain."""

    domain: str = DOMAIN
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    cache_control: str = "max-age=60"

    def __post_init__(self) -> None:
        self.asgi: Starlette = self.app(
            self.route("/.well-known/oauth-authorization-server", self.metadata),
            self.route("/oauth2/jwks", self.jwks),
        )

    async def metadata(self, request: Request, form: dict[str, str]) -> Response:
        document = {
            "issuer": self.domain,
            "authorization_endpoint": f"{self.domain}/oauth2/authorize",
            "token_endpoint": f"{self.domain}/oauth2/token",
            "registration_endpoint": f"{self.domain}/oauth2/register",
            "introspection_endpoint": f"{self.domain}/oauth2/introspection",
            "jwks_uri": f"{self.domain}/oauth2/jwks",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["email", "offline_access", "openid", "profile"],
        }
        return JSONResponse(document, headers={"cache-control": self.cache_control})

    def access_token(self, audience: Any, **claims: Any) -> str:
        """What AuthKit gives for a resource; without one in the dashboard, `audience` is the client's or the environment's id."""
        shape = {
            "iss": self.domain,
            "aud": audience,
            "sub": "user_01ALICE",
            "sid": "session_01",
            "jti": "01J",
            "client_id": CLIENT,
        }
        members = {**shape, "scope": "openid profile", **claims}
        return self.sign({name: value for name, value in members.items() if value is not None})
