"""Reading a request to the resource: its path, its headers, its body."""

from __future__ import annotations

import posixpath
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from starlette.types import Message, Receive, Scope

from vestibule import reasons
from vestibule.resource.protection import Refused

__all__ = ["Headers", "drop_trailing_slash", "is_protected", "read_body", "replay", "route_path"]

MAX_INSPECTED_BODY = 4 * 1024 * 1024
"""Bytes of a JSON-RPC body that are read to find the tool, where tools have scopes of their own."""


class Headers:
    """The request's headers, names in lower case (ASGI)."""

    __slots__ = ("_by_name", "_raw")

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._by_name = dict(raw)

    def get(self, name: bytes) -> bytes | None:
        """The value, the last one where there are several."""
        return self._by_name.get(name)

    def all(self, name: bytes) -> list[bytes]:
        """Every value."""
        if name not in self._by_name:
            return []
        return [value for key, value in self._raw if key == name]

    def text(self, name: bytes) -> str | None:
        value = self.get(name)
        return None if value is None else value.decode("latin-1")


def route_path(scope: Scope) -> str:
    """The path within the application: a server mounted below a prefix sees the prefix in ``root_path``."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    # Whole segments only, as routers see it: below the prefix /mcp, the path /mcp-server is a path of its own.
    return path[len(root) :] if path == root or path.startswith(root.rstrip("/") + "/") else path


@lru_cache(maxsize=256)
def is_protected(path: str, protected: str, whole_tree: bool) -> bool:
    """Also for a path that some server further in may yet read as the protected one."""
    plain = posixpath.normpath("/" + unquote(path).lower().replace("\\", "/").lstrip("/"))
    target = protected.lower() or "/"
    return plain == target or (whole_tree and (target == "/" or plain.startswith(target + "/")))


def drop_trailing_slash(scope: MutableMapping[str, Any], path: str) -> None:
    """``/mcp/`` is ``/mcp``: a redirect would cost clients their POST body or their token."""
    if scope["path"].endswith("/") and path and route_path(scope) == path + "/":
        scope["path"] = scope["path"][:-1]


async def read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, reasons.BODY_UNREADABLE, "invalid_request")
        body += message.get("body", b"")
        if len(body) > MAX_INSPECTED_BODY:
            raise Refused(413, reasons.BODY_TOO_LARGE, "invalid_request")
        if not message.get("more_body", False):
            return bytes(body)


def replay(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body once more, then goes on as before."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed
