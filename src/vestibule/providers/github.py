"""GitHub: opaque tokens that never end, told apart by an API of GitHub's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Unpack
from urllib.parse import quote

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import TokenRejected
from vestibule.grants.connection import ProviderRules
from vestibule.net.exchange import FetchResult
from vestibule.net.trusted import TrustedClient
from vestibule.protocol.scopes import ScopeHierarchy
from vestibule.providers.scopes import without_offline_access
from vestibule.proxy.oauth_proxy import OAuthProxy
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text
from vestibule.upstream.answers import check_answer
from vestibule.upstream.client import UpstreamClient
from vestibule.verifiers.answers import credentials_refused, read_answer
from vestibule.verifiers.application import check_application
from vestibule.verifiers.userinfo import UserinfoTokenVerifier

if TYPE_CHECKING:
    import httpx2
    from pydantic import AnyHttpUrl

__all__ = ["GitHubProvider", "GitHubProviderSettings", "GitHubTokenVerifier"]

_API: Final = "https://api.github.com"
_HEADERS: Final = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}

_INCLUDED: Final = ScopeHierarchy(
    {
        "user": ["read:user", "user:email", "user:follow"],
        "repo": ["repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"],
        "admin:org": ["write:org"],
        "write:org": ["read:org"],
        "admin:public_key": ["write:public_key"],
        "write:public_key": ["read:public_key"],
        "admin:repo_hook": ["write:repo_hook"],
        "write:repo_hook": ["read:repo_hook"],
        "write:packages": ["read:packages"],
        "project": ["read:project"],
    }
)
"""GitHub grants the widest of what was asked for, and no longer names the scopes that it includes."""

_DEFAULTS: Final[CommonOptions] = {"forward_resource": False}


class GitHubProviderSettings(BridgeSettings, provider="github"):
    """``VESTIBULE_GITHUB_*``, or ``FASTMCP_SERVER_AUTH_GITHUB_*``."""

    client_id: Text | None = None
    client_secret: Secret | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


@dataclass(frozen=True, slots=True)
class _App:
    """GitHub's API about the tokens of an app."""

    client_id: str
    client_secret: str = field(repr=False)

    async def check(self, http: TrustedClient, token: str) -> dict[str, Any]:
        """The application and the scopes of a token, asked with the app's own credentials and not with the token."""
        answer = await self.send(http, "POST", token)
        if answer.status in (404, 422):
            raise TokenRejected(reasons.TOKEN_INACTIVE, "GitHub knows no such token of this app: revoked, or another app's")
        if answer.status == 401:
            raise credentials_refused("GitHub: status 401 for the app's credentials")
        members = read_answer(answer)
        named = members.get("app")
        check_application(named.get("client_id") if isinstance(named, dict) else None, self.client_id)
        scopes = tuple(scope for scope in members.get("scopes") or () if isinstance(scope, str))
        return {"client_id": self.client_id, "aud": self.client_id, "scope": " ".join(_with_included(scopes))}

    async def send(self, http: TrustedClient, method: str, token: str) -> FetchResult:
        """Ask about a token, or delete it."""
        url = f"{_API}/applications/{quote(self.client_id, safe='')}/token"
        credentials = (self.client_id, self.client_secret)
        return await http.send_json(method, url, {"access_token": token}, headers=_HEADERS, auth=credentials)


class _GitHubClient(UpstreamClient):
    """GitHub has no revocation endpoint (RFC 7009), and an API to delete a token instead."""

    async def revoke(self, token: str, hint: str) -> None:
        if hint != "access_token":
            return
        app = _App(self.credentials.client_id, self.credentials.secret)
        answer = await app.send(self._http, "DELETE", token)
        if answer.status not in (404, 422):  # as revoked as can be
            check_answer(answer, sent=(token, self.credentials.secret), may_be_empty=True)


class GitHubTokenVerifier(UserinfoTokenVerifier):
    """Accepts GitHub's tokens of one OAuth app or GitHub App. The subject is the user's number, which outlives a change of the login.

    Args:
        client_id, client_secret: of the app; only with them GitHub tells whether a token is the app's.
        required_scopes: scopes that every token needs.
        timeout_seconds: for one question.
        cache_ttl_seconds: how long an answer counts.
        http_client, clock: as for every verifier.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: float = 10,
        cache_ttl_seconds: float = 60,
        http_client: httpx2.AsyncClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            userinfo_url=f"{_API}/user",
            check_application=_App(client_id, client_secret).check,
            subject_claim="id",
            renamed={"preferred_username": "login", "picture": "avatar_url", "profile": "html_url"},
            headers=_HEADERS,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            cache_ttl_seconds=cache_ttl_seconds,
            http_client=http_client,
            clock=clock,
        )


class GitHubProvider(OAuthProxy):
    """Signs users in at GitHub.

    Args:
        client_id, client_secret: of the OAuth app (or GitHub App).
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["user"]``; ``[]`` for a GitHub App, whose permissions are no scopes.
        timeout_seconds: for one question about a token.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. ``token_check_seconds`` is 300 and ``forward_resource`` False unless you
            say otherwise.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    _upstream_client = _GitHubClient

    def __init__(
        self,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = GitHubProviderSettings.filled(
            client_id=client_id,
            client_secret=client_secret,
            base_url=base_url,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("client_id", "client_secret", "base_url")
        common: CommonOptions = {**_DEFAULTS, **given.options()}
        super().__init__(
            upstream_authorization_endpoint="https://github.com/login/oauth/authorize",
            upstream_token_endpoint="https://github.com/login/oauth/access_token",  # noqa: S106 - an address
            upstream_client_id=given.value("client_id"),
            upstream_client_secret=given.value("client_secret"),
            token_verifier=GitHubTokenVerifier(
                client_id=given.value("client_id"),
                client_secret=given.value("client_secret"),
                required_scopes=["user"] if given.required_scopes is None else given.required_scopes,
                timeout_seconds=given.timeout_seconds,
                cache_ttl_seconds=0,
                http_client=common.get("http_client"),
                clock=common.get("clock"),
            ),
            base_url=given.value("base_url"),
            **common,
        )

    def _provider_rules(self, options: Options) -> ProviderRules:
        return ProviderRules(name="GitHub", to_upstream=without_offline_access, from_upstream=_with_included, check_seconds=300)


def _with_included(scopes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*scopes, *sorted(_INCLUDED.expand(scopes))]))
