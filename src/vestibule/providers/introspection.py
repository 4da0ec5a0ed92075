"""Tokens that only their issuer can read, configured by ``VESTIBULE_INTROSPECTION_*``."""

from __future__ import annotations

from typing import Any

from vestibule.errors import ConfigurationError
from vestibule.settings import ProviderSettings, ScopeList, Secret, Text, TextList
from vestibule.verifiers import introspection

__all__ = ["IntrospectionTokenVerifier", "IntrospectionTokenVerifierSettings"]


class IntrospectionTokenVerifierSettings(ProviderSettings, provider="introspection"):
    """``VESTIBULE_INTROSPECTION_*``, or ``FASTMCP_SERVER_AUTH_INTROSPECTION_*``."""

    introspection_url: Text | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    client_auth_method: Text | None = None
    timeout_seconds: float | None = None
    required_scopes: ScopeList | None = None
    audience: TextList | None = None
    base_url: Text | None = None
    cache_ttl_seconds: int | None = None


class IntrospectionTokenVerifier(introspection.IntrospectionTokenVerifier):
    """As :class:`vestibule.IntrospectionTokenVerifier`, with what is not given read from the environment.

    Args:
        arguments: those of :class:`vestibule.IntrospectionTokenVerifier`.

    Raises:
        ConfigurationError: as there, or a setting is missing.
    """

    def __init__(self, **arguments: Any) -> None:
        given = IntrospectionTokenVerifierSettings.completed(arguments)
        for name in ("introspection_url", "client_id", "client_secret"):
            if not given.get(name):
                variable = IntrospectionTokenVerifierSettings.variable(name)
                raise ConfigurationError(f"{name} is required: pass {name}=… or set {variable}.")
        super().__init__(**given)
