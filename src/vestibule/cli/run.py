"""``vestibule run``: a server from a file, protected, on a port."""

from __future__ import annotations

import gc
import logging
import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from vestibule.cli.applications import protected_application
from vestibule.cli.ports import check_can_listen
from vestibule.cli.server_file import find_server
from vestibule.errors import ConfigurationError
from vestibule.logs import WithoutQueries
from vestibule.providers.chosen import choice
from vestibule.verifiers.base import AuthProvider

__all__ = ["load_application", "log_to_terminal", "serve"]

_log = logging.getLogger("vestibule.run")

_CHATTERS: Final = ("httpx2", "mcp.server.streamable_http")  # a line per request, which tells nothing


def log_to_terminal() -> None:
    """Show what the package logs. Before the server is loaded: what it says then (where state is kept, what to register) is not said twice."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)-8s %(name)s: %(message)s")
    for name in _CHATTERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def load_application(target: str, path: str) -> ASGIApp:
    """The application that ``vestibule run`` serves.

    Args:
        target: ``SERVER.py`` or ``SERVER.py:object``.
        path: of the MCP endpoint.

    Raises:
        ConfigurationError: nothing there can be served, or nobody would be asked who they are.
    """
    if not path.startswith("/") or path == "/":
        raise ConfigurationError("--path is the path of the MCP endpoint, such as /mcp.")
    return protected_application(find_server(target), path, _configured)


def serve(app: ASGIApp, *, host: str, port: int, path: str, access_log: bool = False) -> None:
    """Serve until interrupted.

    uvloop and httptools are used where they are installed. Requests are logged only if that is wanted, and without queries: that of the
    callback holds a code. What happens is told by the logger ``vestibule.events``.

    Raises:
        ConfigurationError: nothing can listen there.
    """
    check_can_listen(host, port)
    if access_log:
        logging.getLogger("uvicorn.access").addFilter(WithoutQueries())
    _log.info("serving http://%s:%d%s", f"[{host}]" if ":" in host else host, port, path)
    config = uvicorn.Config(app, host=host, port=port, access_log=access_log, server_header=False, log_config=None)
    _Server(config).run()


class _Server(uvicorn.Server):
    """Keeps what there is after the start out of garbage collection: it stays anyway, and looking through it costs a fifth of the calls."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()


def _configured() -> AuthProvider | None:
    chosen = choice()
    if chosen is None:
        return None
    _log.info("provider: %s, chosen by %s", chosen.provider.__name__, chosen.origin)
    return chosen.provider()
