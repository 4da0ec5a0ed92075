"""A token for another API, such as Microsoft Graph, in the name of the user who calls a tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from vestibule.errors import ConfigurationError
from vestibule.providers.azure.credentials import require_azure_identity
from vestibule.providers.azure.errors import advice, error_code
from vestibule.providers.azure.provider import AzureProvider
from vestibule.resource.identity import current_provider, get_access_token
from vestibule.tokens import AccessToken

__all__ = ["EntraOBOToken", "exchange_for"]

_APP_ONLY: Final = "AADSTS7000114"


def EntraOBOToken(scopes: Sequence[str]) -> Any:
    """The default of a tool's parameter that becomes an access token for another API.

    ::

        @server.tool
        async def mail(token: str = EntraOBOToken(["https://graph.microsoft.com/Mail.Read"])) -> str: ...   # FastMCP

        @server.tool()
        async def mail(token: Annotated[str, EntraOBOToken(["https://graph.microsoft.com/Mail.Read"])]) -> str: ...   # official SDK

    Args:
        scopes: of one API, in full, e.g. ``https://graph.microsoft.com/User.Read``.

    Raises:
        ImportError: the extra ``azure`` is not installed, or no host with a dependency mechanism.
        ConfigurationError: no scope.
        RuntimeError: in the call: nobody is signed in, not by an :class:`AzureProvider`, or Entra refuses; the message names its code.
    """
    require_azure_identity()
    if isinstance(scopes, str) or not scopes:
        raise ConfigurationError("EntraOBOToken needs a list of scopes of one API.")
    wanted = tuple(scopes)

    async def obo_token() -> str:
        return await exchange_for(wanted)

    # By name, as hosts stand above providers and belong to whoever runs the server.
    return import_module("vestibule.hosts.injection").injected(obo_token)


async def exchange_for(scopes: Sequence[str]) -> str:
    """The access token for `scopes` in the name of the caller of the tool that is running.

    Raises:
        RuntimeError: as :func:`EntraOBOToken`.
    """
    caller, provider = _caller(), _provider()
    _check_is_of_a_user(caller.claims)
    from azure.core.exceptions import AzureError

    try:
        credential = await provider.get_obo_credential(user_assertion=caller.token)
        async with provider.use_obo_credential(credential):
            return (await credential.get_token(*scopes)).token
    except (AzureError, ValueError) as error:
        raise RuntimeError(_failure(str(error), caller.token)) from None


def _caller() -> AccessToken:
    caller = get_access_token()
    if caller is None or not caller.token:
        raise RuntimeError("EntraOBOToken: there is no access token, as nobody is signed in to this call.")
    return caller


def _provider() -> AzureProvider:
    """The provider that let the call in, or the server of a combination of several."""
    provider = current_provider.get()
    for candidate in (provider, getattr(provider, "server", None)):
        if isinstance(candidate, AzureProvider):
            return candidate
    raise RuntimeError(f"EntraOBOToken needs an AzureProvider; this call came in by {type(provider).__name__}.")


def _check_is_of_a_user(claims: Mapping[str, Any]) -> None:
    """An application's own token has roles and no delegated scopes; Entra would refuse it, in worse words."""
    if claims.get("idtyp") == "app" or ("scp" not in claims and "roles" in claims):
        raise RuntimeError(f"EntraOBOToken: {_APP_ONLY}: {advice(_APP_ONLY)}")


def _failure(text: str, assertion: str) -> str:
    """What went wrong, without the token should the text repeat it."""
    code = error_code(text)
    if code is None:
        return f"EntraOBOToken: the exchange failed: {text.replace(assertion, '[hidden]')[:300]}"
    return f"EntraOBOToken: the exchange failed with {code}: {advice(text) or 'see the documentation of Entra ID.'}"
