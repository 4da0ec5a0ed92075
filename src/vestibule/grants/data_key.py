"""The key of one grant's upstream tokens, where only the client may hold it (``upstream_token_protection="client"``).

The server keeps the provider's tokens encrypted with the data key, and the data key nowhere by itself:

- the record holds it wrapped by the secret of the authorization code until the code is spent, and then by the secrets of the refresh
  tokens that still work; of these secrets it knows digests only,
- an access token carries it, sealed with our key ring, so that the client learns nothing from it.

So a request of the client's brings what opens its own grant, and a copy of the store together with every key of the server opens none.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field, replace

from vestibule.grants.upstream_session import UpstreamSession
from vestibule.keys import envelopes

__all__ = ["DataKey"]


@dataclass(frozen=True, slots=True)
class DataKey:
    """256 random bits for the life of one grant.

    Attributes:
        grant_id: whose it is; what it encrypts, and what it is wrapped in, opens for this grant only.
    """

    grant_id: str
    value: bytes = field(repr=False)

    @classmethod
    def new(cls, grant_id: str) -> DataKey:
        """A fresh one."""
        return cls(grant_id, envelopes.new_key())

    def wrap(self, secret: bytes) -> str:
        """The key for the record, to be opened with a `secret` (256 bits) that only the client's token holds."""
        return envelopes.encrypt(_wrapping_key(secret), self.value, bound_to=self._place("wrap"))

    @classmethod
    def unwrap(cls, grant_id: str, wrapped: str, secret: bytes) -> DataKey | None:
        """What :meth:`wrap` wrapped with this `secret`; None if it does not open."""
        value = envelopes.decrypt(_wrapping_key(secret), wrapped, bound_to=cls(grant_id, b"")._place("wrap"))
        return None if value is None else cls(grant_id, value)

    def lock(self, session: UpstreamSession) -> UpstreamSession:
        """`session` as it may be stored."""
        if session.locked:
            return session
        tokens = json.dumps([session.access_token, session.refresh_token]).encode()
        return replace(
            session,
            access_token="",
            refresh_token=None,
            locked=envelopes.encrypt(self.value, tokens, bound_to=self._place("tokens")),
            locked_with_refresh_token=session.refresh_token is not None,
        )

    def unlock(self, session: UpstreamSession) -> UpstreamSession | None:
        """`session` with its tokens; None if this is not their key, or they are not locked."""
        tokens = envelopes.decrypt(self.value, session.locked, bound_to=self._place("tokens"))
        if tokens is None:
            return None
        access_token, refresh_token = json.loads(tokens)
        return replace(
            session, access_token=access_token, refresh_token=refresh_token, locked="", locked_with_refresh_token=False
        )

    def _place(self, use: str) -> bytes:
        return f"{use} {self.grant_id}".encode()


def _wrapping_key(secret: bytes) -> bytes:
    """A key of its own: what follows from the secret elsewhere (a successor, a digest) tells nothing about it."""
    return hmac.digest(secret, b"data key", "sha256")
