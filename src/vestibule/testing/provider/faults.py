"""Faults that a test orders from the development provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["EndpointName", "Faults", "OAuthFault"]

EndpointName = Literal["discovery", "jwks", "authorize", "token", "userinfo", "introspect", "revoke"]

_ALL: EndpointName | None = None


@dataclass(frozen=True, slots=True)
class OAuthFault:
    """An OAuth error to answer with.

    Attributes:
        code: e.g. ``invalid_grant``.
        description: ``error_description``.
        status: HTTP status where it is answered directly; the authorization endpoint redirects.
    """

    code: str
    description: str = ""
    status: int = 400


@dataclass(slots=True)
class _Order:
    kind: str
    endpoint: EndpointName | None
    value: Any
    remaining: int | None = 1


@dataclass(slots=True)
class Faults:
    """Orders of a test. Each holds for `times` requests, or with None until :meth:`clear`; the earliest fitting one is used.

    Endpoints are ``discovery``, ``jwks``, ``authorize``, ``token``, ``userinfo``, ``introspect`` and ``revoke``; None is all of them.
    """

    rotate: Callable[[bool], None] = field(repr=False)
    _orders: list[_Order] = field(default_factory=list)
    _disabled_users: set[str] = field(default_factory=set)

    def slow(self, seconds: float, endpoint: EndpointName | None = _ALL, times: int | None = None) -> None:
        """Wait before answering."""
        self._add("slow", endpoint, seconds, times)

    def fail(
        self, endpoint: EndpointName | None = _ALL, status: int = 500, times: int | None = 1, retry_after: int | None = None
    ) -> None:
        """Answer with an HTTP status and text, as a broken server or a proxy before it would."""
        self._add("fail", endpoint, (status, retry_after), times)

    def garbage(self, endpoint: EndpointName, times: int | None = 1) -> None:
        """Answer with status 200 and a web page, as captive portals do."""
        self._add("garbage", endpoint, None, times)

    def error(self, endpoint: EndpointName, code: str, description: str = "", status: int = 400, times: int | None = 1) -> None:
        """Answer with an OAuth error."""
        self._add("error", endpoint, OAuthFault(code, description, status), times)

    def id_token_claims(self, times: int | None = 1, **claims: object) -> None:
        """Put claims into ID tokens as they are given, e.g. ``aud="other"``; None leaves a claim out."""
        self._add("id_token_claims", "token", claims, times)

    def wrong_nonce(self, times: int | None = 1) -> None:
        """Put another nonce into ID tokens."""
        self.id_token_claims(times, nonce="the-nonce-of-somebody-else")

    def no_id_token(self, times: int | None = 1) -> None:
        """Leave the ID token out."""
        self._add("no_id_token", "token", None, times)

    def no_refresh_token(self, times: int | None = None) -> None:
        """Leave the refresh token out, of exchanges and of refreshes; then the old one stays good (RFC 6749 §6)."""
        self._add("no_refresh_token", "token", None, times)

    def expired_key(self, times: int | None = 1) -> None:
        """Sign with a key that is not published any more."""
        self._add("expired_key", "token", None, times)

    def rotate_key(self, *, keep_old: bool = True) -> None:
        """Sign with a new key from now on; the old one stays published or not."""
        self.rotate(keep_old)

    def user_disabled(self, user: str) -> None:
        """End everything of a user: refresh is refused, tokens are inactive, signing in is denied."""
        self._disabled_users.add(user)

    def user_enabled(self, user: str) -> None:
        """Take :meth:`user_disabled` back."""
        self._disabled_users.discard(user)

    def clear(self) -> None:
        """Take all orders back."""
        self._orders.clear()
        self._disabled_users.clear()

    def is_disabled(self, user: str) -> bool:
        """Whether the user may not sign in."""
        return user in self._disabled_users

    def take(self, kind: str, endpoint: EndpointName) -> Any:
        """For the provider: the value of the first order that fits, counted as used; None if there is none."""
        for order in self._orders:
            if order.kind == kind and order.endpoint in (None, endpoint):
                self._count(order)
                return True if order.value is None else order.value
        return None

    def _add(self, kind: str, endpoint: EndpointName | None, value: object, times: int | None) -> None:
        self._orders.append(_Order(kind, endpoint, value, times))

    def _count(self, order: _Order) -> None:
        if order.remaining is None:
            return
        order.remaining -= 1
        if order.remaining <= 0:
            self._orders.remove(order)
