"""``vestibule demo``: the main job, on this machine, with nothing set up."""

from __future__ import annotations

import asyncio
import logging
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vestibule.cli.trace import Trace
from vestibule.cli.walk import Walk
from vestibule.errors import ConfigurationError
from vestibule.proxy.oidc_proxy import OIDCProxy
from vestibule.testing import DevelopmentProvider, LoopbackServer

try:
    from vestibule.cli.demo_server import demo_app
except ImportError as missing:
    raise ConfigurationError(f"the demo needs {missing.name}: install vestibule[demo]") from missing

__all__ = ["run_demo", "serve_demo"]


@dataclass(frozen=True, slots=True)
class Demo:
    """What is running."""

    provider: DevelopmentProvider
    base_url: str

    @property
    def mcp_url(self) -> str:
        """The protected endpoint."""
        return f"{self.base_url}/mcp"


def run_demo(port: int) -> int:
    """Walk the whole way and print it. Returns the exit status."""
    console = Console(highlight=False)
    logging.getLogger("vestibule").setLevel(logging.ERROR)  # the trace says what happens
    with _running(port) as demo:
        trace = Trace(console, {demo.base_url: "vestibule", demo.provider.issuer: "provider"})
        console.print(f"[bold]vestibule[/bold] {demo.base_url}   [bold]identity provider[/bold] {demo.provider.issuer}")
        held = asyncio.run(Walk(demo.mcp_url, trace).all_steps())
    console.print("\n[bold green]All of it held.[/bold green]" if held else "\n[bold red]Something did not hold.[/bold red]")
    return 0 if held else 1


def serve_demo(port: int) -> None:
    """Leave the provider and the protected server running until interrupted."""
    console = Console(highlight=False, soft_wrap=True)
    logging.getLogger("vestibule.storage").setLevel(logging.ERROR)  # its state is meant to end with it
    with _running(port) as demo:
        console.print(f"A protected MCP server:  [bold]{demo.mcp_url}[/bold]")
        console.print(f"Its identity provider:   {demo.provider.issuer}  (sign in as alice or bob, no password)")
        console.print("Try it:                  npx @modelcontextprotocol/inspector   or any MCP client with that URL")
        console.print(f"Connected apps:          {demo.base_url}/connections")
        console.print("Stop with Ctrl-C.")
        try:
            asyncio.run(asyncio.Event().wait())
        except KeyboardInterrupt:
            console.print("Stopped.")


@contextmanager
def _running(port: int) -> Iterator[Demo]:
    """The development provider, and a server of two tools behind a bridge to it."""
    with tempfile.TemporaryDirectory(prefix="vestibule-demo-") as folder, DevelopmentProvider() as provider:
        port = port or _free_port()
        base_url = f"http://127.0.0.1:{port}"
        auth = OIDCProxy(
            config_url=provider.config_url,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            base_url=base_url,
            client_storage=Path(folder, "state.sqlite3"),
            tool_scopes={"delete_note": ["notes:write"]},
        )
        with LoopbackServer(demo_app(auth), port=port):
            yield Demo(provider, base_url)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
