"""The page of figures, ``docs/reference/scale.md``: each command writes its own block of it, from what it kept in ``artifacts``."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from benchmarks.report import describe_machine, figure, installed_versions
from benchmarks.stores import NAMES

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "scale.md"
TEMPLATES = Path(__file__).parent


def keep(name: str, found: dict[str, Any]) -> None:
    """Add date, machine and versions, and write everything to ``artifacts/{name}.json``."""
    found |= {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": describe_machine(), "versions": installed_versions()}
    file = ROOT / "artifacts" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=2) + "\n")


def write(name: str, found: dict[str, Any]) -> None:
    """Write the block of that name anew."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = figure
    text = environment.get_template(f"{name}.md.jinja").render(names=NAMES, **found).strip()
    text = "\n".join(line.rstrip() for line in text.splitlines())
    begin, end = f"<!-- {name}: written by `python -m benchmarks.{name}` -->", f"<!-- end of {name} -->"
    block = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page, changed = block.subn(lambda _: f"{begin}\n\n{text}\n\n{end}", PAGE.read_text())
    if changed != 1:
        raise RuntimeError(f"{PAGE} has {changed} blocks of {name}")
    PAGE.write_text(page)
