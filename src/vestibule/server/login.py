"""A login on its way, kept in the browser that makes it: one sealed cookie a login, nothing on the server.

The cookie is what ties the consent, the journey to the provider and the way back to one browser. It is HttpOnly and sealed, so not
even that browser can read the upstream ``state`` before the user has approved.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import zlib
from dataclasses import asdict, dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from vestibule import reasons
from vestibule.clients.model import Client
from vestibule.errors import OAuthError
from vestibule.keys.sealing import Sealer
from vestibule.protocol.visible_text import shortened
from vestibule.server.journey import Journey

__all__ = ["AuthorizationParams", "Login", "LoginCookies", "cookie_name"]

_MAX_COOKIE = 3900  # bytes; browsers keep at most 4096 with the name and attributes
_MAX_COOKIES = 5200  # bytes of all logins of one browser: with our other cookies, less than the 8 KiB of many reverse proxies
_MAX_NAME = 80  # characters of the client's name, as many as the consent page shows
_MAX_UNSEALED = 16 * 1024  # bytes; a sealed cookie is ours, this only bounds our own mistakes


@dataclass(slots=True, kw_only=True)
class AuthorizationParams:
    """A checked authorization request, as ``authorize(client, params)`` gets it. Overriding classes may change it.

    Attributes:
        state: the client's, to be echoed.
        scopes: what is asked for, the required ones included.
        code_challenge: S256.
        redirect_uri: where the answer goes.
        redirect_uri_provided_explicitly: whether the request named it.
        resource: the audience of the tokens to come (RFC 8707).
        forward_resource: the value to send upstream, or None to send none.
        forwarded: ``prompt``, ``login_hint``, ``max_age``, ``acr_values`` and ``ui_locales``, as sent.
        login: set by ``authorize``: the login that goes into the browser's cookie.
    """

    state: str | None
    scopes: list[str]
    code_challenge: str
    redirect_uri: str
    redirect_uri_provided_explicitly: bool
    resource: str
    forward_resource: str | None = None
    forwarded: dict[str, str] = field(default_factory=dict)
    login: Login | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login(Journey):
    """The sealed content of the cookie.

    Attributes:
        handle: public name of the login, in the cookie's name and the consent page's URL.
        client_name: what the client calls itself, shortened.
        client_state: the client's ``state``.
        fingerprint: of the client as the user saw it; hex.
    """

    handle: str
    client_id: str
    fingerprint: str
    redirect_uri: str
    resource: str
    client_state: str | None
    code_challenge: str
    client_name: str = ""

    @classmethod
    def start(cls, params: AuthorizationParams, *, client: Client, now: float) -> Login:
        """A new login for a checked request."""
        return cls(
            handle=f"{int(now):x}-{secrets.token_urlsafe(6)}",
            client_id=client.client_id,
            client_name=shortened(client.metadata.client_name or "", _MAX_NAME),
            fingerprint=client.fingerprint.hex(),
            redirect_uri=params.redirect_uri,
            scopes=tuple(params.scopes),
            resource=params.resource,
            forward_resource=params.forward_resource,
            client_state=params.state,
            code_challenge=params.code_challenge,
            forwarded=dict(params.forwarded),
            started_at=now,
        )


def cookie_name(kind: str, issuer: str, *, secure: bool) -> str:
    """The name of a cookie of the server with that issuer; ``__Host-`` keeps subdomains from setting it (RFC 6265bis §4.1.3.2)."""
    tag = hashlib.sha256(issuer.encode()).hexdigest()[:8]
    return f"{'__Host-' if secure else ''}vestibule-{kind}-{tag}"


class LoginCookies:
    """Writes and reads the login cookies.

    Args:
        sealer: seals them.
        issuer: of this server. Cookies know no ports (RFC 6265 §8.5), so servers on one host tell theirs apart by it.
        secure: whether the public URL is https. On a loopback http URL, clients and some browsers do not return Secure cookies.
        life: seconds a login may take.
    """

    def __init__(self, sealer: Sealer, *, issuer: str, secure: bool, life: float) -> None:
        self._sealer = sealer
        self._secure = secure
        self._life = life
        self._prefix = cookie_name("login", issuer, secure=secure) + "-"

    def write(self, request: Request, response: Response, login: Login) -> None:
        """Put `login` into the browser, and take out the oldest where there are many.

        Raises:
            OAuthError: the request was so large that no browser would keep it.
        """
        content = zlib.compress(json.dumps(asdict(login), separators=(",", ":")).encode())
        value = self._sealer.seal("login", content, bound_to=login.handle.encode())
        if len(value) > _MAX_COOKIE:
            raise OAuthError("invalid_request", reasons.REQUEST_TOO_LARGE, "the login does not fit into a cookie")
        response.set_cookie(
            self._prefix + login.handle,
            value,
            max_age=int(self._life),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",  # the provider's answer is a cross-site navigation and must carry it
        )
        for name in self._surplus(request, login, len(self._prefix + login.handle) + len(value)):
            self._delete(response, name)

    def read(self, request: Request, handle: str) -> Login | None:
        """The login of that handle, if this browser has it."""
        value = request.cookies.get(self._prefix + handle)
        return self._open(handle, value) if value else None

    def find(self, request: Request, state: str) -> Login | None:
        """The login with that upstream state, if this browser has it."""
        for name, value in request.cookies.items():
            if name.startswith(self._prefix):
                login = self._open(name.removeprefix(self._prefix), value)
                if login is not None and secrets.compare_digest(login.state.encode(), state.encode()):
                    return login
        return None

    def delete(self, response: Response, login: Login) -> None:
        """The login is over."""
        self._delete(response, self._prefix + login.handle)

    def _open(self, handle: str, value: str) -> Login | None:
        content = self._sealer.open("login", value, bound_to=handle.encode())
        if content is None:
            return None
        return Login.from_members(json.loads(zlib.decompressobj().decompress(content, _MAX_UNSEALED)))

    def _surplus(self, request: Request, login: Login, size: int) -> list[str]:
        """The oldest logins, where all together are too large; a handle starts with its time."""
        others = {name: value for name, value in request.cookies.items() if name.startswith(self._prefix)}
        others.pop(self._prefix + login.handle, None)
        surplus = []
        for name in sorted(others, reverse=True):
            size += len(name) + len(others[name])
            if size > _MAX_COOKIES:
                surplus.append(name)
        return surplus

    def _delete(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="lax")
