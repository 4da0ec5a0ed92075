"""What the commands have in common on the command line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from vestibule.errors import ConfigurationError

__all__ = ["CommandOfIds", "explained", "server_option"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


@contextmanager
def explained(*, quiet: bool = False) -> Iterator[None]:
    """What the operator must change is a line, not a traceback.

    Args:
        quiet: a store's trouble ends the command, so that its log would only say the same once more.
    """
    logger = logging.getLogger("vestibule.storage")
    before = logger.level
    try:
        if quiet:
            logger.setLevel(logging.CRITICAL)
        yield
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    finally:
        logger.setLevel(before)


def server_option(whose: str) -> Callable[[_Command], _Command]:
    """The option ``--server``, see :func:`~vestibule.cli.bridge.find_bridge`.

    Args:
        whose: what of the server the command is about.
    """
    return click.option(
        "--server", metavar="SERVER.py[:object]", help=f"The server whose {whose}; default: the configured one."
    )


class CommandOfIds(click.Command):
    """A command whose arguments are ids. An id may begin with a dash, and hold any letter after it.

    So what is no option is an id, and ``-h`` asks for help only where it stands alone: as an option with one letter it would be found
    inside of ids.
    """

    def __init__(self, *args: Any, **attributes: Any) -> None:
        settings = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
        super().__init__(*args, **{**attributes, "context_settings": settings})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else args
        return super().parse_args(ctx, ["--help"] if "-h" in options else args)
