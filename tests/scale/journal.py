"""What a server did, written by the server itself: the truth about answers that nobody received.

A line is in the kernel before anything else happens, so that kill -9 loses none. Secrets are not written, only names for them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.scale.answers import Answer, content_of, digest

from vestibule.clock import Clock

TAG = "x-tag"
SERVER = "x-server"


class _Lines:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def write(self, **line: Any) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")


class Journal:
    """ASGI middleware: writes when a tagged request came, and what was answered, whether or not anybody was still there."""

    def __init__(self, app: ASGIApp, path: Path, clock: Clock) -> None:
        self._app = app
        self._lines = _Lines(path)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tag = _header(scope, TAG)
        if not tag:
            await self._app(scope, receive, send)
            return
        self._lines.write(tag=tag, began=self._clock.now())
        status, body = await _watched(self._app, scope, receive, send)
        self._lines.write(tag=tag, ended=self._clock.now(), **asdict(Answer.read(status, body)))


class ProviderJournal:
    """ASGI middleware of the provider: writes which server presented which code or token, and what it got."""

    def __init__(self, app: ASGIApp, path: Path, clock: Clock) -> None:
        self._app = app
        self._lines = _Lines(path)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/token":
            await self._app(scope, receive, send)
            return
        began, message = self._clock.now(), await receive()  # small forms come in one piece
        if message["type"] == "http.disconnect":
            return

        async def again() -> Message:
            return message

        form = dict(parse_qsl(message["body"].decode()))
        status, body = await _watched(self._app, scope, again, send)
        self._lines.write(
            server=_header(scope, SERVER),
            presented=digest(form.get("code") or form["refresh_token"]),
            gave=digest(content_of(body).get("refresh_token", "")),
            refreshes=form["grant_type"] == "refresh_token",
            done=status == 200,
            began=began,
            ended=self._clock.now(),
        )


@dataclass(slots=True)
class Served:
    """What a server's journal says of a request.

    Attributes:
        server: the process.
        ended: None if it never came to an end.
    """

    server: str
    began: float
    ended: float | None = None
    answer: Answer | None = None


def served(folder: Path) -> dict[str, list[Served]]:
    """What all servers did, by tag."""
    found: dict[str, list[Served]] = {}
    for path in folder.glob("server-*.jsonl"):
        for line in lines(path):
            tag, ended = line.pop("tag"), line.pop("ended", None)
            if ended is None:
                found.setdefault(tag, []).append(Served(path.stem.removeprefix("server-"), line["began"]))
            else:
                found[tag][-1].ended, found[tag][-1].answer = ended, Answer(**line)
    return found


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as file:
        yield from map(json.loads, file)


def _header(scope: Scope, name: str) -> str:
    wanted = name.encode()
    return next((value.decode() for key, value in scope.get("headers", ()) if key == wanted), "")


async def _watched(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> tuple[int, bytes]:
    status, body = 0, bytearray()

    async def sent(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        body.extend(message.get("body", b""))
        await send(message)

    await app(scope, receive, sent)
    return status, bytes(body)
