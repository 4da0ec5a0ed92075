"""FastMCP (3.x and 4.x): fills its ``get_access_token()``, with its own token class."""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from fastmcp.server.auth import AccessToken as FastMCPAccessToken

from vestibule.hosts import mcp_sdk
from vestibule.tokens import AccessToken

__all__ = ["bind"]


def _convert(token: AccessToken) -> FastMCPAccessToken:
    return mcp_sdk.to_sdk_token(token, FastMCPAccessToken)  # type: ignore[return-value]


@contextmanager
def bind(scope: MutableMapping[str, Any], token: AccessToken, scopes: Collection[str]) -> Iterator[None]:
    """Make the caller known for the length of a request."""
    with mcp_sdk.bind_as(_convert, scope, token, scopes):
        yield
