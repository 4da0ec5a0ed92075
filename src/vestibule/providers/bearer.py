"""The name that :mod:`vestibule.providers.jwt` had before."""

from __future__ import annotations

from vestibule.providers.jwt import JWTVerifier, JWTVerifierSettings, RSAKeyPair

__all__ = ["BearerAuthProvider", "JWTVerifier", "JWTVerifierSettings", "RSAKeyPair"]

BearerAuthProvider = JWTVerifier
