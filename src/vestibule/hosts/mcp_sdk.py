"""The official SDK's server (``mcp`` 1.x and 2.x): fills its ``get_access_token()`` and the user that its sessions are bound to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken as SDKAccessToken
from starlette.authentication import AuthCredentials

from vestibule.hosts import asgi
from vestibule.tokens import AccessToken

__all__ = ["bind", "bind_as"]


def to_sdk_token(token: AccessToken, model: type[SDKAccessToken] = SDKAccessToken) -> SDKAccessToken:
    """The token as the host's own class. Its parts were checked already, so they are not validated once more."""
    fields = ("token", "client_id", "scopes", "expires_at", "resource", "subject", "claims")
    known: dict[str, Any] = {name: getattr(token, name, None) for name in fields}
    return model.model_construct(None, **known)


@contextmanager
def bind_as(
    convert: Callable[[AccessToken], SDKAccessToken],
    scope: MutableMapping[str, Any],
    token: AccessToken,
    scopes: Collection[str],
) -> Iterator[None]:
    """Make the caller known to the SDK, with `convert` giving its token class."""
    user = AuthenticatedUser(convert(token))
    scope["user"] = user
    scope["auth"] = AuthCredentials(list(scopes))
    mark = auth_context_var.set(user)
    try:
        with asgi.bind(scope, token, scopes):
            yield
    finally:
        auth_context_var.reset(mark)


@contextmanager
def bind(scope: MutableMapping[str, Any], token: AccessToken, scopes: Collection[str]) -> Iterator[None]:
    """Make the caller known for the length of a request."""
    with bind_as(to_sdk_token, scope, token, scopes):
        yield
