"""Microsoft Entra ID (Azure AD) and Azure AD B2C.

Owns where Entra's endpoints are (:mod:`~vestibule.providers.azure.authority`), how its scopes are written
(:mod:`~vestibule.providers.azure.scopes`), what its error codes mean (:mod:`~vestibule.providers.azure.errors`), the checks of its tokens
(:mod:`~vestibule.providers.azure.verifier`), the bridge (:mod:`~vestibule.providers.azure.provider`) and the exchange of a user's token for
that of another API (:mod:`~vestibule.providers.azure.on_behalf_of`).
"""

from __future__ import annotations

from vestibule.providers.azure.on_behalf_of import EntraOBOToken
from vestibule.providers.azure.provider import AzureProvider, AzureProviderSettings
from vestibule.providers.azure.verifier import AzureJWTVerifier

__all__ = ["AzureJWTVerifier", "AzureProvider", "AzureProviderSettings", "EntraOBOToken"]
