"""The grant record.

One record holds the whole session, the authorization code included, so that redeeming a code, issuing the first tokens and ending
everything are each one compare-and-swap: there is no pair of writes that a crash could come between.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from vestibule.grants.data_key import DataKey
from vestibule.grants.formats import FORMAT, Stored, in_this_format
from vestibule.grants.upstream_session import UpstreamSession

__all__ = ["Code", "Grant", "LastUse", "Lease", "Listed", "Rotation", "UpstreamSession", "nobody"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code(Stored):
    """The authorization code of a grant (RFC 6749 §4.1.2); the code itself is not stored.

    Attributes:
        digest: of the code.
        expires_at: seconds since the epoch.
        challenge: S256 PKCE challenge.
        redirect_uri: what the client must repeat, if it repeats one (OAuth 2.1 §10.2).
        spent_at: when it was redeemed. The record stays, so that a replay is recognised.
        wrapped_key: the data key, to be opened with the code; empty where there is none, and once the code is spent.
        ring_key: public id of the ring's key that it was made with; empty where an earlier release wrote it.
    """

    digest: str
    expires_at: float
    challenge: str
    redirect_uri: str
    spent_at: float | None = None
    wrapped_key: str = field(default="", repr=False)
    ring_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation(Stored):
    """Where the refresh token's rotation stands (OAuth 2.1 §4.3.1); no token is stored.

    Attributes:
        generation: number of the current token, the first is 1.
        digest: of the current token.
        previous_digest: of the one before.
        salt: gives the current token, with the previous one itself: an honest retry gets the same, a copy of the store gives nothing.
        rotated_at: when the current one was issued.
        retries: how often the previous one was answered again.
        wrapped_key, previous_wrapped_key: the data key, if there is one, to be opened with the current token, and with the previous.
        ring_key, previous_ring_key: as :attr:`Code.ring_key`, of the current one and the one before.
    """

    generation: int
    digest: str
    previous_digest: str = ""
    salt: str = ""
    rotated_at: float = 0.0
    retries: int = 0
    wrapped_key: str = field(default="", repr=False)
    previous_wrapped_key: str = field(default="", repr=False)
    ring_key: str = ""
    previous_ring_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(Stored):
    """Who is asking the provider for new tokens right now, so that only one process does."""

    holder: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LastUse(Stored):
    """When and from where a grant was last used, to within an hour.

    Attributes:
        at: seconds since the epoch.
        address: of the peer, as the server knows it; empty where it does not.
        agent: what it called itself (``User-Agent``), shortened.
    """

    at: float
    address: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Stored):
    """Where the grant stands in the list of its user's grants.

    Attributes:
        until: that list is kept until then; seconds since the epoch.
        under: name of the list. It follows from the key ring, so another one is due when the current key changes.
    """

    until: float
    under: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Stored):
    """One user's consent for one client at one resource.

    Attributes:
        id: 128 random bits, base64url.
        issuer: the authorization server that it is of; empty where an earlier release wrote it.
        client_id: the MCP client.
        client_name: what it called itself when the user consented; empty where it did not.
        redirect_uri: where its browser login ended.
        scopes: what was granted.
        resource: the audience of its access tokens (RFC 8707).
        subject: the user at the provider.
        claims: the upstream identity's claims, for tools to read.
        identity: those of them that came in the ID token, so that a renewal can replace what it says anew.
        created_at: seconds since the epoch.
        expires_at: after this, nothing of it is valid; moves with every rotation.
        upstream: the provider's tokens, until the grant ends.
        forward_resource: the ``resource`` that is sent upstream with a refresh, if any was sent at sign-in.
        used: whether a token of it has been used. Before that, a second post of the code is taken for an impatient client.
        last_used: None for a grant of which no token was used.
        listed: None where the user is not known, or the grant is older than such lists.
        ended: reason code, once it has ended.
        data_key: that key, while a request that brought it is served; never stored.
    """

    id: str
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    resource: str
    subject: str
    claims: dict[str, Any] = field(default_factory=dict, repr=False)
    identity: dict[str, Any] = field(default_factory=dict, repr=False)
    issuer: str = ""
    created_at: float
    expires_at: float
    code: Code
    rotation: Rotation | None = None
    upstream: UpstreamSession | None = None
    lease: Lease | None = None
    forward_resource: str | None = None
    used: bool = False
    client_name: str = ""
    last_used: LastUse | None = None
    listed: Listed | None = None
    ended: str | None = None
    ended_at: float | None = None
    data_key: DataKey | None = field(default=None, repr=False, compare=False)

    def as_record(self) -> dict[str, Any]:
        """The JSON object that is sealed and stored. The provider's tokens in it are locked where there is a data key."""
        key, upstream = self.data_key, self.upstream
        record = replace(self, upstream=key.lock(upstream) if key and upstream else upstream).as_document()
        del record["data_key"]
        return {**record, "format": FORMAT}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Grant:
        """Read what :meth:`as_record` wrote, in this version, an earlier one, or a later one of the same format.

        Raises:
            RecordTooNew: a later version wrote it in a format that this one does not know.
        """
        members = in_this_format(record)
        members["data_key"] = None
        members["scopes"] = tuple(members["scopes"])
        for name, part in _PARTS.items():
            members[name] = part.from_document(members[name]) if members.get(name) else None
        grant = cls.from_document(members)
        upstream = grant.upstream
        if upstream is None or upstream.scope is None:
            return grant
        return replace(grant, upstream=replace(upstream, scope=tuple(upstream.scope)))

    @property
    def has_user(self) -> bool:
        """Whether the provider said who the user is."""
        return self.subject != nobody(self.id)

    def may_be_of(self, issuer: str) -> bool:
        """Whether that issuer can be the one who says who the user is: nothing is known of it, or nothing asked, or it is."""
        return not issuer or self.identity.get("iss", issuer) == issuer

    @property
    def is_redeemed(self) -> bool:
        """Whether a client came for it: before that, it is a sign-in that may never be used."""
        return self.code.spent_at is not None

    def is_alive(self, now: float) -> bool:
        """Whether anything of it is still valid."""
        return not self.ended and self.expires_at > now

    def lives_until(self, now: float, life: float) -> float:
        """When the grant ends if `life` seconds pass without a refresh.

        Where the provider gave no refresh token, the grant cannot outlive the provider's access token.
        """
        if self.upstream is None or self.upstream.is_renewable or self.upstream.expires_at is None:
            return now + life
        return min(now + life, self.upstream.expires_at)

    def end(self, reason_code: str, now: float) -> Grant:
        """The same grant, ended. The provider's tokens go with it."""
        if self.ended:
            return self
        return replace(
            self,
            ended=reason_code,
            ended_at=now,
            upstream=None,
            lease=None,
            claims={},
            identity={},
            unknown={},
            code=replace(self.code, wrapped_key=""),
            rotation=replace(self.rotation, wrapped_key="", previous_wrapped_key="") if self.rotation else None,
        )

    def unlocked(self, key: DataKey | None) -> Grant | None:
        """The same grant with the provider's tokens in the open, where `key` is theirs; None where it is another.

        Without a key it stays as it is: what does not need the provider's tokens can go on.
        """
        if key is None:
            return self
        upstream = key.unlock(self.upstream) if self.upstream is not None else None
        return None if upstream is None and self.upstream is not None else replace(self, upstream=upstream, data_key=key)

    @property
    def lacks_its_key(self) -> bool:
        """Whether the provider's tokens are locked here and now: what needs them has to wait for a request that brings the key."""
        return self.upstream is not None and bool(self.upstream.locked)


def nobody(grant_id: str) -> str:
    """The subject of a grant whose user the provider does not name."""
    return f"session:{grant_id}"


_PARTS: Final[dict[str, type[Stored]]] = {
    "code": Code,
    "rotation": Rotation,
    "lease": Lease,
    "upstream": UpstreamSession,
    "last_used": LastUse,
    "listed": Listed,
}
