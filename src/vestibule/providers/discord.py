"""Discord: opaque tokens, and an API that tells their application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Unpack

from vestibule.clock import Clock
from vestibule.grants.connection import Connection, ProviderRules
from vestibule.net.trusted import TrustedClient
from vestibule.providers.scopes import without_offline_access
from vestibule.proxy.oauth_proxy import OAuthProxy
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Secret, Text
from vestibule.verifiers.application import check_application
from vestibule.verifiers.userinfo import UserinfoTokenVerifier, bearer_answer

if TYPE_CHECKING:
    import httpx2
    from pydantic import AnyHttpUrl

__all__ = ["DiscordProvider", "DiscordProviderSettings", "DiscordTokenVerifier"]

_API: Final = "https://discord.com/api"
_DEFAULTS: Final[CommonOptions] = {"forward_resource": False}


class DiscordProviderSettings(BridgeSettings, provider="discord"):
    """``VESTIBULE_DISCORD_*``."""

    client_id: Text | None = None
    client_secret: Secret | None = None
    required_scopes: ScopeList | None = None
    timeout_seconds: int = 10


class DiscordTokenVerifier(UserinfoTokenVerifier):
    """Accepts Discord's tokens of one application. The subject is the user's snowflake.

    Args:
        client_id: the application.
        required_scopes: scopes that every token needs.
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
            return _token_claims(await bearer_answer(http, f"{_API}/oauth2/@me", token), client_id)

        super().__init__(
            userinfo_url=f"{_API}/users/@me",
            check_application=check,
            subject_claim="id",
            renamed={"preferred_username": "username", "email_verified": "verified", "name": "global_name"},
            required_scopes=required_scopes,
            timeout_seconds=timeout_seconds,
            cache_ttl_seconds=cache_ttl_seconds,
            http_client=http_client,
            clock=clock,
        )


class DiscordProvider(OAuthProxy):
    """Signs users in at Discord.

    Args:
        client_id, client_secret: of the application.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: default ``["identify"]``, which is asked for in any case: without it Discord does not say who the user is.
        timeout_seconds: for one question about a token.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. ``token_check_seconds`` is 300 and ``forward_resource`` False unless you
            say otherwise.

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
        timeout_seconds: int | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = DiscordProviderSettings.filled(
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
            upstream_authorization_endpoint="https://discord.com/oauth2/authorize",
            upstream_token_endpoint=f"{_API}/oauth2/token",
            upstream_revocation_endpoint=f"{_API}/oauth2/token/revoke",
            upstream_client_id=given.value("client_id"),
            upstream_client_secret=given.value("client_secret"),
            token_verifier=DiscordTokenVerifier(
                client_id=given.value("client_id"),
                required_scopes=["identify"] if given.required_scopes is None else given.required_scopes,
                timeout_seconds=given.timeout_seconds,
                cache_ttl_seconds=0,
                http_client=common.get("http_client"),
                clock=common.get("clock"),
            ),
            base_url=given.value("base_url"),
            **common,
        )

    def _provider_rules(self, options: Options) -> ProviderRules:
        return ProviderRules(name="Discord", to_upstream=without_offline_access, check_seconds=300)

    def _connected(self, connection: Connection, options: Options) -> Connection:
        return replace(connection, added_scopes=("identify",))


def _token_claims(answer: dict[str, Any], client_id: str) -> dict[str, Any]:
    application = answer.get("application")
    check_application(application.get("id") if isinstance(application, dict) else None, client_id)
    scopes = [scope for scope in answer.get("scopes") or () if isinstance(scope, str)]
    claims: dict[str, Any] = {"aud": client_id, "client_id": client_id, "scope": " ".join(scopes)}
    expires_at = _seconds(answer.get("expires"))
    return claims if expires_at is None else {**claims, "exp": expires_at}


def _seconds(moment: object) -> int | None:
    """Seconds since the epoch of an ISO 8601 time."""
    try:
        return int(datetime.fromisoformat(str(moment)).timestamp())
    except ValueError:
        return None
