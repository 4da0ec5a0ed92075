"""Google: opaque access tokens with a token API beside them, and refresh tokens given at a consent only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Unpack

from vestibule.clock import Clock
from vestibule.grants.connection import Connection, IDTokenRules, ProviderRules
from vestibule.net.jwks import JWKSCache
from vestibule.net.trusted import TrustedClient
from vestibule.policy import SignInPolicy, all_of, claim
from vestibule.providers.scopes import without_offline_access
from vestibule.proxy.oauth_proxy import OAuthProxy
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text
from vestibule.verifiers.application import check_application
from vestibule.verifiers.userinfo import UserinfoTokenVerifier, bearer_answer

if TYPE_CHECKING:
    import httpx2
    from pydantic import AnyHttpUrl

__all__ = ["GoogleProvider", "GoogleProviderSettings", "GoogleTokenVerifier"]

_ISSUER: Final = "https://accounts.google.com"
_SHORT: Final = {
    "https://www.googleapis.com/auth/userinfo.email": "email",
    "https://www.googleapis.com/auth/userinfo.profile": "profile",
}
"""Google takes the short names and answers with the long ones."""


class GoogleProviderSettings(BridgeSettings, provider="google"):
    """``VESTIBULE_GOOGLE_*``, or ``FASTMCP_SERVER_AUTH_GOOGLE_*``."""

    client_id: Text | None = None
    client_secret: Secret | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10
    hosted_domain: Text | None = None


class GoogleTokenVerifier(UserinfoTokenVerifier):
    """Accepts Google's access tokens of one OAuth client. The subject is Google's ``sub``, never an e-mail address, which may change hands.

    Args:
        client_id: the OAuth client.
        required_scopes: scopes that every token needs, ``email`` and ``profile`` by either name.
        timeout_seconds: for one question.
        cache_ttl_seconds: how long an answer counts.
        http_client, clock: as for every verifier.
    """

    def __init__(
        self,
        *,
        client_id: str,
        required_scopes: Sequence[str] | None = None,
        timeout_seconds: float = 10,
        cache_ttl_seconds: float = 60,
        http_client: httpx2.AsyncClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        async def check(http: TrustedClient, token: str) -> dict[str, Any]:
            return _token_claims(await _token_info(http, token), client_id)

        super().__init__(
            userinfo_url="https://openidconnect.googleapis.com/v1/userinfo",
            check_application=check,
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            cache_ttl_seconds=cache_ttl_seconds,
            http_client=http_client,
            clock=clock,
        )


class GoogleProvider(OAuthProxy):
    """Signs users in at Google.

    Google is asked for offline access with consent each time: it gives a refresh token at a consent only, and without one a session would
    end after an hour.

    Args:
        client_id, client_secret: of the OAuth client, type "Web application".
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["openid"]``.
        hosted_domain: only accounts of this Google Workspace domain; ``*`` for those of any. It is checked on the ``hd`` claim that Google
            signs, at sign-in and at every refresh.
        timeout_seconds: for one question about a token.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. ``token_check_seconds`` is 300 and ``forward_resource`` False unless you
            say otherwise; ``extra_authorize_params`` come over ``access_type=offline`` and ``prompt=consent``.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        hosted_domain: str | None = None,
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = GoogleProviderSettings.filled(
            client_id=client_id,
            client_secret=client_secret,
            base_url=base_url,
            required_scopes=required_scopes,
            hosted_domain=hosted_domain,
            timeout_seconds=timeout_seconds,
            **options,
        )
        given.require("client_id", "client_secret", "base_url")
        common = _options(given)
        self._client_id = given.value("client_id")
        super().__init__(
            upstream_authorization_endpoint="https://accounts.google.com/o/oauth2/v2/auth",
            upstream_token_endpoint="https://oauth2.googleapis.com/token",  # noqa: S106 - an address
            upstream_revocation_endpoint="https://oauth2.googleapis.com/revoke",
            upstream_client_id=self._client_id,
            upstream_client_secret=given.value("client_secret"),
            token_verifier=GoogleTokenVerifier(
                client_id=self._client_id,
                required_scopes=["openid"] if given.required_scopes is None else given.required_scopes,
                timeout_seconds=given.timeout_seconds,
                cache_ttl_seconds=0,
                http_client=common.get("http_client"),
                clock=common.get("clock"),
            ),
            base_url=given.value("base_url"),
            **common,
        )

    def _provider_rules(self, options: Options) -> ProviderRules:
        return ProviderRules(name="Google", to_upstream=without_offline_access, from_upstream=_both_names, check_seconds=300)

    def _connected(self, connection: Connection, options: Options) -> Connection:
        http = TrustedClient(options.http_client, clock=options.clock)
        keys = JWKSCache("https://www.googleapis.com/oauth2/v3/certs", http, options.clock)
        rules = IDTokenRules(keys=keys, issuer=_ISSUER, client_id=self._client_id, algorithms=("RS256",))
        return replace(connection, id_tokens=rules, issuer=_ISSUER, added_scopes=("openid",))


def _options(given: GoogleProviderSettings) -> CommonOptions:
    common: CommonOptions = {"forward_resource": False, **given.options()}
    asked = {"access_type": "offline", "prompt": "consent"}
    if given.hosted_domain:
        asked["hd"] = given.hosted_domain  # shows the right accounts; what counts is the claim
        own = common.get("sign_in_policy")
        of_domain = _of_domain(given.hosted_domain)
        common["sign_in_policy"] = of_domain if own is None else all_of(of_domain, own)
    common["extra_authorize_params"] = {**asked, **(common.get("extra_authorize_params") or {})}
    return common


def _of_domain(domain: str) -> SignInPolicy:
    return claim("hd", domain) if domain != "*" else lambda claims: bool(claims.get("hd"))


async def _token_info(http: TrustedClient, token: str) -> dict[str, Any]:
    """Google answers 400 for a token that is over."""
    return await bearer_answer(http, "https://oauth2.googleapis.com/tokeninfo", token, refusals=(400, 401))


def _token_claims(answer: Mapping[str, Any], client_id: str) -> dict[str, Any]:
    """What the answer says, with its number as a number: there, everything is a text."""
    check_application(answer.get("aud"), client_id)
    scopes = str(answer.get("scope") or "").split()
    claims: dict[str, Any] = {"aud": client_id, "client_id": client_id, "scope": " ".join(_both_names(tuple(scopes)))}
    expires_at = str(answer.get("exp") or "")
    return {**claims, "exp": int(expires_at)} if expires_at.isdecimal() else claims


def _both_names(scopes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*scopes, *(_SHORT[scope] for scope in scopes if scope in _SHORT)]))
