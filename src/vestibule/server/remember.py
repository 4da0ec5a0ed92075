"""``require_authorization_consent="remember"``: not asking twice, where that is safe.

What was allowed is kept in the browser, sealed. It counts only for exactly the same client (keys and redirect URIs included), redirect
URI, scopes and resource, and only for a navigation that the user began: one that another site set off shows the page again
(GHSA-6x8h-498w-gv8c). The cookie is SameSite=Strict, so that the browser holds that line a second time.
"""

from __future__ import annotations

import hashlib
import json

from starlette.requests import Request
from starlette.responses import Response

from vestibule.keys.sealing import Sealer
from vestibule.server.login import Login, cookie_name

__all__ = ["ConsentMemory"]

_MAX_REMEMBERED = 32
_SECONDS = 90 * 86_400


class ConsentMemory:
    """The remembered consents of a browser.

    Args:
        sealer: seals the cookie.
        issuer: of this server.
        secure: whether the public URL is https.
        enabled: False: nothing is remembered.
    """

    def __init__(self, sealer: Sealer, *, issuer: str, secure: bool, enabled: bool) -> None:
        self._sealer = sealer
        self._secure = secure
        self._enabled = enabled
        self._name = cookie_name("consent", issuer, secure=secure)

    def remembers(self, request: Request, login: Login) -> bool:
        """Whether this very request was allowed before in this browser, and the user set it off."""
        return self._enabled and _is_the_users_own(request) and _fingerprint(login) in self._read(request)

    def keep(self, request: Request, response: Response, login: Login) -> None:
        """Remember `login` as allowed."""
        if not self._enabled:
            return
        kept = [entry for entry in self._read(request) if entry != _fingerprint(login)]
        content = json.dumps([*kept, _fingerprint(login)][-_MAX_REMEMBERED:]).encode()
        response.set_cookie(
            self._name,
            self._sealer.seal("consent", content),
            max_age=_SECONDS,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def _read(self, request: Request) -> list[str]:
        content = self._sealer.open("consent", request.cookies.get(self._name, ""))
        return list(json.loads(content)) if content else []


def _is_the_users_own(request: Request) -> bool:
    """Typed, or opened by an app: what the browser's fetch metadata calls ``none``, all along the redirects.

    A step of our own (``same-origin``) is none: anybody can register a redirect URI that leads to this very server, and have our page set
    off the next request. A browser that does not say is taken for a stranger's navigation.
    """
    return request.headers.get("sec-fetch-site") == "none" and request.headers.get("sec-fetch-mode", "navigate") == "navigate"


def _fingerprint(login: Login) -> str:
    """What exactly was allowed: any change of it is a new question."""
    parts = [login.client_id, login.fingerprint, login.redirect_uri, " ".join(sorted(login.scopes)), login.resource]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
