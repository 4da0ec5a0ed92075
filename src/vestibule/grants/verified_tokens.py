"""What one process remembers of the access tokens that it verified, and of the sessions behind them."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from vestibule.grants.access import AccessClaims
from vestibule.grants.model import Grant
from vestibule.grants.store import record_key

__all__ = ["KnownSession", "VerifiedToken", "VerifiedTokens"]


@dataclass(slots=True, weakref_slot=True)
class KnownSession:
    """What is known of a grant, shared by all its tokens.

    Attributes:
        grant: as it was last read; not there before that.
        good_until: until when nothing has to be asked again; seconds since the epoch.
        read_at: when the grant was last read as it is; never, if it is known to have changed since.
        changes: how often it has changed, or may have, since this process knows it.
    """

    grant: Grant = field(init=False)
    good_until: float = 0
    read_at: float = -math.inf
    changes: int = 0

    def outdate(self) -> None:
        """It is read again at its next use, and what is just being read is not kept."""
        self.good_until = 0
        self.changes += 1

    def forget(self) -> None:
        """It has changed: nobody goes on before it is read."""
        self.outdate()
        self.read_at = -math.inf


@dataclass(slots=True)
class VerifiedToken:
    """What a token says, and the session that it belongs to.

    Attributes:
        good_until: the token's own end; seconds since the epoch.
    """

    claims: AccessClaims
    session: KnownSession
    good_until: float = field(init=False)

    def __post_init__(self) -> None:
        self.good_until = float(self.claims.expires_at)


class VerifiedTokens:
    """A bounded cache of tokens by their full digest, and of their sessions for as long as one of them is in it.

    Args:
        max_tokens: how many tokens are remembered.
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._tokens: dict[bytes, VerifiedToken] = {}
        self._sessions: WeakValueDictionary[str, KnownSession] = WeakValueDictionary()  # by the key of the record

    def get(self, digest: bytes) -> VerifiedToken | None:
        """What is known of a token."""
        return self._tokens.get(digest)

    def put(self, digest: bytes, token: VerifiedToken) -> None:
        """Remember a token that was just verified."""
        self.discard(digest)
        while len(self._tokens) >= self._max_tokens:
            del self._tokens[next(iter(self._tokens))]  # the one checked longest ago
        self._tokens[digest] = token

    def discard(self, digest: bytes) -> None:
        """Forget a token."""
        self._tokens.pop(digest, None)

    def keep_signed_by(self, kids: Collection[str]) -> None:
        """Forget what other keys signed."""
        self._tokens = {digest: token for digest, token in self._tokens.items() if token.claims.kid in kids}

    def session(self, grant_id: str) -> KnownSession:
        """There before the grant is read, so that a change meanwhile finds it."""
        key = record_key(grant_id)
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = KnownSession()
        return session

    def grant_changed(self, grant: Grant) -> None:
        """A change made by this process counts at once."""
        session = self._sessions.get(record_key(grant.id))
        if session is not None:
            session.grant = grant
            session.forget()

    def heard(self, announced: str | None) -> None:
        """Another process says that it changed a grant; None: any of them may have changed unheard.

        Whoever can announce can make us read again, and nothing else. What names no session of ours costs a look into a dictionary.
        """
        if announced is None:
            for known in list(self._sessions.values()):
                known.outdate()
        elif session := self._sessions.get(announced):
            session.forget()
