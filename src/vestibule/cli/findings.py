"""What can be told from a bridge's settings alone: each check is a function of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from vestibule.errors import ConfigurationError
from vestibule.keys.keyring import check_secret_strength
from vestibule.protocol.redirect_uris import is_loopback
from vestibule.settings import BridgeSettings

__all__ = ["CHECKS", "Finding"]

_LOCALHOST_ONLY: Final = frozenset({"aws", "azure"})
"""Providers that take http redirect URIs with the name ``localhost``, and no loopback address."""

_NAMES_ONLY: Final = frozenset({"google"})
"""Providers that refuse redirect URIs with a raw address other than loopback, and with names outside the public DNS."""

_PRIVATE_NAMES: Final = (".local", ".internal", ".lan", ".home", ".corp", ".test", ".localhost")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to mend.

    Attributes:
        text: what, and what to do.
        is_error: it cannot work like this; otherwise it can, but somebody may be surprised.
    """

    text: str
    is_error: bool


def _error(text: str) -> list[Finding]:
    return [Finding(text, is_error=True)]


def _warning(text: str) -> list[Finding]:
    return [Finding(text, is_error=False)]


def http_on_a_public_host(settings: BridgeSettings) -> Iterable[Finding]:
    """Tokens would travel in the clear (RFC 6749 §3.1.2.1)."""
    for name in ("base_url", "resource_base_url", "issuer_url"):
        value = getattr(settings, name) or ""
        if value.startswith("http://") and not is_loopback(value):
            return _error(f"{name} is http on a public host: clients and provider demand https there.")
    return ()


def redirect_uri_the_provider_refuses(settings: BridgeSettings) -> Iterable[Finding]:
    """Where the provider has rules of its own about redirect URIs."""
    uri = _redirect_uri(settings)
    parts = urlsplit(uri)
    name = settings.provider
    if is_loopback(uri) and parts.hostname != "localhost" and name in _LOCALHOST_ONLY:
        return _error(f"{name} takes http redirect URIs only at localhost: base_url must name that, not {parts.hostname}.")
    if name in _NAMES_ONLY and not is_loopback(uri) and _is_no_public_name(parts):
        return _error(f"{name} refuses redirect URIs at {parts.hostname}: base_url needs a name of the public DNS.")
    return ()


def redirect_path_twice(settings: BridgeSettings) -> Iterable[Finding]:
    """``redirect_path`` is a path, not the URL that is registered."""
    if "://" in (settings.redirect_path or ""):
        return _error("redirect_path is the path alone, such as /auth/callback; base_url goes before it.")
    return ()


def base_url_with_the_mcp_path(settings: BridgeSettings) -> Iterable[Finding]:
    """The endpoint's path comes after the base URL."""
    if urlsplit(settings.base_url or "").path.rstrip("/").endswith("/mcp"):
        return _warning("base_url ends with /mcp: it is the URL before the path of the MCP endpoint, which would be …/mcp/mcp.")
    return ()


def missing_audience(settings: BridgeSettings) -> Iterable[Finding]:
    """Without one, an access token of another application of the same provider looks the same."""
    if "audience" in type(settings).model_fields and not settings.value("audience"):
        return _warning(
            f"audience is not set: with it, access tokens must be for this API. Set {settings.variable('audience')}."
        )
    return ()


def short_key(settings: BridgeSettings) -> Iterable[Finding]:
    """On a loopback URL it is accepted, but a deployment will not be."""
    keys = settings.jwt_signing_key or ()
    if isinstance(keys, Path):
        return ()  # read, and checked, where the provider is built
    for key in [keys] if isinstance(keys, str | bytes) else keys:
        try:
            check_secret_strength(key, "https://public.example")
        except ConfigurationError as error:
            return _warning(f"{error} (accepted on a loopback URL only)") if _is_local(settings) else _error(str(error))
    return ()


def generated_key(settings: BridgeSettings) -> Iterable[Finding]:
    """Each machine would generate one of its own."""
    shared = isinstance(settings.client_storage, str) and not settings.client_storage.startswith(("sqlite:", "memory:"))
    if shared and not settings.jwt_signing_key:
        return _warning(
            f"the store is shared, the signing key is not: set {settings.variable('jwt_signing_key')} on all machines."
        )
    return ()


def storage_that_forgets(settings: BridgeSettings) -> Iterable[Finding]:
    """A restart would sign everybody out."""
    if settings.client_storage in ("memory://", "sqlite:///:memory:") and not _is_local(settings):
        return _warning("client_storage is memory: every restart ends all sessions. Leave it out for a file, or name one.")
    return ()


def no_consent(settings: BridgeSettings) -> Iterable[Finding]:
    """Any client could then use the provider's own session of whoever opens its link."""
    if settings.require_authorization_consent is False and not _is_local(settings):
        return _warning("require_authorization_consent is off: users are not shown which client gets access.")
    return ()


CHECKS: Final[tuple[Callable[[BridgeSettings], Iterable[Finding]], ...]] = (
    http_on_a_public_host,
    redirect_uri_the_provider_refuses,
    redirect_path_twice,
    base_url_with_the_mcp_path,
    missing_audience,
    short_key,
    generated_key,
    storage_that_forgets,
    no_consent,
)


def _redirect_uri(settings: BridgeSettings) -> str:
    return f"{(settings.base_url or '').rstrip('/')}/{(settings.redirect_path or '/auth/callback').lstrip('/')}"


def _is_local(settings: BridgeSettings) -> bool:
    return is_loopback(settings.base_url or "")


def _is_no_public_name(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_NAMES)
    return True
