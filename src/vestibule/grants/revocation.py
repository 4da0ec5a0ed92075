"""The end of a session: here at once, and at the provider with the last one of its user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from vestibule.errors import Unavailable
from vestibule.events import Event, emit
from vestibule.grants.data_key import DataKey
from vestibule.grants.listing import Listing
from vestibule.grants.model import Grant
from vestibule.grants.store import Grants
from vestibule.grants.upstream_session import UpstreamSession
from vestibule.reasons import Reason

__all__ = ["Revocation"]


class Revocation:
    """Ends sessions.

    Many providers end everything that a user has at one application when one token of it is taken back (RFC 7009 §2.1), which would
    end the user's other sessions here.

    Args:
        grants: the records.
        listing: which other sessions a user has.
        revoke: tells the provider.
    """

    def __init__(self, grants: Grants, listing: Listing, revoke: Callable[[UpstreamSession], Awaitable[None]]) -> None:
        self._grants = grants
        self._listing = listing
        self._revoke = revoke

    async def end(self, grant_id: str, key: DataKey | None, reason: Reason) -> None:
        """End a session here and, with the last one of its user, at the provider.

        Args:
            key: its data key, if it has one. Without it the provider's tokens cannot be read, and live on there until they end.
            reason: why.

        Raises:
            Unavailable: the store does not answer.
        """
        ended = await self._grants.end(grant_id, reason, detail="revoked", key=key)
        if ended is not None:
            await self.take_back(ended)

    async def take_back(self, ended: Grant) -> None:
        """Tell the provider of the end of a session, if it is the last one of its user and its tokens can be read."""
        if ended.upstream is None or ended.upstream.locked or await self._lives_on(ended):
            return
        await self._revoke(ended.upstream)

    async def _lives_on(self, ended: Grant) -> bool:
        """Whether the provider is not to be told yet, because another session of the user lives from what it gave.

        Where the store does not answer, it is told: the session has ended and no later request would tell it. Tokens that live on after
        their user took them back are worse than another sign-in.
        """
        try:
            return await self._listing.has_another(ended)
        except Unavailable as trouble:
            detail = "whether the user has other sessions is not known; the provider is told of the end of this one, and may end them too"
            emit(Event(name="operator", reason=trouble.reason.code, subject=ended.subject, grant_id=ended.id, detail=detail))
            return False
