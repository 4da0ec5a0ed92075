"""The command line: ``vestibule demo``, ``run``, ``config``, ``storage``, ``keys`` and ``sessions``.

Owns what is printed to a terminal and nothing else. May import everything below it; each command imports what it needs when it runs.
"""

from __future__ import annotations

from vestibule.cli.main import main

__all__ = ["main"]
