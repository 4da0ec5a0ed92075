"""JWTs that somebody else issues, configured by ``VESTIBULE_JWT_*``."""

from __future__ import annotations

from typing import Any

from vestibule.settings import ProviderSettings, ScopeList, Secret, Text, TextList
from vestibule.verifiers import jwt
from vestibule.verifiers.jwt import RSAKeyPair

__all__ = ["JWTVerifier", "JWTVerifierSettings", "RSAKeyPair"]


class JWTVerifierSettings(ProviderSettings, provider="jwt"):
    """``VESTIBULE_JWT_*``, or ``FASTMCP_SERVER_AUTH_JWT_*``."""

    public_key: Secret | None = None
    jwks_uri: Text | None = None
    issuer: TextList | None = None
    audience: TextList | None = None
    algorithm: TextList | None = None
    required_scopes: ScopeList | None = None
    base_url: Text | None = None


class JWTVerifier(jwt.JWTVerifier):
    """As :class:`vestibule.JWTVerifier`, with what is not given read from the environment.

    Args:
        arguments: those of :class:`vestibule.JWTVerifier`.

    Raises:
        ConfigurationError: as there.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**JWTVerifierSettings.completed(arguments))
