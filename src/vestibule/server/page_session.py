"""Who is at the page of their connections: a sign-in on its way, then a session, each in one sealed cookie of the browser.

Neither passes for the other, for a login of a client or for anything else that is sealed: each kind has a purpose of its own, and is
bound to the issuer besides, since servers of one operator may share their keys.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from vestibule import reasons
from vestibule.errors import OAuthError
from vestibule.grants.model import Grant
from vestibule.protocol.json_documents import known_members
from vestibule.protocol.parameters import Parameters
from vestibule.server.hall import Hall
from vestibule.server.journey import Journey
from vestibule.server.login import cookie_name

__all__ = ["PageSession", "PageSessions", "check_proof", "proof"]

_SESSION_SECONDS: Final = 900
_JOURNEY_SECONDS: Final = 3600  # how long the button of a page that was left open works
_MAX_ACCOUNT: Final = 80  # characters

Content = TypeVar("Content", Journey, "PageSession")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSession:
    """Somebody who signed in to the page.

    Attributes:
        subject: the user at the provider.
        issuer: as :attr:`~vestibule.grants.sign_in.SignedIn.issuer`.
        account: what the user knows the account by; for the page only.
        expires_at: seconds since the epoch.
        id: what the proofs of the page's forms are made from.
    """

    subject: str
    account: str
    expires_at: float
    issuer: str = ""
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)

    def may_see(self, grant: Grant) -> bool:
        """Whether the grant is this user's. Another tenant's may have the same subject (OIDC Core §5.7)."""
        return grant.subject == self.subject and grant.may_be_of(self.issuer)

    @classmethod
    def from_members(cls, document: Mapping[str, Any]) -> PageSession:
        """The session of a cookie."""
        return cls(**known_members(cls, document))


class PageSessions:
    """The sign-ins and sessions of one server's page."""

    def __init__(self, hall: Hall) -> None:
        self._clock = hall.clock
        self._spent = hall.spent
        # The provider's answer is a cross-site navigation and must carry the journey. Nothing of another site's may carry the session.
        self._journeys = _Cookie(hall, Journey, "page-journey", life=_JOURNEY_SECONDS, same_site="lax")
        self._sessions = _Cookie(hall, PageSession, "page-session", life=_SESSION_SECONDS, same_site="strict")

    def journey(self, request: Request) -> Journey | None:
        """The sign-in that this browser is about to make, if any."""
        return self._journeys.read(request)

    def journey_of(self, request: Request, state: str | None) -> Journey | None:
        """The sign-in with that upstream state, if this browser makes it."""
        journey = self._journeys.read(request)
        if journey is None or state is None or not secrets.compare_digest(journey.state.encode(), state.encode()):
            return None
        return journey

    def keep(self, response: Response, journey: Journey) -> None:
        """Put `journey` into the browser."""
        self._journeys.write(response, journey)

    def forget_journey(self, response: Response) -> None:
        """The sign-in is over, one way or the other."""
        self._journeys.delete(response)

    async def current(self, request: Request) -> PageSession | None:
        """Who is at the page; None if nobody is, or not any more.

        Raises:
            Unavailable: the store does not answer.
        """
        session = self._sessions.read(request)
        if session is None or not 0 < session.expires_at - self._clock.now() <= _SESSION_SECONDS:
            return None  # one that lives longer than any is from before the clock was set back
        return None if await self._spent.is_spent("page session", session.id) else session

    def open(self, response: Response, *, subject: str, account: str, issuer: str = "") -> None:
        """Somebody has signed in. The session lives for fifteen minutes."""
        expires_at = self._clock.now() + _SESSION_SECONDS
        session = PageSession(subject=subject, issuer=issuer, account=account[:_MAX_ACCOUNT], expires_at=expires_at)
        self._sessions.write(response, session)

    async def close(self, response: Response, session: PageSession) -> None:
        """The session is over, for a copy of its cookie too.

        Raises:
            Unavailable: the store does not answer.
        """
        await self._spent.spend("page session", session.id, max(session.expires_at - self._clock.now(), 1))
        self._sessions.delete(response)


class _Cookie(Generic[Content]):
    """A cookie that holds one sealed value."""

    def __init__(
        self, hall: Hall, content: type[Content], kind: str, *, life: int, same_site: Literal["lax", "strict"]
    ) -> None:
        self._sealer = hall.sealer
        self._content: type[Content] = content
        self._purpose = kind.replace("-", " ")
        self._issuer = hall.issuer.encode()
        self._name = cookie_name(kind, hall.issuer, secure=hall.is_secure)
        self._life = life
        self._secure = hall.is_secure
        self._same_site = same_site

    def write(self, response: Response, content: Content) -> None:
        members = json.dumps(asdict(content), separators=(",", ":")).encode()
        response.set_cookie(
            self._name,
            self._sealer.seal(self._purpose, members, bound_to=self._issuer),
            max_age=self._life,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite=self._same_site,
        )

    def read(self, request: Request) -> Content | None:
        value = request.cookies.get(self._name)
        members = self._sealer.open(self._purpose, value, bound_to=self._issuer) if value else None
        return None if members is None else self._content.from_members(json.loads(members))

    def delete(self, response: Response) -> None:
        response.delete_cookie(self._name, path="/", secure=self._secure, httponly=True, samesite=self._same_site)


def proof(hall: Hall, holder: str, *what: str) -> str:
    """Proof that a form was sent from the page: only we can make it, only that browser's `holder` and that button fit it.

    Args:
        holder: the id of the session, or the state of the journey.
        what: the action, and what it is about.
    """
    return hall.keyring.mac("connections", _claim(holder, *what)).hex()


def check_proof(hall: Hall, form: Parameters, holder: str, *what: str) -> None:
    """Check the ``csrf_token`` of a form.

    Raises:
        OAuthError: it is missing or another one.
    """
    try:
        tag = bytes.fromhex(form.get("csrf_token") or "")
    except ValueError:
        tag = b""
    if not hall.keyring.mac_fits("connections", _claim(holder, *what), tag):
        raise OAuthError("access_denied", reasons.PAGE_FORM_FORGED, status=403)


def _claim(*parts: str) -> bytes:
    return json.dumps(parts).encode()
