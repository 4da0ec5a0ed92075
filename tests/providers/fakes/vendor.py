"""A fake that is data: endpoints by name, a form of tokens, and what this provider does differently."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, ClassVar, Literal
from urllib.parse import unquote_plus, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.providers.fakes.fake import LIFE, Allowed, Fake, Refused

from vestibule.testing.provider.keys import Algorithm, SigningKeys

OUR_SECRET = "a secret that the provider gave"
OTHER_APP = "another-application"
AUTHORIZATION_SERVER = "/.well-known/oauth-authorization-server"

PEOPLE: dict[str, dict[str, Any]] = {
    "alice": {"sub": "00u-alice", "name": "Alice", "email": "alice@example.com", "email_verified": True},
    "bob": {"sub": "00u-bob", "name": "Bob", "email": "bob@example.com", "email_verified": True},
}


@cache
def _keys(algorithm: Algorithm) -> SigningKeys:
    """Made once: an RSA key takes longer than a whole test."""
    return SigningKeys(algorithm)


@dataclass
class Vendor(Fake):
    """A provider whose particulars are class attributes and, where data cannot say them, overridden methods.

    Attributes:
        issuer: its issuer, or its address where it has none.
        endpoints: URLs by name: authorize, token, jwks, userinfo, introspect, revoke, register.
        client_id: of our application.
        opaque: whether access tokens are.
        refresh: whether it gives refresh tokens, and new ones at each refresh.
        known_scopes: any other is refused; None: takes all.
        takes_resource: whether it knows RFC 8707.
        tells_application: whether it says by itself which application an access token is of; else ``at_hash`` alone binds the token.
        life: of access tokens in seconds; None: they do not end.
        foreign: from now on it hands out access tokens of another application.
        tokens: access tokens that hold.
    """

    issuer: ClassVar[str]
    endpoints: ClassVar[Mapping[str, str]]
    client_id: ClassVar[str] = "our-application"
    opaque: ClassVar[bool] = False
    prefix: ClassVar[str] = ""
    algorithm: ClassVar[Algorithm] = "RS256"
    refresh: ClassVar[Literal["none", "new", "same"]] = "new"
    known_scopes: ClassVar[frozenset[str] | None] = None
    takes_resource: ClassVar[bool] = False
    tells_application: ClassVar[bool] = True
    life: ClassVar[int | None] = LIFE
    document_members: ClassVar[Mapping[str, Any]] = {}

    users: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: dict(claims) for name, claims in PEOPLE.items()})
    foreign: bool = False
    tokens: dict[str, tuple[Allowed, float]] = field(default_factory=dict)
    clients: set[str] = field(default_factory=set)
    resources: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = _keys(self.algorithm)
        self.clients |= {self.client_id, OTHER_APP}

    # --- where things are -----------------------------------------------------------------------------------------------------

    @property
    def apps(self) -> dict[str, Starlette]:
        """Its applications by origin."""
        by_origin: dict[str, list[Route]] = {}
        for url, handler, methods in self.places():
            parts = urlsplit(url)
            route = self.route(parts.path, handler, *methods)
            by_origin.setdefault(f"{parts.scheme}://{parts.netloc}", []).append(route)
        return {origin: Starlette(routes=routes) for origin, routes in by_origin.items()}

    def places(self) -> list[tuple[str, Any, tuple[str, ...]]]:
        """URL, handler and methods of everything."""
        handlers = {
            "authorize": (self.sign_in_page, ("GET", "POST")),
            "token": (self.token, ("POST",)),
            "jwks": (self.jwks, ("GET",)),
            "userinfo": (self.userinfo, ("GET",)),
            "introspect": (self.introspect, ("POST",)),
            "revoke": (self.revoke, ("POST",)),
            "register": (self.register, ("POST",)),
        }
        return [
            *((url, *handlers[name]) for name, url in self.endpoints.items()),
            *((url, self.metadata, ("GET",)) for url in self.documents),
        ]

    @property
    def documents(self) -> list[str]:
        """Where its metadata is: below the issuer, and where RFC 8414 §3.1 wants it."""
        parts = urlsplit(self.issuer)
        issuer, path = self.issuer.rstrip("/"), parts.path.rstrip("/")
        urls = [
            f"{issuer}/.well-known/openid-configuration",
            f"{issuer}{AUTHORIZATION_SERVER}",
            f"{parts.scheme}://{parts.netloc}{AUTHORIZATION_SERVER}{path}",
        ]
        return list(dict.fromkeys(urls))

    def document(self) -> dict[str, Any]:
        """Its metadata."""
        names = {
            "authorize": "authorization_endpoint",
            "token": "token_endpoint",
            "jwks": "jwks_uri",
            "userinfo": "userinfo_endpoint",
            "introspect": "introspection_endpoint",
            "revoke": "revocation_endpoint",
            "register": "registration_endpoint",
        }
        return {
            "issuer": self.issuer,
            **{names[name]: url for name, url in self.endpoints.items()},
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.algorithm],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "scopes_supported": sorted(self.known_scopes or {"openid", "profile", "email", "offline_access"}),
            "code_challenge_methods_supported": ["S256"],
            **self.document_members,
        }

    def subject(self, user: str) -> str:
        """What this provider calls the user."""
        return str(self.users[user]["sub"])

    # --- signing in -----------------------------------------------------------------------------------------------------------

    def check_authorization(self, request: Request, parameters: Mapping[str, str]) -> None:
        if parameters.get("client_id") not in self.clients:
            raise Refused("invalid_client", "The client is not known.")
        if "resource" in parameters and not self.takes_resource:
            raise Refused("invalid_request", "Parameter not allowed for this message type: resource")
        unknown = set(parameters.get("scope", "").split()) - (self.known_scopes or set(parameters.get("scope", "").split()))
        if unknown:
            raise Refused("invalid_scope", f"Some requested scopes were invalid: {sorted(unknown)}")
        self.resources[parameters.get("code_challenge", "")] = parameters.get("resource", "")

    def check_user(self, user: str) -> None:
        if user in self.disabled:
            raise Refused("access_denied", "The account is disabled.")

    # --- tokens ---------------------------------------------------------------------------------------------------------------

    async def token(self, request: Request, form: dict[str, str]) -> Response:
        self.authenticate(request, form)
        allowed = self.spend(form)
        if allowed.user in self.disabled:
            raise Refused("invalid_grant", "The account is disabled.")
        return JSONResponse(self.answer(allowed, form))

    def authenticate(self, request: Request, form: Mapping[str, str]) -> str:
        """The client that a request comes from (RFC 6749 §2.3.1)."""
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if request.headers.get("authorization", "").startswith("Basic "):
            text = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
            client_id, _, secret = (unquote_plus(part) for part in text.partition(":"))
        if client_id not in self.clients or (client_id == self.client_id and secret != OUR_SECRET):
            raise Refused("invalid_client", "The client is unknown or its secret is wrong.", 401)
        return client_id

    def answer(self, allowed: Allowed, form: Mapping[str, str]) -> dict[str, Any]:
        """The members of a token answer."""
        token = self.issue(allowed)
        members: dict[str, Any] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.life,
            "scope": " ".join(allowed.scopes),
        }
        if self.refresh == "new" or (self.refresh == "same" and form["grant_type"] == "authorization_code"):
            members["refresh_token"] = self.new_refresh_token(allowed)
        elif self.refresh == "same":
            self.refresh_tokens[form["refresh_token"]] = allowed
        if self.foreign:
            members["access_token"] = self.issue(replace(allowed, client_id=OTHER_APP))
        if "openid" in allowed.scopes:
            bound_to = members["access_token"] if self.tells_application else token
            members["id_token"] = self.id_token(allowed, form, bound_to)
        return {name: value for name, value in members.items() if value is not None}

    def issue(self, allowed: Allowed, **claims: Any) -> str:
        """A new access token."""
        token = self.prefix + (secrets.token_urlsafe(24) if self.opaque else self.signed(allowed, **claims))
        self.tokens[token] = (allowed, self.clock.now() + (self.life or 10**9))
        return token

    def issue_to(self, user: str, client_id: str = OTHER_APP, resource: str = "", **claims: Any) -> str:
        """A new access token, out of the blue."""
        self.resources["out of the blue"] = resource
        scopes = tuple(sorted(self.known_scopes or ("openid",)))
        return self.issue(Allowed(user, client_id, scopes, "", None, "out of the blue", {}), **claims)

    def signed(self, allowed: Allowed, **claims: Any) -> str:
        members = {"iss": self.issuer, "sub": self.subject(allowed.user), **self.access_claims(allowed), **claims}
        return self.sign({name: value for name, value in members.items() if value is not None})

    def access_claims(self, allowed: Allowed) -> dict[str, Any]:
        """What is particular about its access tokens."""
        return {"aud": self.resource_of(allowed), "client_id": allowed.client_id, "scope": " ".join(allowed.scopes)}

    def resource_of(self, allowed: Allowed) -> str:
        return self.resources.get(allowed.challenge or "", "") or self.issuer

    def id_token(self, allowed: Allowed, form: Mapping[str, str], access_token: str) -> str:
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        members = {
            **self.users[allowed.user],
            "iss": self.issuer,
            "aud": allowed.client_id,
            "nonce": allowed.nonce if form["grant_type"] == "authorization_code" else None,
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
            **self.id_claims(allowed),
        }
        return self.sign({name: value for name, value in members.items() if value is not None})

    def id_claims(self, allowed: Allowed) -> dict[str, Any]:
        """What is particular about its ID tokens."""
        return {}

    # --- questions about tokens -----------------------------------------------------------------------------------------------

    def living(self, token: str) -> Allowed | None:
        """What a token stands for, while it does."""
        allowed, ends = self.tokens.get(token, (None, 0.0))
        holds = allowed is not None and ends > self.clock.now() and allowed.user not in self.disabled
        return allowed if holds else None

    def presented(self, request: Request) -> Allowed:
        allowed = self.living(request.headers.get("authorization", "").removeprefix("Bearer "))
        if allowed is None:
            raise Refused("invalid_token", "The token is over or unknown.", 401)
        return allowed

    async def userinfo(self, request: Request, form: dict[str, str]) -> Response:
        return JSONResponse(self.users[self.presented(request).user])

    async def introspect(self, request: Request, form: dict[str, str]) -> Response:
        self.authenticate(request, form)
        allowed = self.living(form["token"])
        if allowed is None:
            return JSONResponse({"active": False})
        return JSONResponse({"active": True, "sub": self.subject(allowed.user), **self.introspected(allowed)})

    def introspected(self, allowed: Allowed) -> dict[str, Any]:
        return {"client_id": allowed.client_id, "scope": " ".join(allowed.scopes)}

    async def revoke(self, request: Request, form: dict[str, str]) -> Response:
        self.authenticate(request, form)
        self.tokens.pop(form["token"], None)
        self.refresh_tokens.pop(form["token"], None)
        return Response()

    # --- clients that register ------------------------------------------------------------------------------------------------

    async def register(self, request: Request, form: dict[str, str]) -> Response:
        client_id = f"registered-{secrets.token_hex(4)}"
        self.clients.add(client_id)
        return JSONResponse({**json.loads(await request.body()), "client_id": client_id}, 201)

    async def metadata(self, request: Request, form: dict[str, str]) -> Response:
        return JSONResponse(self.document())
