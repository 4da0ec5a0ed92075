"""Clients that registered themselves (RFC 7591), without storing anything.

The client id *is* the registration, sealed. It cannot be forgotten in a restart or filled up in a flood, and it stays good while the
key that sealed it is in the ring. A client that wants a secret gets one that follows from its id.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import Any, Final

from vestibule import reasons
from vestibule.clients.model import Client
from vestibule.errors import OAuthError
from vestibule.keys import base64url
from vestibule.keys.keyring import KeyRing
from vestibule.keys.sealing import Sealer, sealed_by
from vestibule.protocol.client_metadata import SECRET_METHODS, ClientMetadata

__all__ = ["DynamicClients", "registered_with"]

_PREFIX: Final = "vc_"  # never https://, so that it cannot be taken for a document's URL
_ID_PURPOSE: Final = "client-id"
_SECRET_PURPOSE: Final = "client-secret"  # noqa: S105  # the name of a purpose
_SECRET_BYTES: Final = 32
_MAX_ID: Final = 6 * 1024  # it has to fit into the URL of an authorization request, beside everything else

# The first byte of what is sealed says how it is packed. The words below are part of packing 1: changing them needs a new number.
_PACKING: Final = b"\x01"
_WORDS: Final = (
    b'"software_version":"software_id":"contacts":["policy_uri":"https://tos_uri":"https://logo_uri":"https://client_uri":"https://'
    b'"jwks_uri":"https://"jwks":{"keys":[{"kty":"token_endpoint_auth_signing_alg":"private_key_jwt"'
    b'"application_type":"native""scope":"openid profile email offline_access"'
    b'"client_name":"cursor://anysphere.cursor-mcp/oauth/callbackhttps://vscode.dev/redirecthttp://127.0.0.1:33418/'
    b'"redirect_uris":["http://127.0.0.1:","http://localhost:6274/oauth/callback","https://claude.ai/api/mcp/auth_callback"],'
    b'"token_endpoint_auth_method":"client_secret_basic","client_secret_post","none",'
    b'"grant_types":["authorization_code","refresh_token"],"response_types":["code"],'
)


def registered_with(client_id: str) -> str:
    """The id of the key that sealed a registration, which is not opened; empty for a client that did not register itself."""
    sealed = base64url.decode(client_id.removeprefix(_PREFIX)) if client_id.startswith(_PREFIX) else None
    return sealed_by(sealed) if sealed else ""


@dataclass(frozen=True, slots=True)
class _DerivedSecret:
    """A secret that follows from the client id, with any key of the ring: nothing to store, nothing to look up."""

    keyring: KeyRing = field(repr=False)
    client_id: str

    def fits(self, presented: str) -> bool:
        tag = base64url.decode(presented)
        if tag is None or len(tag) != _SECRET_BYTES:  # the key ring takes shortened tags; a shortened secret is a wrong one
            return False
        return self.keyring.mac_fits(_SECRET_PURPOSE, self.client_id.encode(), tag)


class DynamicClients:
    """Registers and recognises clients that name themselves.

    Args:
        keyring: derives the secrets.
        sealer: seals the registrations; of the same key ring.
    """

    def __init__(self, keyring: KeyRing, sealer: Sealer) -> None:
        self._keyring = keyring
        self._sealer = sealer

    def register(self, metadata: ClientMetadata, *, method_defaulted: bool = False) -> tuple[str, str | None]:
        """Make a client of checked metadata (RFC 7591 §3.2.1). Nothing is stored.

        Args:
            metadata: what :func:`~vestibule.protocol.registration.parse_registration` returned.
            method_defaulted: whether the request named no ``token_endpoint_auth_method``.

        Returns:
            The client id, and the secret for a client whose method uses one. The secret does not expire.

        Raises:
            OAuthError: ``invalid_client_metadata``: there is more of it than an id can carry.
        """
        packed = _pack({**metadata.as_dict(), **({"defaulted": True} if method_defaulted else {})})
        client_id = _PREFIX + self._sealer.seal(_ID_PURPOSE, packed)
        if len(client_id) > _MAX_ID:
            raise OAuthError("invalid_client_metadata", reasons.REGISTRATION_INVALID, "the registration is too large")
        if metadata.token_endpoint_auth_method not in SECRET_METHODS:
            return client_id, None
        return client_id, base64url.encode(self._keyring.mac(_SECRET_PURPOSE, client_id.encode()))

    def find(self, client_id: str) -> Client | None:
        """The client of an id that :meth:`register` gave out; None for anything else."""
        if not client_id.startswith(_PREFIX) or len(client_id) > _MAX_ID:
            return None
        packed = self._sealer.open(_ID_PURPOSE, client_id[len(_PREFIX) :])
        registration = _unpack(packed) if packed is not None else None
        if registration is None:
            return None
        method_defaulted = registration.pop("defaulted", False)
        metadata = ClientMetadata.from_dict(registration)
        secret = _DerivedSecret(self._keyring, client_id) if metadata.token_endpoint_auth_method in SECRET_METHODS else None
        return Client(client_id=client_id, kind="dynamic", metadata=metadata, secret=secret, method_defaulted=method_defaulted)


def _pack(registration: dict[str, Any]) -> bytes:
    """Small enough for places that keep client ids in short columns: the words that all registrations share cost nothing."""
    packer = zlib.compressobj(level=9, wbits=-12, memLevel=5, zdict=_WORDS)
    text = json.dumps(registration, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return _PACKING + packer.compress(text) + packer.flush()


def _unpack(packed: bytes) -> dict[str, Any] | None:
    """What :func:`_pack` packed; None if a later version packed it in another way."""
    if packed[:1] != _PACKING:
        return None
    registration: dict[str, Any] = json.loads(zlib.decompressobj(wbits=-12, zdict=_WORDS).decompress(packed[1:]))
    return registration
