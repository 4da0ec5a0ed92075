"""The ``vestibule`` command."""

from __future__ import annotations

import sys

import click

from vestibule.cli.command_line import explained
from vestibule.cli.keys_commands import keys, storage
from vestibule.cli.sessions_commands import sessions

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
    with explained():
        from vestibule.cli.demo import run_demo, serve_demo
        from vestibule.cli.ports import check_can_listen

        check_can_listen("127.0.0.1", port)
        if serve:
            serve_demo(port)
        else:
            sys.exit(run_demo(port))


@main.command()
@click.argument("target", metavar="SERVER.py[:object]")
@click.option("--transport", type=click.Choice(["http", "streamable-http"]), default="http", help="Both mean Streamable HTTP.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--path", default="/mcp", show_default=True, help="Path of the MCP endpoint.")
@click.option("--access-log", is_flag=True, help="Log requests too, without their queries: some hold codes.")
def run(target: str, transport: str, host: str, port: int, path: str, access_log: bool) -> None:
    """Serve the FastMCP server, SDK server or ASGI application in a file, behind its own provider or the configured one.

    Without an object: mcp, server or app, or the only server that there is.
    """
    with explained():
        from vestibule.cli.run import load_application, log_to_terminal, serve

        log_to_terminal()
        serve(load_application(target, path), host=host, port=port, path=path, access_log=access_log)


@main.group()
def config() -> None:
    """What is configured, and whether it can work."""


@config.command("show")
def config_show() -> None:
    """Print what is in force and where each value comes from. Secrets are masked."""
    with explained():
        from vestibule.cli.config_show import show_config

        show_config()


@config.command("check")
def config_check() -> None:
    """Look for what cannot work, before anyone signs in. Exits with 1 if something cannot."""
    with explained():
        from vestibule.cli.config_check import check_config

        sys.exit(check_config())


main.add_command(storage)
main.add_command(keys)
main.add_command(sessions)
