"""Whether a server can listen where it is told to."""

from __future__ import annotations

import errno
import os
import socket

from vestibule.errors import ConfigurationError

__all__ = ["check_can_listen"]


def check_can_listen(host: str, port: int) -> None:
    """Bind what the server will bind, and let go of it: otherwise it would say no more than an error's number, after it has started.

    Raises:
        ConfigurationError: that cannot be done; says why, and what to do.
    """
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"--host {host} is neither an address nor a name of this machine.") from error
    for family, kind, protocol, _, address in addresses:
        try:
            with socket.socket(family, kind, protocol) as probe:
                _set_up(probe, family)
                probe.bind(address)
        except OSError as error:
            raise ConfigurationError(_said(error, host, port)) from error


def _set_up(probe: socket.socket, family: int) -> None:
    """As asyncio does for a server."""
    if os.name == "posix":
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _said(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"Port {port} of {host} is in use: stop what listens there, or choose another with --port."
        case errno.EACCES:
            return f"This user may not listen on port {port}: choose one above 1023 with --port, with a reverse proxy in front."
        case errno.EADDRNOTAVAIL:
            return f"--host {host} is no address of this machine."
        case _:
            return f"Nothing can listen on port {port} of {host}: {error.strerror}."
