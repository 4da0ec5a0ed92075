"""The provider that the configuration chooses."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Final

from vestibule.errors import ConfigurationError
from vestibule.providers import OLDER_NAMES, PROVIDERS
from vestibule.settings import Found, ProviderSettings, Sources
from vestibule.verifiers.base import AuthProvider

__all__ = ["Choice", "auth_from_env", "choice"]

_OLDER_MODULES: Final = "fastmcp.server.auth.providers."
_BY_CLASS: Final = {place.rpartition(":")[2]: place for place in PROVIDERS.values()} | {
    "BearerAuthProvider": PROVIDERS["jwt"]  # its name before it was JWTVerifier
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen.

    Attributes:
        provider: the class.
        origin: where it was chosen.
        settings: what it reads, where it reads anything.
    """

    provider: type[AuthProvider]
    origin: str
    settings: type[ProviderSettings] | None


def auth_from_env() -> AuthProvider:
    """The provider that ``VESTIBULE_AUTH`` names, built from its own variables.

    ``VESTIBULE_AUTH`` (or ``auth`` in ``vestibule.toml``) is a short name such as ``auth0``, or the import path of any
    :class:`~vestibule.verifiers.base.AuthProvider` class that can be built without arguments. The older ``FASTMCP_SERVER_AUTH`` and the import
    paths that were written there are understood.

    Raises:
        ConfigurationError: nothing is chosen, what is chosen cannot be found, or its settings cannot work.
    """
    chosen = choice()
    if chosen is None:
        raise ConfigurationError("No provider is chosen: set VESTIBULE_AUTH to one of " + ", ".join(sorted(PROVIDERS)) + ".")
    return chosen.provider()


def choice(sources: Sources | None = None) -> Choice | None:
    """What is chosen, before anything is built; None if nothing is.

    Raises:
        ConfigurationError: what is chosen cannot be found, or something under our prefixes is no setting of any provider.
    """
    sources = sources or Sources.here()
    sources.check_names(PROVIDERS, [OLDER_NAMES.get(name, name) for name in PROVIDERS])
    _check_written(sources)
    found = sources.chosen()
    return None if found is None else _load(found)


def _check_written(sources: Sources) -> None:
    """What is written about a provider that is not chosen may be for one that code builds. Only those mentioned are imported."""
    for name, place in PROVIDERS.items():
        if sources.mention(name, OLDER_NAMES.get(name, name)):
            module, _, class_name = place.partition(":")
            settings = _settings(module, class_name)
            if settings is not None:
                settings.check_written(sources)


def _settings(module: str, class_name: str) -> type[ProviderSettings] | None:
    """The settings that belong to a class; None if it reads none."""
    settings = getattr(import_module(module), f"{class_name}Settings", None)
    return settings if isinstance(settings, type) and issubclass(settings, ProviderSettings) else None


def _load(found: Found) -> Choice:
    module_name, name = _place(found)
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ConfigurationError(f"{found.origin}: {module_name} cannot be imported: {error}.") from error
    provider = getattr(module, name, None)
    if not isinstance(provider, type) or not issubclass(provider, AuthProvider):
        raise ConfigurationError(f"{found.origin}: {module_name} has no provider class {name}.")
    return Choice(provider, found.origin, _settings(module_name, name))


def _place(found: Found) -> tuple[str, str]:
    """Module and class of what was chosen."""
    text = str(found.value).strip()
    place = PROVIDERS.get(text.lower(), text)
    if place.startswith(_OLDER_MODULES):
        place = _BY_CLASS.get(place.rpartition(".")[2], place)
    module, colon, name = place.partition(":")
    if not colon:
        module, _, name = place.rpartition(".")
    if not module or not name:
        near = get_close_matches(text.lower(), PROVIDERS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(sorted(PROVIDERS))}."
        raise ConfigurationError(f"{found.origin}: there is no provider {text}. {hint}")
    return module, name
