"""A FastMCP server with one tool, protected by one side or by nothing: ``python -m benchmarks.server SIDE UPSTREAM [VENDOR]``.

With a vendor, it is that one's provider class, and UPSTREAM the stand-in that its requests are diverted to.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.processes import serve
from benchmarks.sides import build_provider, build_vendor_provider
from benchmarks.vendors import diverted


def build(auth: Any) -> ASGIApp:
    """The application that is measured, with a way to ask what it has used."""
    from fastmcp import FastMCP

    server: Any = FastMCP("benchmark", auth=auth)

    server.tool(add)
    return WithUsage(server.http_app(path="/mcp"))


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class WithUsage:
    """Answers ``/benchmark/usage``; everything else goes through. The same for every side."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/benchmark/usage":
            await JSONResponse({"cpu_ns": time.process_time_ns(), "rss": resident_bytes()})(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def resident_bytes() -> int:
    """Resident memory now; where the system does not tell, the highest it has been."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    side, upstream, *vendor = sys.argv[1:]
    if side == "none":
        serve(lambda _: build(None))
    elif vendor:
        with diverted(upstream):
            serve(lambda base_url: build(build_vendor_provider(side, vendor[0], base_url=base_url)))
    else:
        serve(lambda base_url: build(build_provider(side, upstream=upstream, base_url=base_url)))
