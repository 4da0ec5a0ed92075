"""Where the request being handled comes from, for whoever writes down that a session was used."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from starlette.types import Scope

from vestibule.protocol.visible_text import shortened

__all__ = ["current_peer", "current_request"]

_MAX_ADDRESS: Final = 64  # characters; an IPv6 address with a zone has fewer
_MAX_AGENT: Final = 120  # characters
_MAX_READ: Final = 1000  # bytes of a header that are looked at

current_request: ContextVar[Scope | None] = ContextVar("vestibule_request", default=None)
"""The request itself: reading it is left to the few that ask."""


def current_peer() -> tuple[str, str]:
    """Address and ``User-Agent`` of the request being handled; empty where that is not known.

    The address is the one that the server names. Behind a proxy that is the proxy's, unless the server was told to trust it
    (``--proxy-headers`` of uvicorn): what a header says of the way here is nothing to believe without that.
    """
    scope = current_request.get()
    if scope is None:
        return "", ""
    client = scope.get("client") or ("",)
    agents = [value for name, value in scope["headers"] if name == b"user-agent"]
    agent = agents[0][:_MAX_READ].decode("latin-1") if agents else ""
    return shortened(str(client[0]), _MAX_ADDRESS), shortened(agent, _MAX_AGENT)
