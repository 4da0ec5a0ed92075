"""Parameters in requests to the provider that are not this server's own: which a client's may be, and which an operator's may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vestibule.errors import ConfigurationError

__all__ = ["FORWARDED_PARAMETERS", "check_authorize_extras", "check_token_extras"]

FORWARDED_PARAMETERS: Final = frozenset({"prompt", "login_hint", "max_age", "acr_values", "ui_locales"})
"""Parameters of an MCP client's authorization request that mean the same to the provider (OIDC Core §3.1.2.1)."""

_AUTHORIZE_PROTOCOL: Final = frozenset(
    {
        "response_type",
        "response_mode",
        "client_id",
        "redirect_uri",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "request",
        "request_uri",
    }
)
_TOKEN_PROTOCOL: Final = frozenset(
    {
        "grant_type",
        "code",
        "redirect_uri",
        "code_verifier",
        "refresh_token",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
    }
)


def check_authorize_extras(name: str, extras: Mapping[str, str]) -> None:
    """Refuse parameters of the operator's that would replace what the authorization request is made of.

    Raises:
        ConfigurationError: they do; it calls them `name`.
    """
    _check_extras(name, extras, _AUTHORIZE_PROTOCOL)


def check_token_extras(name: str, extras: Mapping[str, str]) -> None:
    """The same for the token request.

    Raises:
        ConfigurationError: as there.
    """
    _check_extras(name, extras, _TOKEN_PROTOCOL)


def _check_extras(name: str, extras: Mapping[str, str], protocol: frozenset[str]) -> None:
    clashing = sorted(protocol & extras.keys())
    if clashing:
        raise ConfigurationError(f"{name} may not set {', '.join(clashing)}: the protocol needs to.")
