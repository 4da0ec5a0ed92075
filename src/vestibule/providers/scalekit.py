"""Scalekit, which registers MCP clients itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from vestibule.providers.remote import RegisteringProvider, RemoteOptions, RemoteSettings
from vestibule.proxy.build import public_url
from vestibule.settings import Text
from vestibule.verifiers.jwt import JWTVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["ScalekitProvider", "ScalekitProviderSettings"]


class ScalekitProviderSettings(RemoteSettings, provider="scalekit", older="scalekitprovider"):
    """``VESTIBULE_SCALEKIT_*``, or ``FASTMCP_SERVER_AUTH_SCALEKITPROVIDER_*``."""

    environment_url: Text | None = None
    resource_id: Text | None = None
    mcp_url: Text | None = None
    client_id: Text | None = None


class ScalekitProvider(RegisteringProvider):
    """Sends clients to Scalekit, and accepts its tokens for one MCP server.

    Args:
        environment_url: e.g. ``https://your-env.scalekit.com``.
        resource_id: of the MCP server in Scalekit, e.g. ``res_123``: what its tokens are for.
        base_url: public URL of this server, with any prefix it is mounted under. ``mcp_url`` is its older name.
        required_scopes: scopes that every token needs.
        client_id: not used any more.
        options: see :class:`~vestibule.providers.remote.RemoteOptions`.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        environment_url: str | AnyHttpUrl | None = None,
        resource_id: str | None = None,
        base_url: str | AnyHttpUrl | None = None,
        mcp_url: str | AnyHttpUrl | None = None,
        client_id: str | None = None,
        required_scopes: Sequence[str] | None = None,
        **options: Unpack[RemoteOptions],
    ) -> None:
        given = ScalekitProviderSettings.filled(
            environment_url=environment_url,
            resource_id=resource_id,
            base_url=base_url,
            mcp_url=mcp_url,
            client_id=client_id,
            required_scopes=required_scopes,
            **options,
        )
        given.base_url = given.base_url or given.mcp_url
        given.require("environment_url", "resource_id", "base_url")
        environment = public_url(given.value("environment_url"), "environment_url")
        issuer = f"{environment}/resources/{given.value('resource_id')}"
        verifier = JWTVerifier(
            jwks_uri=f"{environment}/keys",
            issuer=[environment, issuer],
            audience=given.value("resource_id"),
            **given.checking(),
        )
        super().__init__(given, issuer=issuer, verifier=verifier)
