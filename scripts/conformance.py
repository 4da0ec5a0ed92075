"""Writes docs/reference/conformance.md from the tests' ``spec`` marks: ``python -m scripts.conformance``.

The tests are read, not run: a mark counts wherever it stands (function, class, module, parameter).
"""

from __future__ import annotations

import ast
import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "conformance.md"
RULES = Path(__file__).with_name("rules.csv")

_FAMILIES = {
    "RS": "The protected resource",
    "PRM": "Protected resource metadata (RFC 9728)",
    "ASM": "Authorization server metadata (RFC 8414, OpenID Connect Discovery)",
    "AZ": "Authorization endpoint",
    "TK": "Token endpoint and client authentication",
    "RF": "Refresh tokens",
    "RV": "Revocation (RFC 7009)",
    "IN": "Introspection (RFC 7662)",
    "DCR": "Dynamic client registration (RFC 7591)",
    "CI": "Client ID metadata documents",
    "AT": "Access tokens (RFC 9068)",
    "PX": "Duties of a proxy in front of a provider",
}

_HEAD = """\
# Conformance

<!-- Written by `python -m scripts.conformance` from the `spec` marks of the tests and scripts/rules.csv. -->

What the MCP authorization specification (all revisions up to 2026-07-28), OAuth 2.1 and the RFCs under it ask for, and the tests that
prove it. Levels: **M** must, **S** should, **O** optional, **H** hardening of our own.
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """One numbered requirement."""

    number: str
    level: str
    rule: str
    source: str


def page() -> str:
    """The page's text.

    Raises:
        ValueError: a test is marked with a number that no rule has.
    """
    rules = _rules()
    tests = proofs(rules)
    proven = sum(1 for rule in rules if rule.number in tests)
    parts = [_HEAD, f"\n{proven} of {len(rules)} rules have a test of their own.\n"]
    for family, title in _FAMILIES.items():
        of_family = [rule for rule in rules if rule.number.startswith(f"{family}-")]
        parts += [f"\n## {title}\n\n", "| rule | level | what it asks | source | proven in |\n|---|---|---|---|---|\n"]
        parts += [_row(rule, tests.get(rule.number, [])) for rule in of_family]
    return "".join(parts)


def proofs(rules: list[Rule]) -> Mapping[str, list[Path]]:
    """Which test files prove which rule."""
    known = {rule.number for rule in rules}
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if _is_installed(path):
            continue
        for number in sorted(set(marks(path.read_text(encoding="utf-8")))):
            if number not in known:
                raise ValueError(f"{path.relative_to(ROOT)}: no rule is called {number}")
            found[number].append(path.relative_to(ROOT))
    return found


def marks(source: str) -> Iterator[str]:
    """The arguments of every ``pytest.mark.spec(...)`` in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "pytest.mark.spec":
            yield from (ast.literal_eval(argument) for argument in node.args)


def _is_installed(path: Path) -> bool:
    """Whether the file belongs to a program that the tests installed."""
    return any(part.startswith(".venv") or part == "node_modules" for part in path.parts)


def _rules() -> list[Rule]:
    with RULES.open(encoding="utf-8", newline="") as file:
        return [Rule(**row) for row in csv.DictReader(file)]


def _row(rule: Rule, files: list[Path]) -> str:
    links = ", ".join(f"[{path.relative_to('tests').with_suffix('')}](../../{path})" for path in files) or "–"
    return f"| {rule.number} | {rule.level} | {rule.rule} | {rule.source} | {links} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
