"""What the development provider knows: its clients, sessions, codes and tokens. All of it in memory."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vestibule.protocol.redirect_uris import find_registered, is_loopback

__all__ = ["DEFAULT_CLIENT", "DEFAULT_USERS", "Authorization", "Memory", "ProviderClient", "RecordedRequest"]

CODE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ProviderClient:
    """An app that was set up at the provider by hand.

    Attributes:
        client_id: its id.
        client_secret: accepted as ``client_secret_basic`` and ``client_secret_post``; None: no secret.
        public_key: PEM of the key for ``private_key_jwt``; with neither the client is public.
        redirect_uris: where codes may go; none given: anywhere on this machine.
    """

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    public_key: bytes | None = None
    redirect_uris: tuple[str, ...] = ()

    def admits(self, redirect_uri: str) -> bool:
        """Whether codes may go there."""
        if not self.redirect_uris:
            return is_loopback(redirect_uri)
        return find_registered(self.redirect_uris, redirect_uri) is not None


DEFAULT_CLIENT = ProviderClient("vestibule", "a-secret-for-development-and-nothing-else")

DEFAULT_USERS: Mapping[str, Mapping[str, Any]] = {
    "alice": {"name": "Alice Example", "email": "alice@example.com", "email_verified": True, "groups": ["staff", "admins"]},
    "bob": {"name": "Bob Example", "email": "bob@example.com", "email_verified": True, "groups": ["staff"]},
}


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a user allowed a client.

    Attributes:
        user: who.
        client_id: whom.
        scopes: what.
        audience: for which API.
        redirect_uri: where the code went.
        nonce: of the request.
        challenge: PKCE, or None.
        signed_in_at: when.
        id: of the session; ending it ends every token.
    """

    user: str
    client_id: str
    scopes: tuple[str, ...]
    audience: str
    redirect_uri: str
    nonce: str | None
    challenge: str | None
    signed_in_at: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came in, for a test to look at.

    Attributes:
        endpoint: which one.
        method: HTTP method.
        headers: by lower-case name.
        parameters: of query and form; of a repeated one the last.
        pairs: the same with repeats and order.
    """

    endpoint: str
    method: str
    headers: dict[str, str] = field(repr=False)
    parameters: dict[str, str] = field(repr=False)
    pairs: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(slots=True)
class Memory:
    """Codes, tokens and browser sessions."""

    sessions: dict[str, str] = field(default_factory=dict)
    assertions: set[str] = field(default_factory=set)
    _codes: dict[str, tuple[Authorization, float]] = field(default_factory=dict)
    _spent_codes: dict[str, str] = field(default_factory=dict)
    _refresh_tokens: dict[str, Authorization] = field(default_factory=dict)
    _spent_refresh_tokens: dict[str, str] = field(default_factory=dict)
    _access_tokens: dict[str, tuple[Authorization, float]] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def new_session(self, user: str) -> str:
        """Remember who sits at a browser."""
        session = secrets.token_urlsafe(24)
        self.sessions[session] = user
        return session

    def new_code(self, authorization: Authorization, now: float) -> str:
        """A code for it."""
        code = secrets.token_urlsafe(24)
        self._codes[code] = (authorization, now + CODE_SECONDS)
        return code

    def spend_code(self, code: str, now: float) -> Authorization | None:
        """What the code stands for, once. A second time ends what the first one gave (RFC 6749 §4.1.2)."""
        if code in self._spent_codes:
            self._ended.add(self._spent_codes[code])
        authorization, expires_at = self._codes.pop(code, (None, 0.0))
        if authorization is None:
            return None
        self._spent_codes[code] = authorization.id
        return authorization if expires_at > now else None

    def new_refresh_token(self, authorization: Authorization) -> str:
        """A refresh token for it."""
        token = secrets.token_urlsafe(32)
        self._refresh_tokens[token] = authorization
        return token

    def find_refresh_token(self, token: str) -> Authorization | None:
        """What it stands for. A spent one ends the session (RFC 9700 §4.14.2)."""
        if token in self._spent_refresh_tokens:
            self._ended.add(self._spent_refresh_tokens[token])
        return self._living(self._refresh_tokens.get(token))

    def spend_refresh_token(self, token: str) -> None:
        """It was replaced."""
        self._spent_refresh_tokens[token] = self._refresh_tokens.pop(token).id

    def add_access_token(self, token: str, authorization: Authorization, scopes: tuple[str, ...], expires_at: float) -> None:
        """Remember what was issued."""
        self._access_tokens[token] = (replace(authorization, scopes=scopes), expires_at)

    def find_access_token(self, token: str, now: float) -> tuple[Authorization, float] | None:
        """What it stands for and until when, if it still does."""
        authorization, expires_at = self._access_tokens.get(token, (None, 0.0))
        living = self._living(authorization)
        return (living, expires_at) if living is not None and expires_at > now else None

    def revoke(self, token: str, client_id: str) -> None:
        """End a token of that client; with a refresh token the whole session (RFC 7009 §2.1)."""
        refresh = self._refresh_tokens.get(token)
        if refresh is not None and refresh.client_id == client_id:
            self._ended.add(refresh.id)
        access, _ = self._access_tokens.get(token, (None, 0.0))
        if access is not None and access.client_id == client_id:
            del self._access_tokens[token]

    def _living(self, authorization: Authorization | None) -> Authorization | None:
        return None if authorization is None or authorization.id in self._ended else authorization
