"""Where a tenant of Entra ID, or a policy of Azure AD B2C, has its endpoints, and as what it signs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vestibule.errors import ConfigurationError

__all__ = ["PERSONAL_TENANT", "PUBLIC_CLOUD", "Authority", "is_tenant_id"]

PUBLIC_CLOUD: Final = "login.microsoftonline.com"

PERSONAL_TENANT: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The ``tid`` of every personal Microsoft account."""

_SHARED: Final = frozenset({"common", "organizations", "consumers"})
_CHINA: Final = frozenset({"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"})
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_TENANT: Final = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?")


def is_tenant_id(value: object) -> bool:
    """Whether `value` is the GUID of a tenant."""
    return isinstance(value, str) and _GUID.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Authority:
    """A tenant at a cloud's sign-in host.

    Attributes:
        host: ``login.microsoftonline.com``, that of a sovereign cloud, or a B2C host; with a port if it has one.
        tenant: GUID, domain, ``organizations``, ``consumers``, ``common``, or ``{domain}/{policy}`` in B2C.
    """

    host: str
    tenant: str

    def __post_init__(self) -> None:
        if _HOST.fullmatch(self.host) is None:
            raise ConfigurationError(f"base_authority is a host such as {PUBLIC_CLOUD}, without https:// or a path.")
        if _TENANT.fullmatch(self.tenant) is None:
            raise ConfigurationError("tenant_id is the Directory (tenant) ID, a domain, organizations, consumers or common.")

    @property
    def is_b2c(self) -> bool:
        """Whether it is a policy of Azure AD B2C."""
        return "/" in self.tenant

    @property
    def policy(self) -> str | None:
        """The B2C policy, or None."""
        return self.tenant.partition("/")[2] or None

    @property
    def is_shared(self) -> bool:
        """Whether users of many tenants sign in, so that the issuer is only known from the token."""
        return self.tenant in _SHARED

    @property
    def has_known_issuer(self) -> bool:
        """Whether the issuer can be told without asking: it always names the tenant by its GUID."""
        return is_tenant_id(self.tenant)

    @property
    def authorization_endpoint(self) -> str:
        """Where the browser goes."""
        return f"https://{self.host}/{self.tenant}/oauth2/v2.0/authorize"

    @property
    def token_endpoint(self) -> str:
        """Where codes and refresh tokens are redeemed."""
        return f"https://{self.host}/{self.tenant}/oauth2/v2.0/token"

    @property
    def jwks_uri(self) -> str:
        """The keys that tokens are signed with."""
        return f"https://{self.host}/{self.tenant}/discovery/v2.0/keys"

    @property
    def config_url(self) -> str:
        """The discovery document of this tenant or policy."""
        return f"https://{self.host}/{self.tenant}/v2.0/.well-known/openid-configuration"

    def issuer(self, tenant_id: str, version: object) -> str:
        """As what this cloud signs tokens of a tenant.

        Which form a token has follows from ``requestedAccessTokenVersion`` in the manifest of the API: ``ver`` says which one.

        Args:
            tenant_id: its GUID.
            version: the token's ``ver``.
        """
        if version == "1.0":
            host = "sts.chinacloudapi.cn" if self.host in _CHINA else "sts.windows.net"
            return f"https://{host}/{tenant_id}/"
        return f"https://{self.host}/{tenant_id}/v2.0"

    def admits(self, tenant_id: str) -> bool:
        """Whether users of that tenant may come by this shared endpoint."""
        match self.tenant:
            case "consumers":
                return tenant_id == PERSONAL_TENANT
            case "organizations":
                return tenant_id != PERSONAL_TENANT
            case _:
                return True
