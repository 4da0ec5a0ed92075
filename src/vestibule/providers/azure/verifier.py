"""Access tokens of Entra ID and Azure AD B2C."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import httpx2

from vestibule import reasons
from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError, TokenRejected, Unavailable
from vestibule.keys.jwt import peek_claims
from vestibule.net.trusted import TrustedClient
from vestibule.providers.azure.authority import PUBLIC_CLOUD, Authority, is_tenant_id
from vestibule.providers.azure.scopes import OIDC_SCOPES, ScopeNames
from vestibule.upstream.discovery import OIDCConfiguration
from vestibule.verifiers.jwt import JWTVerifier

__all__ = ["AzureIssuers", "AzureJWTVerifier"]


class AzureIssuers:
    """Which issuer a token must have, from its own claims: Entra signs as each tenant, whatever endpoint the user came by.

    Args:
        authority: the tenant or policy.
        token_issuer: the one issuer, instead of all this.
        allowed_tenants: GUIDs of the tenants whose users may come; None for all that the authority admits.
        http: for the discovery document, where the tenant is given by its domain or is a B2C policy.

    Raises:
        ConfigurationError: a tenant is no GUID.
    """

    def __init__(
        self,
        authority: Authority,
        http: TrustedClient,
        token_issuer: str | None = None,
        allowed_tenants: Sequence[str] | None = None,
    ) -> None:
        for tenant in allowed_tenants or ():
            if not is_tenant_id(tenant):
                raise ConfigurationError(f"allowed_tenants are Directory (tenant) IDs, not {tenant!r}.")
        self._authority = authority
        self._http = http
        self._token_issuer = token_issuer
        self._allowed = None if allowed_tenants is None else frozenset(tenant.lower() for tenant in allowed_tenants)
        self._learned: str | None = None

    async def of(self, claims: Mapping[str, Any]) -> Collection[str]:
        """The issuers that a token with these claims may have.

        Raises:
            TokenRejected: its tenant may not come.
            Unavailable: the discovery document cannot be had.
        """
        self._check_tenant(claims)
        known = self._known(claims)
        return (known or self._of_version(await self._discovered(), claims),)

    def recognise(self, claims: Mapping[str, Any]) -> bool | None:
        """Whether a token with these claims says that it is of one of the issuers; None if that is not known yet."""
        known = self._known(claims)
        if known is None and self._learned is not None:
            known = self._of_version(self._learned, claims)
        return None if known is None else claims.get("iss") == known

    def _known(self, claims: Mapping[str, Any]) -> str | None:
        """The issuer that can be told without asking."""
        if self._token_issuer is not None:
            return self._token_issuer
        if self._authority.is_shared:
            return self._authority.issuer(str(claims.get("tid")), claims.get("ver"))
        if self._authority.has_known_issuer:
            return self._authority.issuer(self._authority.tenant.lower(), claims.get("ver"))
        return None

    def _check_tenant(self, claims: Mapping[str, Any]) -> None:
        """The tenant of the token. Where many may come, it must be one of those; where one may, the issuer names it already."""
        tenant = claims.get("tid")
        known = is_tenant_id(tenant)
        if self._allowed is not None and (not known or str(tenant).lower() not in self._allowed):
            raise TokenRejected(reasons.SIGN_IN_REFUSED, "the user's tenant is not among allowed_tenants")
        if self._authority.is_shared and not known:
            raise TokenRejected(reasons.TOKEN_CLAIMS, "tid is missing")
        if self._authority.is_shared and not self._authority.admits(str(tenant).lower()):
            raise TokenRejected(reasons.SIGN_IN_REFUSED, f"the account is not one for tenant_id={self._authority.tenant}")

    def _of_version(self, learned: str, claims: Mapping[str, Any]) -> str:
        """A tenant that was given by its domain signs as its GUID, which the document tells, in either form."""
        tenant = learned.removeprefix(f"https://{self._authority.host}/").partition("/")[0]
        if self._authority.is_b2c or not is_tenant_id(tenant):
            return learned
        return self._authority.issuer(tenant, claims.get("ver"))

    async def _discovered(self) -> str:
        """Not strict: B2C names an issuer with the tenant's GUID and without the policy, which must be of the same origin."""
        if self._learned is None:
            try:
                document = await OIDCConfiguration.fetch(self._authority.config_url, http=self._http, strict=False)
            except ConfigurationError as error:
                raise Unavailable(reasons.UPSTREAM_ANSWER, str(error)) from error
            if not document.issuer:
                raise Unavailable(reasons.UPSTREAM_ANSWER, f"{self._authority.config_url} names no issuer")
            self._learned = document.issuer
        return self._learned


