"""Client metadata: what a client says of itself (RFC 7591 §2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from vestibule.protocol.json_documents import known_members, without_empty

__all__ = ["SECRET_METHODS", "ClientMetadata"]

SECRET_METHODS: Final = frozenset({"client_secret_basic", "client_secret_post"})

_TUPLES: Final = ("redirect_uris", "grant_types", "response_types", "contacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetadata:
    """What is known about a client (RFC 7591 §2). All but `redirect_uris` and the capabilities is its own claim."""

    redirect_uris: tuple[str, ...]
    token_endpoint_auth_method: str = "none"  # noqa: S105 - a method, not a password
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    scope: str | None = None
    client_name: str | None = None
    client_uri: str | None = None
    logo_uri: str | None = None
    tos_uri: str | None = None
    policy_uri: str | None = None
    contacts: tuple[str, ...] = ()
    software_id: str | None = None
    software_version: str | None = None
    application_type: str | None = None
    jwks: dict[str, Any] | None = field(default=None, hash=False)
    jwks_uri: str | None = None
    token_endpoint_auth_signing_alg: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The members that are set, as JSON has them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return without_empty({name: list(value) if isinstance(value, tuple) else value for name, value in values.items()})

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ClientMetadata:
        """The metadata that :meth:`as_dict` wrote; unknown members are left out. Nothing is checked again."""
        known = known_members(cls, document)
        values: dict[str, Any] = {name: tuple(value) if name in _TUPLES else value for name, value in known.items()}
        return cls(**values)
