"""The server in a Python file: ``SERVER.py`` or ``SERVER.py:object``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, Final

from vestibule.errors import ConfigurationError
from vestibule.verifiers.base import AuthProvider

__all__ = ["Kind", "find_provider", "find_server", "kind_of"]

Kind = str
"""``fastmcp``, ``sdk`` or ``asgi``."""

_USUAL_NAMES: Final = ("mcp", "server", "app")


def find_server(target: str) -> object:
    """What the file offers to be served: the named object or, without a name, ``mcp``, ``server``, ``app`` or the only one there is.

    A function without parameters that is named is called, and gives the server.

    Raises:
        ConfigurationError: there is no such file or object, or it cannot be served.
    """
    path, name = _split(target)
    module = _load(path)
    found = _named(module, path, name) if name else _usual(module, path)
    if inspect.isfunction(found) and not inspect.signature(found).parameters:
        found = found()
    if kind_of(found) is None:
        raise ConfigurationError(f"{target}: a {type(found).__name__} is no FastMCP server, SDK server or ASGI application.")
    return found


def find_provider(target: str) -> AuthProvider | None:
    """The provider of the server in a file, or None if the server has none of its own; a provider may also be named itself.

    Raises:
        ConfigurationError: as :func:`find_server`.
    """
    path, name = _split(target)
    module = _load(path)
    found = _named(module, path, name) if name else _usual(module, path)
    if inspect.isfunction(found) and not inspect.signature(found).parameters:
        found = found()
    made_of = getattr(getattr(found, "state", None), "fastmcp_server", None)
    for provider in (found, getattr(found, "auth", None), getattr(found, "provider", None), getattr(made_of, "auth", None)):
        if isinstance(provider, AuthProvider):
            return provider
    return None


def kind_of(value: object) -> Kind | None:
    """What kind of server it is, told by what it can do: nothing is imported for it."""
    if inspect.isclass(value) or inspect.ismodule(value):
        return None
    for name, kind in (("http_app", "fastmcp"), ("streamable_http_app", "sdk")):
        if callable(getattr(value, name, None)):
            return kind
    return "asgi" if callable(value) and _takes(value, 3) else None


def _split(target: str) -> tuple[Path, str]:
    """A colon is also in paths of Windows, so the name is what follows ``.py:``."""
    path, found, name = target.rpartition(".py:")
    return (Path(f"{path}.py"), name) if found else (Path(target), "")


def _load(path: Path) -> ModuleType:
    """Import the file as a module of its own; its folder is importable, as when Python runs it."""
    if path.suffix != ".py" or not path.is_file():
        raise ConfigurationError(f"{path} is not a Python file.")
    name = f"_served_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} cannot be imported.")
    sys.path.insert(0, str(path.parent.resolve()))
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from error
    return module


def _line(error: Exception, path: Path) -> str:
    """Where in the file it happened."""
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _named(module: ModuleType, path: Path, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        raise ConfigurationError(f"{path} has no {name}.") from None


def _usual(module: ModuleType, path: Path) -> Any:
    """Functions count only where they are named: nearly every file has some."""
    values = {name: value for name, value in vars(module).items() if not name.startswith("_") and not inspect.isroutine(value)}
    servers = {name: value for name, value in values.items() if kind_of(value) is not None}
    for name in _USUAL_NAMES:
        if name in servers:
            return servers[name]
    different = {id(value) for value in servers.values()}
    if len(different) == 1:
        return next(iter(servers.values()))
    what = f"has {', '.join(sorted(servers))}" if servers else "has no server"
    raise ConfigurationError(f"{path} {what}: name the one to serve, as in {path}:mcp.")


def _takes(call: Callable[..., object], count: int) -> bool:
    try:
        inspect.signature(call).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True