class AzureJWTVerifier(JWTVerifier):
    """Accepts access tokens that Entra ID issued for this API, for :class:`~vestibule.proxy.remote.RemoteAuthProvider`.

    Scopes have two forms: clients ask for ``api://…/read`` and tokens say ``read``. Here the metadata and the challenges name the long
    form, and ``required_scopes`` the short one.

    Args:
        client_id: of the app registration of this API.
        tenant_id: Directory (tenant) ID, a domain of it, or ``organizations``, ``consumers``, ``common``.
        required_scopes: short names; every token needs them.
        identifier_uri: Application ID URI; default ``api://{client_id}``.
        base_authority: the cloud's sign-in host.
        token_issuer: the one accepted issuer, instead of the tenant's.
        allowed_tenants: tenants whose users may come, where the tenant is a shared one.
        http_client: asks instead of the shared client.
        clock: the time.

    Raises:
        ConfigurationError: something is missing or cannot work.
    """

    def __init__(
        self,
        *,
        client_id: str,
        tenant_id: str,
        required_scopes: Sequence[str] | None = None,
        identifier_uri: str | None = None,
        base_authority: str = PUBLIC_CLOUD,
        token_issuer: str | None = None,
        allowed_tenants: Sequence[str] | None = None,
        base_url: object | None = None,
        http_client: httpx2.AsyncClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        for name, value in (("client_id", client_id), ("tenant_id", tenant_id)):
            if not value:
                raise ConfigurationError(f"{name} is required.")
        self.authority = Authority(base_authority, tenant_id)
        self.scope_names = ScopeNames((identifier_uri or f"api://{client_id}").rstrip("/"))
        now = clock or SystemClock()
        self.issuers = AzureIssuers(self.authority, TrustedClient(http_client, clock=now), token_issuer, allowed_tenants)
        super().__init__(
            jwks_uri=self.authority.jwks_uri,
            issuer=token_issuer or self.authority.issuer(tenant_id, "2.0"),
            audience=[client_id, self.scope_names.identifier_uri],
            algorithm="RS256",
            required_scopes=self.scope_names.all_short(scope for scope in required_scopes or () if scope not in OIDC_SCOPES),
            base_url=base_url,
            http_client=http_client,
            clock=now,
        )

    def recognises(self, token: str) -> bool | None:
        claims = peek_claims(token)
        return False if claims is None else self.issuers.recognise(claims)

    async def accepted_issuers(self, claims: Mapping[str, Any]) -> Collection[str]:
        return await self.issuers.of(claims)

    def check_claims(self, claims: Mapping[str, Any]) -> None:
        """An access token names the application it was issued to. An ID token, which has the same audience and issuer, does not."""
        if not claims.get("azp") and not claims.get("appid"):
            raise TokenRejected(reasons.TOKEN_TYPE, "no azp or appid: an ID token in place of an access token")
        _check_policy(self.authority.policy, claims)

    @property
    def scopes_supported(self) -> list[str]:
        """The required scopes as clients ask for them."""
        return list(self.scope_names.all_long(self.required_scopes))

    def get_challenge_scopes(self, required_scopes: list[str] | None = None) -> list[str]:
        return list(self.scope_names.all_long(self.required_scopes if required_scopes is None else required_scopes))


def _check_policy(policy: str | None, claims: Mapping[str, Any]) -> None:
    """All policies of a B2C tenant have one issuer and keys; the token says, in one of two claims, which one it went through."""
    passed = claims.get("tfp") or claims.get("acr")
    if policy is not None and (not isinstance(passed, str) or passed.lower() != policy.lower()):
        raise TokenRejected(reasons.TOKEN_CLAIMS, "the token comes from another B2C policy, or names none in tfp or acr")
