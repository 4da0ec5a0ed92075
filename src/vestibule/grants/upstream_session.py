"""The provider's tokens of a grant."""

from __future__ import annotations

from dataclasses import dataclass, field

from vestibule.grants.formats import Stored
from vestibule.upstream.client import UpstreamTokens

__all__ = ["UpstreamSession"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSession(Stored):
    """The provider's tokens of a grant. Never shown to a client.

    Attributes:
        access_token, refresh_token: the tokens; empty and None while they are locked.
        token_type: of the access token.
        expires_at, refresh_expires_at: when they end; seconds since the epoch.
        scope: what the provider said it granted.
        check_at: when the provider has to be asked again whether its token is good; None where the token itself tells.
        locked: the tokens, encrypted with a data key that only the client's own tokens give; empty where they are not. See
            :class:`~vestibule.grants.data_key.DataKey`.
        is_renewable: whether there is a refresh token, locked or not.
    """

    access_token: str = field(repr=False)
    token_type: str = "Bearer"  # noqa: S105 the name of a type
    expires_at: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: float | None = None
    scope: tuple[str, ...] | None = None
    check_at: float | None = None
    locked: str = field(default="", repr=False)
    locked_with_refresh_token: bool = False

    @classmethod
    def from_tokens(cls, tokens: UpstreamTokens, *, now: float, fallback_life: float | None) -> UpstreamSession:
        """Take over a token answer; `fallback_life` (seconds) stands in where the provider does not say when the token ends."""
        expires_at = tokens.expires_at
        if expires_at is None and fallback_life is not None:
            expires_at = now + fallback_life
        return cls(
            access_token=tokens.access_token,
            token_type=tokens.token_type,
            expires_at=expires_at,
            refresh_token=tokens.refresh_token,
            refresh_expires_at=tokens.refresh_expires_at,
            scope=tokens.scope,
        )

    @property
    def is_renewable(self) -> bool:
        return self.refresh_token is not None or self.locked_with_refresh_token

    def has_ended(self, now: float, early: float = 0) -> bool:
        """Whether the access token has ended, or will within `early` seconds where it can be renewed."""
        ahead = early if self.is_renewable else 0
        return self.expires_at is not None and self.expires_at - ahead <= now

    def needs_check(self, now: float) -> bool:
        """Whether the provider has to be asked about it."""
        return self.check_at is not None and self.check_at <= now
