"""Access logs without secrets, for servers that write one.

A URL of ours may hold the provider's code, a client's state or a search for a user, and none of it belongs in a file::

    logging.getLogger("uvicorn.access").addFilter(WithoutQueries())

or, in a configuration for :func:`logging.config.dictConfig`::

    "filters": {"without_queries": {"()": "vestibule.logs.WithoutQueries"}},
    "loggers": {"uvicorn.access": {"handlers": ["access"], "filters": ["without_queries"]}},
"""

from __future__ import annotations

import logging

__all__ = ["WithoutQueries"]


class WithoutQueries(logging.Filter):
    """Lets every record through, with the queries cut off from the paths among its arguments.

    That is how ``uvicorn.access`` logs a request. It holds for every path: a server may be mounted anywhere, and give its callback any name.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_query(argument) for argument in record.args)
        return True


def _without_query(argument: object) -> object:
    if not isinstance(argument, str):
        return argument
    path, _, _ = argument.partition("?")
    return path if "/" in path else argument  # a whole URL may be asked for, too (RFC 9112 §3.2.2)
