"""Entra ID and Azure AD B2C as they are met: paths, tokens of both versions, and the AADSTS errors of usual mistakes.

Written after the public reference of the identity platform (access-tokens, id-tokens, error-codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.providers.fakes.fake import LIFE, Allowed, Fake, Refused

from vestibule.keys.jwt import peek_claims

LOGIN = "https://login.microsoftonline.com"
HOME = "11111111-2222-3333-4444-555555555555"
OTHER = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
APP = "6731de76-14a6-49ae-97bc-6eba6914391e"
FOREIGN_APP = "00001111-aaaa-2222-bbbb-3333cccc4444"
SECRET = "the~value~of~the~secret"
GRAPH = "https://graph.microsoft.com"
OIDC = {"openid", "profile", "email", "offline_access"}

PEOPLE: dict[str, dict[str, Any]] = {
    "alice": {
        "tid": HOME,
        "oid": "0a000000-0000-0000-0000-000000000001",
        "name": "Alice",
        "preferred_username": "alice@contoso.example",
    },
    "bob": {
        "tid": OTHER,
        "oid": "0b000000-0000-0000-0000-000000000002",
        "name": "Bob",
        "preferred_username": "bob@fabrikam.example",
    },
    "paul": {
        "tid": PERSONAL,
        "oid": "0c000000-0000-0000-0000-000000000003",
        "name": "Paul",
        "preferred_username": "paul@outlook.example",
    },
}


@dataclass(frozen=True, slots=True)
class App:
    """An app registration that is an API, too."""

    client_id: str = APP
    secret: str = SECRET
    identifier_uri: str = f"api://{APP}"
    scopes: tuple[str, ...] = ("read", "write")
    platform: str = "web"
    version: str = "2.0"


@dataclass
class FakeEntra(Fake):
    """One cloud, or one B2C host."""

    host: str = LOGIN
    registration: App = field(default_factory=App)
    users: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(PEOPLE))
    policy: str | None = None

    def __post_init__(self) -> None:
        self.asgi: Starlette = self._paths("/{tenant}/{policy}" if self.policy else "/{tenant}")

    def _paths(self, start: str) -> Starlette:
        return self.app(
            self.route(f"{start}/oauth2/v2.0/authorize", self.sign_in_page, "GET", "POST"),
            self.route(f"{start}/oauth2/v2.0/token", self.token, "POST"),
            self.route(f"{start}/discovery/v2.0/keys", self.jwks),
            self.route(f"{start}/v2.0/.well-known/openid-configuration", self.discovery),
            self.route("/v1.0/me", self.graph_profile),
        )

    async def discovery(self, request: Request, form: dict[str, str]) -> Response:
        start = f"{self.host}/{'/'.join(request.path_params.values())}"
        return JSONResponse(
            {
                "issuer": self.issuer(HOME),
                "authorization_endpoint": f"{start}/oauth2/v2.0/authorize",
                "token_endpoint": f"{start}/oauth2/v2.0/token",
                "jwks_uri": f"{start}/discovery/v2.0/keys",
            }
        )

    def issuer(self, tenant: str, version: str = "2.0") -> str:
        if self.policy:
            return f"{self.host}/{tenant}/v2.0/"
        return f"https://sts.windows.net/{tenant}/" if version == "1.0" else f"{self.host}/{tenant}/v2.0"

    # --- authorization --------------------------------------------------------------------------------------------------------

    def check_authorization(self, request: Request, parameters: Mapping[str, str]) -> None:
        if "resource" in parameters:
            aadsts("invalid_request", 901002, "The 'resource' request parameter is not supported.")
        if not parameters.get("scope"):
            aadsts("invalid_request", 900144, "The request body must contain the following parameter: 'scope'.")
        for scope in parameters["scope"].split():
            self._check_scope(scope)

    def _check_scope(self, scope: str) -> None:
        """What names no API is taken for a scope of Microsoft Graph."""
        own = [f"{self.registration.identifier_uri}/{name}" for name in self.registration.scopes]
        if scope in OIDC or scope in own or scope in ("User.Read", "Mail.Read", f"{GRAPH}/User.Read"):
            return
        text = f"The application '{APP}' asked for scope '{scope}' that doesn't exist on the resource '{GRAPH}'."
        aadsts("invalid_client", 650053, text)

    def check_user(self, user: str) -> None:
        if user in self.disabled:
            aadsts("invalid_grant", 50057, "The user account is disabled.")

    # --- tokens ---------------------------------------------------------------------------------------------------------------

    async def token(self, request: Request, form: dict[str, str]) -> Response:
        if "resource" in form:
            text = "The resource parameter provided in the request doesn't match with the requested scopes."
            aadsts("invalid_target", 9010010, text)
        if form.get("client_secret") != self.registration.secret:
            aadsts("invalid_client", 7000215, "Invalid client secret provided. Ensure it is the value, not the ID.", 401)
        if form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return self._on_behalf_of(form)
        if self.registration.platform == "spa":
            text = "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests."
            aadsts("invalid_request", 9002327, text)
        self._check_one_api(form.get("scope", ""))
        allowed = self.spend(form)
        self.check_user(allowed.user)
        return JSONResponse(self._answer(allowed, form))

    def _check_one_api(self, text: str) -> None:
        apis = {scope.rpartition("/")[0] for scope in text.split() if scope not in OIDC}
        if len(apis) > 1:
            aadsts("invalid_scope", 28000, "Provided value for the input parameter scope contains more than one resource.")

    def _answer(self, allowed: Allowed, form: Mapping[str, str]) -> dict[str, Any]:
        scopes = form["scope"].split() if form.get("scope") else list(allowed.scopes)
        own = [scope for scope in scopes if scope.startswith(f"{self.registration.identifier_uri}/")]
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": " ".join(own),
            "expires_in": LIFE,
            "ext_expires_in": LIFE,
            "access_token": self.access_token(allowed.user, scp=" ".join(scope.rpartition("/")[2] for scope in own)),
        }
        if "offline_access" in allowed.scopes:
            answer["refresh_token"] = self.new_refresh_token(allowed)
        if "openid" in scopes:
            answer["id_token"] = self.id_token(allowed.user, nonce=allowed.nonce)
        return answer

    def access_token(self, user: str = "alice", **claims: Any) -> str:
        """As Entra issues them for this API; None leaves a claim out."""
        who, version = self.users[user], claims.get("ver", self.registration.version)
        common = {"iss": self.issuer(who["tid"], version), "sub": f"pairwise-{user}", "ver": version, "scp": "read", **who}
        if version == "1.0":
            shape = {"aud": self.registration.identifier_uri, "appid": APP, "appidacr": "1", "upn": who["preferred_username"]}
        else:
            shape = {"aud": APP, "azp": APP, "azpacr": "1"}
        if self.policy:
            shape |= {"tfp": self.policy}
        members = {**common, **shape, **claims}
        return self.sign({name: value for name, value in members.items() if value is not None})

    def id_token(self, user: str = "alice", **claims: Any) -> str:
        who = self.users[user]
        return self.sign({"iss": self.issuer(who["tid"]), "aud": APP, "sub": f"pairwise-{user}", "ver": "2.0", **who, **claims})

    def app_only_token(self, **claims: Any) -> str:
        """What client credentials give: roles, no scp, and the service principal as subject."""
        principal = "5e000000-0000-0000-0000-00000000000a"
        shape = {"iss": self.issuer(HOME), "aud": APP, "azp": FOREIGN_APP, "idtyp": "app", "roles": ["Read.All"], "tid": HOME}
        return self.sign({**shape, "oid": principal, "sub": principal, "ver": "2.0", **claims})

    def _on_behalf_of(self, form: Mapping[str, str]) -> Response:
        assertion = peek_claims(form.get("assertion", "")) or {}
        if assertion.get("idtyp") == "app":
            aadsts("invalid_grant", 7000114, "Application is not allowed to make application on-behalf-of calls.")
        if assertion.get("aud") not in (APP, self.registration.identifier_uri):
            aadsts("invalid_grant", 500131, "Assertion audience does not match the Client app presenting the assertion.")
        if "Mail.ReadWrite" in form["scope"]:
            text = "The user or administrator has not consented to use the application. Send an interactive request."
            aadsts("invalid_grant", 65001, text, suberror="consent_required")
        token = f"graph-token-of-{assertion['oid']}-for-{form['scope']}"
        return JSONResponse({"token_type": "Bearer", "scope": form["scope"], "expires_in": LIFE, "access_token": token})

    async def graph_profile(self, request: Request, form: dict[str, str]) -> Response:
        """Microsoft Graph, as far as it is one endpoint for tokens that were got on behalf of somebody."""
        token = request.headers.get("authorization", "").removeprefix("Bearer graph-token-of-")
        found = [who for who in self.users.values() if token == f"{who['oid']}-for-{GRAPH}/User.Read"]
        return JSONResponse({"displayName": found[0]["name"]}) if found else JSONResponse({"error": {}}, 401)


def aadsts(error: str, code: int, text: str, status: int = 400, **members: Any) -> NoReturn:
    """An error in Entra's form."""
    tail = " Trace ID: 3c1b Correlation ID: 77d2 Timestamp: 2026-11-21 04:00:00Z"
    raise Refused(error, f"AADSTS{code}: {text}{tail}", status, error_codes=[code], trace_id="3c1b", **members)
