"""What in the URL of a Redis or Valkey server cannot be right, told before anything is connected, and without the password in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl

from redis.asyncio.connection import parse_url
from redis.exceptions import RedisError

from vestibule.errors import ConfigurationError
from vestibule.storage.remote import check_file

__all__ = ["check_database", "check_options", "read_url"]

_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_NOT_OF_A_CONNECTION: Final = ("max_connections", "timeout", "ssl")  # of the pool, or told by the class of the connection
_OPTION: Final = re.compile(r"\w+")
_BAD_VALUE: Final = re.compile(r"Invalid value for '(\w+)'")


def check_database(name: str) -> None:
    """Databases have numbers; anything else would silently be the first one.

    Raises:
        ValueError: `name` is none.
    """
    if name and not name.isdecimal():
        raise ValueError("the database is no number")


def read_url(parts: SplitResult) -> dict[str, Any]:
    """The settings of a connection that a URL holds.

    Raises:
        ConfigurationError: an option has no value, or none of its kind.
        ValueError: the URL cannot be understood.
    """
    for option, value in parse_qsl(parts.query, keep_blank_values=True):
        if not _OPTION.fullmatch(option):
            raise ValueError("what stands after a question mark is the rest of a password")
        if not value:
            raise ConfigurationError(f"client_storage: the option {option[:40]} of the {parts.scheme}:// URL has no value.")
    try:
        return dict(parse_url(parts.geturl()))
    except ValueError as error:
        wrong = _BAD_VALUE.search(str(error))
        if wrong is None:
            raise
        raise _unusable(parts, wrong[1]) from None


def check_options(parts: SplitResult, connection_class: Any, read: Mapping[str, Any], known: Collection[str] = ()) -> None:
    """Check each option for itself. Nothing is connected by this; a wrong one would otherwise fail each request.

    Args:
        parts: the URL.
        connection_class: what takes the options.
        read: the options.
        known: those that something else takes.

    Raises:
        ConfigurationError: naming it.
    """
    for name, value in read.items():
        if name in _NOT_OF_A_CONNECTION:
            continue
        try:
            connection_class(**{name: value})
        except TypeError:
            if name not in known:
                raise ConfigurationError(f"client_storage: {name[:40]} is no option of a {parts.scheme}:// URL.") from None
        except (ValueError, RedisError):
            raise _unusable(parts, name) from None
        if name in _FILES:
            check_file(f"client_storage: {name}", value)


def _unusable(parts: SplitResult, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"client_storage: the option {name[:40]} of the {parts.scheme}:// URL has a value that cannot be used."
    )
