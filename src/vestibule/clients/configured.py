"""Clients that the operator knows beforehand (RFC 7591 §1.2 calls it static registration)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vestibule.clients.model import Client
from vestibule.errors import ConfigurationError, OAuthError
from vestibule.protocol.client_metadata import SECRET_METHODS, ClientMetadata
from vestibule.protocol.redirect_uris import check_redirect_uri
from vestibule.protocol.server_metadata import CLIENT_AUTH_METHODS, GRANT_TYPES

__all__ = ["ConfiguredClient", "ConfiguredClients"]

_MIN_SECRET: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredClient:
    """What an operator says about a client.

    Attributes:
        client_id: any text without control characters; the URL of a metadata document overrides that document.
        redirect_uris: where its codes may go; the loopback rule of RFC 8252 §7.3 holds for them too.
        client_secret: for a confidential client, at least 16 characters. The right secret always works, however often somebody
            else tries wrong ones, so it has to stand up to guessing by itself.
        token_endpoint_auth_method: by default ``private_key_jwt`` if there are keys, none if there is no secret either, otherwise
            the secret in the header or in the body, as the client likes.
        jwks, jwks_uri: its public keys, or where it publishes them (one of the two).
    """

    client_id: str
    redirect_uris: Sequence[str]
    client_secret: str | None = field(default=None, repr=False)
    client_name: str | None = None
    token_endpoint_auth_method: str | None = None
    grant_types: Sequence[str] = GRANT_TYPES
    scope: str | None = None
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None


@dataclass(frozen=True, slots=True)
class _KnownSecret:
    """The digest of a secret: enough to recognise it, nothing to read out of a core dump or a debugger's view."""

    digest: bytes = field(repr=False)

    def fits(self, presented: str) -> bool:
        return hmac.compare_digest(_digest(presented), self.digest)


class ConfiguredClients:
    """The operator's list.

    Raises:
        ConfigurationError: an id twice, a redirect URI that no client may use, a secret that is missing, too short or without use,
            keys that are missing.
    """

    def __init__(self, clients: Iterable[ConfiguredClient] = ()) -> None:
        self._clients: dict[str, Client] = {}
        for client in clients:
            if client.client_id in self._clients:
                raise ConfigurationError(f"client {client.client_id!r} is configured twice")
            self._clients[client.client_id] = _client(client)

    def find(self, client_id: str) -> Client | None:
        """The client with exactly this id, or None."""
        return self._clients.get(client_id)


def _client(client: ConfiguredClient) -> Client:
    method = client.token_endpoint_auth_method or _default_method(client)
    _check_id(client)
    _check_redirect_uris(client)
    _check_secret(client, method)
    _check_keys(client, method)
    metadata = ClientMetadata(
        redirect_uris=tuple(client.redirect_uris),
        token_endpoint_auth_method=method,
        grant_types=tuple(client.grant_types),
        scope=client.scope,
        client_name=client.client_name,
        jwks=dict(client.jwks) if client.jwks else None,
        jwks_uri=client.jwks_uri,
    )
    return Client(
        client_id=client.client_id,
        kind="configured",
        metadata=metadata,
        secret=_KnownSecret(_digest(client.client_secret)) if client.client_secret else None,
        method_defaulted=client.token_endpoint_auth_method is None,
    )


def _default_method(client: ConfiguredClient) -> str:
    if client.jwks or client.jwks_uri:
        return "private_key_jwt"
    return "client_secret_basic" if client.client_secret else "none"


def _check_id(client: ConfiguredClient) -> None:
    if not client.client_id or not client.client_id.isprintable():
        raise ConfigurationError(f"client_id {client.client_id!r}: must be text without control characters")


def _check_redirect_uris(client: ConfiguredClient) -> None:
    for uri in client.redirect_uris:
        try:
            # The operator's own word: a private-use scheme needs no dot here.
            check_redirect_uri(uri, allowed_schemes={uri.partition(":")[0].lower()})
        except OAuthError as error:
            raise ConfigurationError(f"client {client.client_id!r}: redirect URI {uri!r}: {error.detail}") from error


def _check_secret(client: ConfiguredClient, method: str) -> None:
    if method not in CLIENT_AUTH_METHODS:
        raise ConfigurationError(f"client {client.client_id!r}: unknown token_endpoint_auth_method {method!r}")
    if method in SECRET_METHODS and len(client.client_secret or "") < _MIN_SECRET:
        raise ConfigurationError(f"client {client.client_id!r}: client_secret must have at least {_MIN_SECRET} characters")
    if method not in SECRET_METHODS and client.client_secret is not None:
        raise ConfigurationError(f"client {client.client_id!r}: {method} leaves client_secret without use; remove one of them")


def _check_keys(client: ConfiguredClient, method: str) -> None:
    given = (client.jwks is not None) + (client.jwks_uri is not None)
    if given > 1 or (given == 0 and method == "private_key_jwt"):
        raise ConfigurationError(f"client {client.client_id!r}: give one of jwks and jwks_uri")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
