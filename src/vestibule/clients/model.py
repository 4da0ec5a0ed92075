"""What is known about a client, wherever it is known from (RFC 6749 §2, RFC 7591 §2)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from vestibule.protocol.client_metadata import SECRET_METHODS, ClientMetadata
from vestibule.protocol.server_metadata import GRANT_TYPES
from vestibule.protocol.uris import parse_uri

__all__ = ["Client", "ClientKind", "SecretCheck"]

ClientKind = Literal["dynamic", "document", "configured"]

_SHORT: Final = 24


class SecretCheck(Protocol):
    """Knows a client secret well enough to recognise it."""

    def fits(self, presented: str) -> bool:
        """Whether `presented` is the secret; takes the same time whatever part of it is wrong."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client.

    Attributes:
        client_id: as the client sends it, byte for byte.
        kind: where it is known from.
        metadata: what it registered, published, or was configured with.
        secret: recognises its secret; None for a client that has none.
        method_defaulted: whether nobody named an authentication method and the server chose one.

    Raises:
        ValueError: a secret without a method that uses it, or the other way round. Such a client must not exist: it would be
            asked for less than it was given.
    """

    client_id: str
    kind: ClientKind
    metadata: ClientMetadata
    secret: SecretCheck | None = field(default=None, repr=False, compare=False)
    method_defaulted: bool = False

    def __post_init__(self) -> None:
        if (self.secret is not None) != (self.auth_method in SECRET_METHODS):
            raise ValueError("a client has a secret exactly if its authentication method uses one")

    @property
    def auth_method(self) -> str:
        """The registered ``token_endpoint_auth_method``."""
        return self.metadata.token_endpoint_auth_method

    @property
    def short_id(self) -> str:
        """The id as logs and events carry it: a sealed id is long, and its start is enough to tell it from others."""
        return self.client_id[:_SHORT] if self.kind == "dynamic" else self.client_id

    @property
    def fingerprint(self) -> bytes:
        """16-byte digest of what a user consents to beside the name: where codes go and who can redeem them.

        A client whose fingerprint changed has to be consented to again.
        """
        metadata = self.metadata
        facts = [sorted(metadata.redirect_uris), self.auth_method, metadata.jwks, metadata.jwks_uri]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).digest()[:16]

    @property
    def loopback_spellings(self) -> bool:
        """Whether ``localhost`` and ``127.0.0.1`` are one host to it: its document lists both, and versions of it differ in which they send."""
        return self.kind == "document" and {"localhost", "127.0.0.1"} <= {
            _http_host(uri) for uri in self.metadata.redirect_uris
        }

    def allows_grant(self, grant_type: str) -> bool:
        """Whether it may use `grant_type`.

        A client without any grant types has the two that a user's session consists of: RFC 7591 §2 would leave it without refresh
        tokens, which no client means by saying nothing.
        """
        return grant_type in (self.metadata.grant_types or GRANT_TYPES)

    def accepts(self, method: str) -> bool:
        """Whether it may authenticate by `method` (RFC 6749 §2.3).

        A method that the client named is enforced. One that the server chose for it is not: such a client never learnt how to send
        its secret, or that it has none.
        """
        if method == self.auth_method:
            return True
        return self.method_defaulted and method in SECRET_METHODS and self.auth_method in {"none", *SECRET_METHODS}


def _http_host(uri: str) -> str | None:
    parsed = parse_uri(uri)
    return parsed.host if parsed is not None and parsed.scheme == "http" else None
