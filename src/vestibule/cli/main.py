"""The ``vestibule`` command."""

from __future__ import annotations

import sys

import click

from vestibule.errors import ConfigurationError

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vestibule")
def main() -> None:
    """The entrance hall of MCP servers."""


@main.command()
@click.option("--serve", is_flag=True, help="Leave it running, for a browser or the MCP Inspector.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the protected server; 0 picks a free one.")
def demo(serve: bool, port: int) -> None:
    """Walk the whole way on this machine: discovery, registration, consent, sign-in, call, step-up, refresh, revocation.

    Exits with 0 only if all of it held.
    """
    try:
        from vestibule.cli.demo import run_demo, serve_demo

        if serve:
            serve_demo(port)
        else:
            sys.exit(run_demo(port))
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
