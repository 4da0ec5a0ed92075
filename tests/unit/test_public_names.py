"""What the package offers by name is sorted, there, and says what it does."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

import vestibule
from vestibule.clock import Clock
from vestibule.storage.protocol import Store

USED_BY_OTHERS = tuple(
    f"vestibule.{name}"
    for name in (
        "errors",
        "events",
        "logs",
        "policy",
        "providers",
        "proxy",
        "settings",
        "storage",
        "testing",
        "unsafe",
        "verifiers",
    )
)
"""Where other people's code takes its names from; elsewhere a short function may be told by its name."""

CONTRACTS = {name for protocol in (Clock, Store) for name in vars(protocol)}
"""Methods that are explained once, where they are asked for."""

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(vestibule.__path__, "vestibule.") if not module.name.endswith("__main__")
)


def public(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Exported classes; where others use them, functions and the methods that a class adds itself, too."""
    is_used = module is vestibule or module.__name__.startswith(USED_BY_OTHERS)
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if inspect.isclass(value) or (is_used and inspect.isfunction(value)):
            yield name, value
        if is_used and inspect.isclass(value) and value.__module__.startswith("vestibule"):
            yield from methods(name, value)


def methods(name: str, owner: type) -> Iterator[tuple[str, object]]:
    for member, value in vars(owner).items():
        plain = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(plain) and not member.startswith(("_", "test_")) and not is_explained_elsewhere(owner, member):
            yield f"{name}.{member}", getattr(owner, member)


def is_explained_elsewhere(owner: type, member: str) -> bool:
    is_override = any(member in vars(base) for base in owner.__mro__[1:])
    return is_override or (member in CONTRACTS and owner not in (Clock, Store))


def test_the_public_names_are_sorted() -> None:
    assert vestibule.__all__ == sorted(vestibule.__all__)


def test_nothing_public_is_missing_from_the_list() -> None:
    imported = {name for name, value in vars(vestibule).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert imported <= set(vestibule.__all__)


@pytest.mark.parametrize("name", ["vestibule", *MODULES])
def test_a_module_says_what_it_owns(name: str) -> None:
    assert (importlib.import_module(name).__doc__ or "").strip()


@pytest.mark.parametrize("name", ["vestibule", *MODULES])
def test_everything_that_a_module_exports_is_documented(name: str) -> None:
    undocumented = [label for label, value in public(importlib.import_module(name)) if not inspect.getdoc(value)]
    assert undocumented == []
