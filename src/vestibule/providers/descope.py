"""Descope, which registers MCP clients itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack
from urllib.parse import urlsplit

from vestibule.errors import ConfigurationError
from vestibule.providers.remote import RegisteringProvider, RemoteOptions, RemoteSettings
from vestibule.proxy.build import public_url
from vestibule.settings import Text, TextList
from vestibule.verifiers.jwt import JWTVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["DescopeProvider", "DescopeProviderSettings"]

_WELL_KNOWN: Final = "/.well-known/openid-configuration"


class DescopeProviderSettings(RemoteSettings, provider="descope", older="descopeprovider"):
    """``VESTIBULE_DESCOPE_*``, or ``FASTMCP_SERVER_AUTH_DESCOPEPROVIDER_*``."""

    config_url: Text | None = None
    project_id: Text | None = None
    descope_base_url: Text = "https://api.descope.com"
    audience: TextList | None = None


class DescopeProvider(RegisteringProvider):
    """Sends clients to Descope, and accepts its tokens for one MCP server or one project.

    Args:
        config_url: the discovery URL of the MCP server in Descope (``…/v1/apps/agentic/{project}/{server}/…``) or of the project's inbound
            apps (``…/v1/apps/{project}/…``). The former takes tokens of that MCP server only.
        project_id, descope_base_url: instead of `config_url`, for a project.
        audience: accepted ``aud``, one or several; default: the project, which all of its MCP servers have in common.
        base_url: public URL of this server, with any prefix it is mounted under.
        required_scopes: scopes that every token needs.
        options: see :class:`~vestibule.providers.remote.RemoteOptions`.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        config_url: str | AnyHttpUrl | None = None,
        project_id: str | None = None,
        descope_base_url: str | AnyHttpUrl | None = None,
        audience: str | Sequence[str] | None = None,
        base_url: str | AnyHttpUrl | None = None,
        required_scopes: Sequence[str] | None = None,
        **options: Unpack[RemoteOptions],
    ) -> None:
        given = DescopeProviderSettings.filled(
            config_url=config_url,
            project_id=project_id,
            descope_base_url=descope_base_url,
            audience=audience,
            base_url=base_url,
            required_scopes=required_scopes,
            **options,
        )
        given.require("base_url")
        place = _place(given)
        verifier = _DescopeVerifier(place, given.audience or [place.project], **given.checking())
        super().__init__(given, issuer=place.issuer, verifier=verifier, metadata_url=place.metadata_url)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something is at Descope: ``server`` is None for a whole project."""

    base: str
    project: str
    server: str | None

    @property
    def issuer(self) -> str:
        apps = f"{self.base}/v1/apps"
        return f"{apps}/{self.project}" if self.server is None else f"{apps}/agentic/{self.project}/{self.server}"

    @property
    def metadata_url(self) -> str:
        """Descope keeps it below the issuer, as OpenID Connect does."""
        return f"{self.issuer}/.well-known/oauth-authorization-server"

    def admits(self, issuer: str) -> bool:
        """The project's own issuer, and of a project also the one of a tenant (cross-app access)."""
        if issuer == self.issuer:
            return True
        tenant = issuer.removeprefix(f"{self.issuer}/")
        return self.server is None and tenant != issuer and tenant != "" and "/" not in tenant


class _DescopeVerifier(JWTVerifier):
    """Descope's JWTs: one key set per project, and issuers of several forms."""

    def __init__(self, place: _Place, audience: Sequence[str], **arguments: Any) -> None:
        super().__init__(
            jwks_uri=f"{place.base}/{place.project}/.well-known/jwks.json",
            issuer=place.issuer,
            audience=audience,
            **arguments,
        )
        self._place = place

    async def accepted_issuers(self, claims: Mapping[str, Any]) -> Collection[str]:
        named = claims.get("iss")
        return [named] if isinstance(named, str) and self._place.admits(named) else [self._place.issuer]


def _place(given: DescopeProviderSettings) -> _Place:
    if given.config_url is None:
        if not given.project_id:
            raise ConfigurationError("config_url is required: pass config_url=… or set VESTIBULE_DESCOPE_CONFIG_URL.")
        base = given.value("descope_base_url")
        return _Place(public_url(base if "://" in base else f"https://{base}", "descope_base_url"), str(given.project_id), None)
    issuer = public_url(given.config_url.rstrip("/").removesuffix(_WELL_KNOWN), "config_url")
    parts = urlsplit(issuer)
    base = f"{parts.scheme}://{parts.netloc}"
    match parts.path.strip("/").split("/"):
        case ["v1", "apps", "agentic", project, server]:
            return _Place(base, project, server)
        case ["v1", "apps", project] if project != "agentic":
            return _Place(base, project, None)
    raise ConfigurationError(
        "config_url is neither of an MCP server (/v1/apps/agentic/{project}/{server}) nor of a project (/v1/apps/{project})."
    )
