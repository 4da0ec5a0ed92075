"""A whole authorization server without a provider behind it, for tests."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack
from urllib.parse import urlencode

from vestibule import reasons
from vestibule.clock import Clock
from vestibule.errors import TokenRejected, UpstreamRefused
from vestibule.grants.connection import Connection
from vestibule.net.cache import TTLCache
from vestibule.net.trusted import TrustedClient
from vestibule.proxy.oauth_proxy import OAuthProxy
from vestibule.proxy.options import CommonOptions, Options
from vestibule.settings import BridgeSettings, ScopeList, Table, Text
from vestibule.tokens import AccessToken
from vestibule.upstream.client import UpstreamClient, UpstreamTokens
from vestibule.verifiers.base import TokenVerifier

if TYPE_CHECKING:
    from pydantic import AnyHttpUrl

__all__ = ["InMemoryOAuthProvider", "InMemoryOAuthProviderSettings"]

_LIFE = 3600
_CODE_LIFE = 600
_MAX_SECRETS = 10_000
_HERE = "http://127.0.0.1:8000"

_log = logging.getLogger("vestibule.providers")


class InMemoryOAuthProviderSettings(BridgeSettings, provider="in_memory"):
    """``VESTIBULE_IN_MEMORY_*``."""

    required_scopes: ScopeList | None = None
    user: Text = "user"
    users: Table | None = None


class InMemoryOAuthProvider(OAuthProxy):
    """Signs everybody in at once and keeps everything in this process. For tests: it believes whoever comes.

    Args:
        base_url: public URL of this server; default ``http://127.0.0.1:8000``.
        required_scopes: scopes that every request needs.
        user: who is signed in, default ``user``, unless the authorization request names somebody with ``login_hint``.
        users: claims by user, for those who have more than a name.
        options: see :class:`~vestibule.proxy.options.CommonOptions`. Here nothing is stored outside this process, a new key is made each
            time, and consent is not asked for, unless you say otherwise.

    Raises:
        ConfigurationError: as :class:`~vestibule.proxy.oauth_proxy.OAuthProxy`.
    """

    def __init__(
        self,
        base_url: str | AnyHttpUrl | None = None,
        *,
        required_scopes: Sequence[str] | None = None,
        user: str | None = None,
        users: Mapping[str, Mapping[str, Any]] | None = None,
        **options: Unpack[CommonOptions],
    ) -> None:
        given = InMemoryOAuthProviderSettings.filled(
            base_url=base_url, required_scopes=required_scopes, user=user, users=users, **options
        )
        url, scopes = given.base_url or _HERE, given.required_scopes or []
        common: CommonOptions = {
            "client_storage": "memory://",
            "jwt_signing_key": secrets.token_bytes(32),
            "require_authorization_consent": False,
            **given.options(),
        }
        chosen = Options(**common)
        people = _People(url, given.user, given.users or {}, chosen.clock)
        self._connection = Connection(client=_SignIn(people, chosen), verifier=_Verifier(people, scopes))
        self._open(chosen, base_url=url, required_scopes=scopes)
        if not self.is_loopback:
            _log.warning("InMemoryOAuthProvider at %s signs everybody in, as whoever they say they are: it is for tests", url)


@dataclass(frozen=True, slots=True)
class _Session:
    user: str
    scopes: tuple[str, ...]


class _People:
    """Who there is, and who is signed in: what a provider's database would be, of bounded size, since anybody may come."""

    def __init__(self, issuer: str, default: str, users: Mapping[str, Mapping[str, Any]], clock: Clock) -> None:
        self._issuer = issuer
        self._users = users
        self._sessions: TTLCache[str, _Session] = TTLCache(_MAX_SECRETS, clock)
        self.default = default

    def open(self, session: _Session, life: float = math.inf) -> str:
        """A new secret that stands for the session for `life` seconds: a code or a token."""
        secret = secrets.token_urlsafe(24)
        self._sessions.put(secret, session, life)
        return secret

    def find(self, secret: str) -> _Session | None:
        return self._sessions.get(secret)

    def close(self, secret: str) -> _Session | None:
        session = self._sessions.get(secret)
        self._sessions.discard(secret)
        return session

    def claims(self, user: str) -> dict[str, Any]:
        return {"iss": self._issuer, "sub": user, **self._users.get(user, {})}


class _SignIn(UpstreamClient):
    """Takes the provider's place: answers at once, and asks nobody."""

    def __init__(self, people: _People, options: Options) -> None:
        super().__init__(
            authorization_endpoint="",
            token_endpoint="",
            client_id="in-memory",
            http=TrustedClient(options.http_client, clock=options.clock),
            clock=options.clock,
        )
        self._people = people

    async def contact(self) -> None:
        self.condition.works(self._clock.now())

    def authorization_url(
        self,
        *,
        redirect_uri: str,
        state: str,
        scopes: Collection[str],
        nonce: str,
        code_challenge: str | None = None,
        resource: str | None = None,
        forwarded: Mapping[str, str] | None = None,
    ) -> str:
        """Straight back to our own callback, as if the user had signed in."""
        user = (forwarded or {}).get("login_hint") or self._people.default
        code = self._people.open(_Session(user, tuple(scopes)), _CODE_LIFE)
        return f"{redirect_uri}?{urlencode({'code': code, 'state': state})}"

    async def exchange(
        self,
        *,
        code: str,
        redirect_uri: str,
        code_verifier: str | None = None,
        resource: str | None = None,
        scopes: Collection[str] = (),
    ) -> UpstreamTokens:
        return self._tokens(self._people.close(code))

    async def refresh(self, refresh_token: str, *, scopes: Collection[str] = (), resource: str | None = None) -> UpstreamTokens:
        return self._tokens(self._people.close(refresh_token))

    async def revoke(self, token: str, hint: str) -> None:
        self._people.close(token)

    def _tokens(self, session: _Session | None) -> UpstreamTokens:
        if session is None:
            raise UpstreamRefused(reasons.UPSTREAM_REFUSED, "unknown code or refresh token")
        return UpstreamTokens(
            access_token=self._people.open(session, _LIFE),
            token_type="Bearer",  # noqa: S106 - no password, the type of RFC 6750
            expires_at=self._clock.now() + _LIFE,
            refresh_token=self._people.open(session),
            refresh_expires_at=None,
            scope=session.scopes,
            id_token=None,
            raw={},
        )


class _Verifier(TokenVerifier):
    """Knows the tokens of :class:`_SignIn`."""

    def __init__(self, people: _People, required_scopes: Sequence[str]) -> None:
        super().__init__(required_scopes=required_scopes)
        self._people = people

    async def check_token(self, token: str) -> AccessToken:
        session = self._people.find(token)
        if session is None:
            raise TokenRejected(reasons.TOKEN_NOT_ACCEPTED)
        return self.check_scopes(
            AccessToken(
                token=token,
                client_id="in-memory",
                scopes=list(session.scopes),
                subject=session.user,
                claims={**self._people.claims(session.user), "scope": " ".join(session.scopes)},
            )
        )
