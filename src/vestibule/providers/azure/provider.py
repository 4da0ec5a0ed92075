"""The bridge to Entra ID and Azure AD B2C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from vestibule.errors import ConfigurationError
from vestibule.grants.connection import Connection, IDTokenRules, ProviderRules
from vestibule.net.jwks import JWKSCache
from vestibule.net.trusted import TrustedClient
from vestibule.providers.azure.authority import PUBLIC_CLOUD
from vestibule.providers.azure.credentials import OBOCredentials
from vestibule.providers.azure.errors import explain
from vestibule.providers.azure.scopes import OIDC_SCOPES
from vestibule.providers.azure.verifier import AzureJWTVerifier
from vestibule.proxy.oauth_proxy import OAuthProxy
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Secret, Table, Text

if TYPE_CHECKING:
    from azure.identity.aio import OnBehalfOfCredential
    from pydantic import AnyHttpUrl

__all__ = ["AzureProvider", "AzureProviderSettings"]

_CHOOSE_ACCOUNT: Final = {"prompt": "select_account"}


class AzureProviderSettings(BridgeSettings, provider="azure"):
    """``VESTIBULE_AZURE_*``, or ``FASTMCP_SERVER_AUTH_AZURE_*``."""

    client_id: Text | None = None
    client_secret: Secret | None = None
    tenant_id: Text | None = None
    required_scopes: ScopeList | None = None
    identifier_uri: Text | None = None
    additional_authorize_scopes: ScopeList | None = None
    base_authority: Text = PUBLIC_CLOUD
    token_issuer: Text | None = None
    allowed_tenants: ScopeList | None = None
    obo_options: Table | None = None


class AzureProvider(OAuthProxy):
    """Signs users in at Entra ID (Azure AD), or by :meth:`from_b2c` at Azure AD B2C.

    Entra knows an API by its scopes alone: they are prefixed on the wire and short in tokens, one token is for one API, and the parameter
    ``resource`` is an error to it, so the client's is checked here and goes no further.

    Args:
        client_id, client_secret: of the app registration. No secret: a public client, or ``upstream_private_key``.
        tenant_id: Directory (tenant) ID, a domain of it, or ``organizations``, ``consumers``, ``common``.
        required_scopes: short names of scopes under "Expose an API"; every user needs them.
        base_url: public URL of this server, with any prefix it is mounted under.
        identifier_uri: Application ID URI; default ``api://{client_id}``.
        additional_authorize_scopes: of other APIs, in full (``User.Read``): the user consents to them, tokens for them are got on behalf of
            the user later. ``offline_access`` is always among them.
        base_authority: the cloud's sign-in host, e.g. ``login.microsoftonline.us``.
        token_issuer: the one accepted issuer, instead of the tenant's.
        allowed_tenants: tenants whose users may sign in, where `tenant_id` is a shared one.
        obo_options: further arguments of azure-identity's credential for exchanges, e.g. ``client_certificate`` or ``connection_verify``.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. ``extra_authorize_params`` is ``{"prompt": "select_account"}`` unless
            you give another; ``forward_resource`` does nothing.

    Raises:
        ConfigurationError: something is missing here and in the environment, or cannot work.
    """

    def __init__(
        self,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        tenant_id: str | None = None,
        required_scopes: Sequence[str] | None = None,
        base_url: str | AnyHttpUrl | None = None,
        identifier_uri: str | None = None,
        additional_authorize_scopes: Sequence[str] | None = None,
        base_authority: str | None = None,
        token_issuer: str | None = None,
        allowed_tenants: Sequence[str] | None = None,
        obo_options: Mapping[str, Any] | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = AzureProviderSettings.filled(
            client_id=client_id,
            client_secret=client_secret,
            tenant_id=tenant_id,
            required_scopes=required_scopes,
            base_url=base_url,
            identifier_uri=identifier_uri,
            additional_authorize_scopes=additional_authorize_scopes,
            base_authority=base_authority,
            token_issuer=token_issuer,
            allowed_tenants=allowed_tenants,
            obo_options=obo_options,
            **options,
        )
        given.require("client_id", "tenant_id", "required_scopes", "base_url")
        common = _common(given)
        self._verifier = verifier = _verifier(given, common)
        if not verifier.required_scopes:
            raise ConfigurationError(
                "required_scopes needs a scope of your API (Expose an API): Entra gives no token for it without."
            )
        self._beside = _beside(given)
        self._obo = OBOCredentials(
            verifier.authority, given.value("client_id"), given.value("client_secret"), given.obo_options or {}
        )
        super().__init__(
            upstream_authorization_endpoint=verifier.authority.authorization_endpoint,
            upstream_token_endpoint=verifier.authority.token_endpoint,
            upstream_client_id=given.value("client_id"),
            upstream_client_secret=given.value("client_secret"),
            token_verifier=verifier,
            base_url=given.value("base_url"),
            **common,
        )

    @classmethod
    def from_b2c(
        cls,
        *,
        tenant_name: str,
        policy_name: str,
        client_id: str,
        client_secret: str | None = None,
        required_scopes: Sequence[str],
        base_url: str | AnyHttpUrl,
        custom_domain: str | None = None,
        identifier_uri: str | None = None,
        token_issuer: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """A bridge to Azure AD B2C. The issuer is learned from the policy's own discovery document.

        Args:
            tenant_name: without ``.onmicrosoft.com``.
            policy_name: user flow or custom policy, e.g. ``B2C_1_susi``.
            client_id, client_secret: of the app registration in the B2C tenant.
            required_scopes: short names of scopes under "Expose an API".
            base_url: public URL of this server.
            custom_domain: sign-in host, instead of ``{tenant_name}.b2clogin.com``.
            identifier_uri: default ``https://{tenant_name}.onmicrosoft.com/{client_id}``.
            token_issuer: the one accepted issuer, instead of the learned one.
            kwargs: as for the class.

        Raises:
            ConfigurationError: as the class, and for a `tenant_name` with a domain.
        """
        if not tenant_name or "." in tenant_name:
            raise ConfigurationError("tenant_name is the name before .onmicrosoft.com, without it.")
        if not policy_name:
            raise ConfigurationError("policy_name is required, e.g. B2C_1_susi.")
        domain = f"{tenant_name}.onmicrosoft.com"
        return cls(
            client_id=client_id,
            client_secret=client_secret,
            tenant_id=f"{domain}/{policy_name}",
            required_scopes=required_scopes,
            base_url=base_url,
            identifier_uri=identifier_uri or f"https://{domain}/{client_id}",
            base_authority=custom_domain or f"{tenant_name}.b2clogin.com",
            token_issuer=token_issuer,
            **kwargs,
        )

    async def get_obo_credential(self, user_assertion: str) -> OnBehalfOfCredential:
        """azure-identity's credential that gets tokens for other APIs on behalf of a user. Kept for the user's next call.

        Args:
            user_assertion: the user's access token for this API.

        Raises:
            NotImplementedError: Azure AD B2C has no such exchange.
            ImportError: the extra ``azure`` is not installed.
            ValueError: there is no client secret, nor another credential in ``obo_options``.
        """
        return await self._obo.get(user_assertion)

    def use_obo_credential(self, credential: OnBehalfOfCredential) -> AbstractAsyncContextManager[None]:
        """Keep a credential of :meth:`get_obo_credential` open meanwhile: that of the least recent of many users is closed otherwise."""
        return self._obo.use(credential)

    async def close_obo_credentials(self) -> None:
        """Close every kept credential, with its connections. For shutdown."""
        await self._obo.close()

    def _provider_rules(self, options: Options) -> ProviderRules:
        return ProviderRules(
            name="Microsoft",
            to_upstream=self._to_authorize,
            token_scopes=self._to_token,
            from_upstream=self._from_answer,
            explain=explain,
        )

    def _connected(self, connection: Connection, options: Options) -> Connection:
        """ID tokens come where ``openid`` is asked for, and are then checked."""
        if "openid" not in self._beside:
            return connection
        keys = JWKSCache(
            self._verifier.authority.jwks_uri, TrustedClient(options.http_client, clock=options.clock), options.clock
        )
        rules = IDTokenRules(
            keys=keys,
            issuer=self._verifier.issuers.of,
            client_id=connection.client.credentials.client_id,
            algorithms=("RS256",),
        )
        return replace(connection, id_tokens=rules)

    def _to_authorize(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self._verifier.scope_names.all_long(scopes), *self._beside]))

    def _to_token(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Of one API: those of others are only consented to here (AADSTS28000, AADSTS70011)."""
        return tuple(scope for scope in self._to_authorize(scopes) if scope not in self._beside or scope in OIDC_SCOPES)

    def _from_answer(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        return self._verifier.scope_names.all_short(scope for scope in scopes if scope not in self._beside)


def _common(given: AzureProviderSettings) -> CommonOptions:
    options = given.options()
    options.setdefault("extra_authorize_params", _CHOOSE_ACCOUNT)
    if given.client_secret is not None:
        options.setdefault("token_endpoint_auth_method", "client_secret_post")
    options["forward_resource"] = False
    return options


def _verifier(given: AzureProviderSettings, options: CommonOptions) -> AzureJWTVerifier:
    return AzureJWTVerifier(
        client_id=given.value("client_id"),
        tenant_id=given.value("tenant_id"),
        required_scopes=given.required_scopes,
        identifier_uri=given.identifier_uri,
        base_authority=given.base_authority,
        token_issuer=given.token_issuer,
        allowed_tenants=given.allowed_tenants,
        http_client=options.get("http_client"),
        clock=options.get("clock"),
    )


def _beside(given: AzureProviderSettings) -> tuple[str, ...]:
    """What is asked for besides this API's scopes, as it is written."""
    openid = [scope for scope in given.required_scopes or () if scope in OIDC_SCOPES]
    return tuple(dict.fromkeys([*openid, *(given.additional_authorize_scopes or ()), "offline_access"]))
