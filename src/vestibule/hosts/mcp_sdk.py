"""The official SDK's server (``mcp`` 1.x and 2.x): fills its ``get_access_token()`` and the user that its sessions are bound to."""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken as SDKAccessToken
from starlette.authentication import AuthCredentials

from vestibule.hosts import asgi
from vestibule.hosts.asgi import Bound, component_scopes
from vestibule.resource.identity import Caller
from vestibule.tokens import AccessToken

__all__ = ["bind", "bind_as", "component_scopes"]

_message: ContextVar[Any] | None = getattr(import_module("mcp.server.lowlevel.server"), "request_ctx", None)
"""The message being handled, on SDK 1.x: a session there handles all its messages in the context of its first request, so that
context variables tell of a token that may have been replaced since. SDK 2.x handles each message in its own request's context."""


class _User(AuthenticatedUser):
    """The user of one request, with the caller it was made from, on SDK 1.x."""

    def __init__(self, token: SDKAccessToken, caller: Caller) -> None:
        self._token = token
        self.caller = caller
        super().__init__(token)

    @property
    def access_token(self) -> SDKAccessToken:
        """The token of the message being handled."""
        return self.now()._token

    @access_token.setter
    def access_token(self, token: SDKAccessToken) -> None:
        self._token = token

    def now(self) -> _User:
        """The same user as of the message being handled. Never another one: a session belongs to one user."""
        message = _message.get(None) if _message is not None else None
        user = getattr(getattr(message, "request", None), "scope", {}).get("user")
        return user if isinstance(user, _User) and _principal(user) == _principal(self) else self


def _principal(user: _User) -> tuple[str, str | None, object]:
    """Whom the SDK binds a session to."""
    token = user._token
    return token.client_id, token.subject, (token.claims or {}).get("iss")


def to_sdk_token(token: AccessToken, model: type[SDKAccessToken] = SDKAccessToken) -> SDKAccessToken:
    """The token as the host's own class. Its parts were checked already, so they are not validated once more."""
    return model.model_construct(
        None,
        token=token.token,
        client_id=token.client_id,
        scopes=token.scopes,
        expires_at=getattr(token, "expires_at", None),
        resource=getattr(token, "resource", None),
        subject=getattr(token, "subject", None),
        claims=getattr(token, "claims", None),
    )


def bind_as(
    convert: Callable[[AccessToken], SDKAccessToken],
    scope: MutableMapping[str, Any],
    token: AccessToken,
    scopes: Collection[str],
) -> Bound:
    """Make the caller known to the SDK, with `convert` giving its token class."""
    caller = Caller(token, scopes)
    scope["auth"] = AuthCredentials(list(scopes))
    if _message is None:
        user = scope["user"] = AuthenticatedUser(convert(token))
        return asgi.bind_found_by(lambda: caller, scope, (auth_context_var, user))
    user_by_message = scope["user"] = _User(convert(token), caller)
    return asgi.bind_found_by(lambda: user_by_message.now().caller, scope, (auth_context_var, user_by_message))


def bind(scope: MutableMapping[str, Any], token: AccessToken, scopes: Collection[str]) -> Bound:
    """Make the caller known for the length of a request."""
    return bind_as(to_sdk_token, scope, token, scopes)
