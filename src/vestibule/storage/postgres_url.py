"""What in a PostgreSQL URL cannot be right, told before anything is connected, and without the password that is in it.

Options are those of ``asyncpg``; what it does not know itself it gives to the server as a setting, and the server may refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from vestibule.errors import ConfigurationError
from vestibule.storage.remote import check_file

__all__ = ["SCHEMES", "check_url"]

SCHEMES: Final = ("postgresql", "postgres")

_TLS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS,
    "ssl_max_protocol_version": _TLS,
    "target_session_attrs": ("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
}
_FILES: Final = ("sslcert", "sslkey", "sslrootcert", "sslcrl")
_OTHERS: Final = ("host", "port", "user", "password", "passfile", "dbname", "database", "service", "krbsrvname", "gsslib")
_KNOWN: Final = (*_VALUES, *_FILES, *_OTHERS, "sslpassword")
_ALIKE: Final = 0.8  # of 1: no setting that a server takes from a client is so like one of these

_ENCODE: Final = "reserved characters in a password are percent-encoded"


def check_url(url: str, name: str = "client_storage") -> None:
    """Check the parts of the URL that can be told wrong by looking at them.

    Args:
        url: the URL.
        name: what the message calls it.

    Raises:
        ConfigurationError: one cannot be right; names it, and holds no credentials.
    """
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ConfigurationError(f"{name}: the PostgreSQL URL cannot be understood; {_ENCODE}.") from None
    if parts.scheme not in SCHEMES:
        raise ConfigurationError(f"{name}: a PostgreSQL URL starts with postgresql://.")
    _check_hosts(name, parts.netloc, parts.path + parts.fragment)
    for option, value in options.items():
        _check_option(name, option, value)


def _check_hosts(name: str, netloc: str, rest: str) -> None:
    """A password with a character that ends it too early is taken for a host, a port or a path."""
    credentials, _, hosts = netloc.rpartition("@")
    if "@" in credentials + rest:
        raise ConfigurationError(f"{name}: there is more than one @ in the PostgreSQL URL; {_ENCODE}.")
    for host in hosts.split(","):
        _check_port(name, host.rpartition("]")[2].partition(":")[2])


def _check_port(name: str, port: str) -> None:
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigurationError(f"{name}: the port of the PostgreSQL URL is no number from 1 to 65535; {_ENCODE}.")


def _check_option(name: str, option: str, value: str) -> None:
    if not value:
        raise ConfigurationError(f"{name}: the option {option[:40]} of the PostgreSQL URL has no value.")
    if option in _VALUES and value not in _VALUES[option]:
        raise ConfigurationError(f"{name}: {option} in the PostgreSQL URL is one of {', '.join(_VALUES[option])}.")
    if option == "port":
        for port in value.split(","):
            _check_port(name, port)
    if option in _FILES:
        check_file(f"{name}: {option}", value)
    meant = get_close_matches(option, _KNOWN, 1, _ALIKE) if option not in _KNOWN else ()
    if meant:
        raise ConfigurationError(f"{name}: the PostgreSQL URL has no option {option[:40]}. Did you mean {meant[0]}?")
