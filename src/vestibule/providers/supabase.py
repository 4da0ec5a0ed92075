"""Supabase Auth, which registers MCP clients itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from vestibule import reasons
from vestibule.errors import TokenRejected
from vestibule.providers.remote import RegisteringProvider, RemoteOptions, RemoteSettings
from vestibule.proxy.build import public_url
from vestibule.settings import Text, TextList
from vestibule.verifiers.jwt import JWTVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["SupabaseProvider", "SupabaseProviderSettings"]


class SupabaseProviderSettings(RemoteSettings, provider="supabase"):
    """``VESTIBULE_SUPABASE_*``, or ``FASTMCP_SERVER_AUTH_SUPABASE_*``."""

    project_url: Text | None = None
    auth_route: Text = "/auth/v1"
    audience: TextList | None = None
    algorithm: TextList | None = None


class SupabaseProvider(RegisteringProvider):
    """Sends clients to Supabase Auth, and accepts its OAuth tokens of one project.

    Supabase knows no resources: unless a Custom Access Token hook writes another ``aud``, named here as `audience`, every OAuth client of the
    project gets tokens that this server accepts. Sessions of the project's own applications are no OAuth tokens and are refused.

    Args:
        project_url: e.g. ``https://abc123.supabase.co``.
        base_url: public URL of this server, with any prefix it is mounted under.
        audience: accepted ``aud``, one or several; default ``authenticated``.
        auth_route: where Supabase Auth is below `project_url`.
        algorithm: what the project signs with; default: what its published keys are made for.
        required_scopes: scopes that every token needs.
        options: see :class:`~vestibule.providers.remote.RemoteOptions`.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        project_url: str | AnyHttpUrl | None = None,
        base_url: str | AnyHttpUrl | None = None,
        audience: str | Sequence[str] | None = None,
        auth_route: str | None = None,
        algorithm: str | Sequence[str] | None = None,
        required_scopes: Sequence[str] | None = None,
        **options: Unpack[RemoteOptions],
    ) -> None:
        given = SupabaseProviderSettings.filled(
            project_url=project_url,
            base_url=base_url,
            audience=audience,
            auth_route=auth_route,
            algorithm=algorithm,
            required_scopes=required_scopes,
            **options,
        )
        given.require("project_url", "base_url")
        issuer = f"{public_url(given.value('project_url'), 'project_url')}/{given.auth_route.strip('/')}"
        verifier = _SupabaseVerifier(
            jwks_uri=f"{issuer}/.well-known/jwks.json",
            issuer=issuer,
            audience=given.audience or "authenticated",
            algorithm=given.algorithm,
            **given.checking(),
        )
        super().__init__(
            given, issuer=issuer, verifier=verifier, metadata_url=f"{issuer}/.well-known/oauth-authorization-server"
        )


class _SupabaseVerifier(JWTVerifier):
    """Supabase's JWTs: those that its OAuth server issued name the client."""

    def check_claims(self, claims: Mapping[str, Any]) -> None:
        client_id = claims.get("client_id")
        if not isinstance(client_id, str) or not client_id:
            raise TokenRejected(reasons.TOKEN_TYPE, "a session of the project's own application, not an OAuth token")
