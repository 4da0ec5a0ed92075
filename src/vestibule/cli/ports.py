"""Whether a server can listen where it is told to."""

from __future__ import annotations

import asyncio
import errno
import socket

from vestibule.errors import ConfigurationError

__all__ = ["check_can_listen"]


def check_can_listen(host: str, port: int) -> None:
    """Bind what the server will bind, and let go of it: otherwise it would say no more than an error's number, after it has started.

    Not inside of an event loop.

    Raises:
        ConfigurationError: that cannot be done; says why, and what to do.
    """
    try:
        asyncio.run(_bind(host, port))
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigurationError(f"--host {host} is neither an address nor a name of this machine.") from error
    except OSError as error:
        raise ConfigurationError(_said(error, host, port)) from error


async def _bind(host: str, port: int) -> None:
    """As the server does: which of a name's addresses may be lacking is for asyncio to say (``::1`` of localhost where IPv6 is off)."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
    server.close()


def _said(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"Port {port} of {host} is in use: stop what listens there, or choose another with --port."
        case errno.EACCES:
            return f"This user may not listen on port {port}: choose one above 1023 with --port, with a reverse proxy in front."
        case errno.EADDRNOTAVAIL | None:  # None: of several addresses none is of this machine
            return f"--host {host} is no address of this machine."
        case _:
            return f"Nothing can listen on port {port} of {host}: {error.strerror}."
