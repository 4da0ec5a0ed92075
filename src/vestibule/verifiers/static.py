"""Tokens from a list, for development and tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from vestibule import reasons
from vestibule.clock import Clock, SystemClock
from vestibule.errors import ConfigurationError, TokenRejected
from vestibule.tokens import AccessToken
from vestibule.verifiers.base import TokenVerifier

__all__ = ["StaticTokenVerifier"]


class StaticTokenVerifier(TokenVerifier):
    """Accepts the tokens it is given.

    Args:
        tokens: what each token stands for: ``client_id``, and optionally ``scopes`` (a list), ``expires_at`` (seconds since the
            epoch), ``sub`` and any further claims.
        required_scopes: scopes that every token needs; one that lacks some is answered 403.
        base_url: public URL of this server.
        clock: the time.

    Raises:
        ConfigurationError: a token is blank or without ``client_id``.
    """

    def __init__(
        self,
        tokens: Mapping[str, Mapping[str, Any]],
        required_scopes: Sequence[str] | None = None,
        base_url: object | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(base_url=base_url, required_scopes=required_scopes)
        for token, data in tokens.items():
            if not token.strip() or not isinstance(data.get("client_id"), str):
                raise ConfigurationError("StaticTokenVerifier: each token is not blank and has a client_id.")
        # Looked up by digest: how long the search takes tells nothing about a token.
        self._tokens = {_digest(token): dict(data) for token, data in tokens.items()}
        self._clock = clock or SystemClock()

    def recognises(self, token: str) -> bool | None:
        """Whether it is on the list."""
        return _digest(token) in self._tokens

    async def check_token(self, token: str) -> AccessToken:
        """Look the token up.

        Raises:
            TokenRejected: it is not on the list, over, or lacks a required scope.
        """
        data = self._tokens.get(_digest(token))
        if data is None:
            raise TokenRejected(reasons.TOKEN_NOT_ACCEPTED)
        expires_at = data.get("expires_at")
        if expires_at is not None and expires_at <= self._clock.now():
            raise TokenRejected(reasons.TOKEN_EXPIRED)
        return self.check_scopes(
            AccessToken(
                token=token,
                client_id=data["client_id"],
                scopes=list(data.get("scopes") or ()),
                expires_at=None if expires_at is None else int(expires_at),
                resource=data.get("resource"),
                subject=data.get("sub"),
                claims=dict(data),
            )
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
