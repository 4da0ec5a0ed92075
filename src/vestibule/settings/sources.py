"""Where values are looked for, and what is written there that nobody asked for."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values

from vestibule.errors import ConfigurationError

__all__ = ["OLDER_PREFIX", "PREFIX", "Found", "Sources"]

PREFIX: Final = "VESTIBULE_"
OLDER_PREFIX: Final = "FASTMCP_SERVER_AUTH_"

_GENERAL: Final = frozenset({"VESTIBULE_AUTH", "VESTIBULE_CONFIG", "VESTIBULE_HOME", "FASTMCP_SERVER_AUTH"})

_OF_KUBERNETES: Final = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
"""What Kubernetes tells every container about a service, which may well be called vestibule. No setting ends like that."""


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where it was written.

    Attributes:
        value: as it stands there. It may be a secret: never shown.
        origin: for people.
    """

    value: object = field(repr=False)
    origin: str


@dataclass(frozen=True, slots=True)
class _Variables:
    """One layer of variables: the environment, or ``.env``."""

    label: str
    values: Mapping[str, str] = field(repr=False)

    def find(self, *names: str) -> Found | None:
        """The first of the names that is there. An empty one counts as not set, as compose files write it."""
        for name in names:
            if self.values.get(name):
                return Found(self.values[name], f"{self.label} ({name})")
        return None


@dataclass(frozen=True, slots=True)
class Sources:
    """Every place outside the code, the strongest first: environment, ``.env``, ``vestibule.toml``."""

    variables: tuple[_Variables, ...]
    file: Mapping[str, Any] = field(repr=False)
    file_label: str

    @classmethod
    def here(cls, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Sources:
        """The sources of this process.

        Args:
            environ: default: the environment.
            folder: where ``.env`` and ``vestibule.toml`` are; default: the working directory.

        Raises:
            ConfigurationError: a file is named that is not there, or cannot be read.
        """
        environ = os.environ if environ is None else environ
        folder = Path() if folder is None else folder
        dotenv = _Variables(".env", _ours(_read_dotenv(folder / ".env")))
        variables = (_Variables("environment", _ours(environ)), dotenv)
        named = next((layer.values["VESTIBULE_CONFIG"] for layer in variables if layer.values.get("VESTIBULE_CONFIG")), None)
        path = folder / (named or "vestibule.toml")
        return cls(variables, _read_toml(path, required=named is not None), path.name)

    def find(self, field: str, *, provider: str, older: str) -> Found | None:
        """The value of a provider's setting.

        Args:
            field: its name, as the constructor's parameter.
            provider: the name in our variables and in the file.
            older: the name in the older variables.
        """
        name = field.upper()
        for layer in self.variables:
            found = layer.find(f"{PREFIX}{provider.upper()}_{name}", f"{OLDER_PREFIX}{older.upper()}_{name}")
            if found is not None:
                return found
        table = self.table(provider)
        return Found(table[field], f"{self.file_label} ([{provider}] {field})") if field in table else None

    def chosen(self) -> Found | None:
        """What says which provider to use."""
        for layer in self.variables:
            found = layer.find("VESTIBULE_AUTH", "FASTMCP_SERVER_AUTH")
            if found is not None:
                return found
        return Found(self.file["auth"], f"{self.file_label} (auth)") if "auth" in self.file else None

    def table(self, provider: str) -> Mapping[str, Any]:
        """What the file says about a provider.

        Raises:
            ConfigurationError: it is no table.
        """
        table = self.file.get(provider, {})
        if not isinstance(table, Mapping):
            raise ConfigurationError(f"{self.file_label}: [{provider}] must be a table.")
        return table

    def mention(self, provider: str, older: str) -> bool:
        """Whether anything is written about a provider."""
        starts = (f"{PREFIX}{provider.upper()}_", f"{OLDER_PREFIX}{older.upper()}_")
        return provider in self.file or any(name.startswith(starts) for layer in self.variables for name in layer.values)

    def check_fields(self, fields: Collection[str], *, provider: str, older: str, others: Iterable[str] = ()) -> None:
        """Check that everything written about a provider is one of its settings: a misspelt one would be ignored in silence.

        Args:
            others: further names of providers, so that ``azure`` does not take what is ``azure_b2c``'s.

        Raises:
            ConfigurationError: naming the nearest that there is.
        """
        known = {field.upper() for field in fields}
        for prefix, name in ((PREFIX, provider), (OLDER_PREFIX, older)):
            start = f"{prefix}{name.upper()}_"
            longer = tuple(f"{prefix}{other.upper()}_" for other in others if len(other) > len(name))
            for layer in self.variables:
                written = {key for key in layer.values if key.startswith(start) and not key.startswith(longer)}
                _check_known({key.removeprefix(start) for key in written}, known, layer.label, start)
        _check_known(set(self.table(provider)), set(fields), f"{self.file_label} [{provider}]")

    def check_names(self, providers: Collection[str], older: Collection[str]) -> None:
        """Check that every name under our prefixes belongs to a provider or is a general one.

        Raises:
            ConfigurationError: naming the nearest that there is.
        """
        names = {PREFIX: [name.upper() for name in providers], OLDER_PREFIX: [name.upper() for name in older]}
        starts = tuple(f"{prefix}{name}_" for prefix, upper in names.items() for name in upper)
        for layer in self.variables:
            for name in sorted(set(layer.values) - _GENERAL):
                if not name.startswith(starts):
                    raise ConfigurationError(f"{layer.label}: {name} is not known.{_hint(_nearest(name, names))}")
        _check_known(set(self.file) - {"auth"}, set(providers), self.file_label)


def _check_known(written: Collection[str], known: Collection[str], where: str, start: str = "") -> None:
    for name in sorted(set(written) - set(known)):
        near = get_close_matches(name, sorted(known), n=1, cutoff=0.7)
        raise ConfigurationError(f"{where}: {start}{name} is not known.{_hint(f'{start}{near[0]}' if near else None)}")


def _nearest(name: str, names: Mapping[str, Collection[str]]) -> str | None:
    """What a variable of no provider was meant to be: a general one, or one of a provider whose name it nearly has."""
    general = get_close_matches(name, sorted(_GENERAL), n=1, cutoff=0.9)
    if general:
        return general[0]
    prefix = next((each for each in (OLDER_PREFIX, PREFIX) if name.startswith(each)), PREFIX)
    parts = name.removeprefix(prefix).split("_")
    begun = [("_".join(parts[:count]), parts[count:]) for count in (1, 2) if parts[count:]]
    scored = [(SequenceMatcher(None, start, known).ratio(), known, rest) for start, rest in begun for known in names[prefix]]
    ratio, known, rest = max(scored, default=(0.0, "", []))
    return "_".join([prefix + known, *rest]) if ratio > 0.75 else None


def _hint(near: str | None) -> str:
    return f" Did you mean {near}?" if near else " See docs/how-to/configuration.md for what there is."


def _ours(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Variables under our prefixes, in capitals as Windows has them anyway."""
    upper = ((name.upper(), value) for name, value in variables.items() if value is not None)
    ours = ((name, value) for name, value in upper if name.startswith(PREFIX) or f"{name}_".startswith(OLDER_PREFIX))
    return {name: value for name, value in ours if not _OF_KUBERNETES.fullmatch(name)}


def _read_dotenv(path: Path) -> Mapping[str, str | None]:
    """A value is what is written: a ``$`` in a secret means nothing."""
    try:
        return dotenv_values(path, interpolate=False) if path.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}.") from None


def _read_toml(path: Path, *, required: bool) -> Mapping[str, Any]:
    if not required and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}.") from None
