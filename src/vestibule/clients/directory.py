"""One place to ask who a client id belongs to."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vestibule import reasons
from vestibule.clients.configured import ConfiguredClients
from vestibule.clients.documents import ClientDocuments
from vestibule.clients.dynamic import DynamicClients
from vestibule.clients.model import Client
from vestibule.errors import OAuthError
from vestibule.protocol.client_documents import looks_like_document_url
from vestibule.protocol.redirect_uris import AllowedRedirectURIs

__all__ = ["ClientDirectory"]

_UNAUTHORIZED: Final = 401


class ClientDirectory:
    """Every client that this server knows.

    Args:
        dynamic: those that registered themselves.
        documents: those that publish a metadata document; None to know none.
        configured: the operator's own. They come first: the operator's word goes over a document's.
        allowed: the operator's rule for redirect URIs. It holds for documents and registrations each time they are used, so that a
            rule made later holds for clients of before.
    """

    def __init__(
        self,
        dynamic: DynamicClients,
        documents: ClientDocuments | None = None,
        configured: ConfiguredClients | None = None,
        *,
        allowed: AllowedRedirectURIs | None = None,
    ) -> None:
        self._dynamic = dynamic
        self._documents = documents
        self._configured = configured or ConfiguredClients()
        self._allowed = allowed

    async def find(self, client_id: str) -> Client:
        """The client of this id.

        Raises:
            OAuthError: ``invalid_client`` (RFC 6749 §5.2), if there is none or its document cannot be used.
            Unavailable: its document cannot be fetched right now.
        """
        if client := self._configured.find(client_id):
            return client
        if looks_like_document_url(client_id, allow_loopback_http=True):
            return self._admitted(await self._from_document(client_id))
        if client := self._dynamic.find(client_id):
            return self._admitted(client)
        raise OAuthError("invalid_client", reasons.CLIENT_UNKNOWN, status=_UNAUTHORIZED)

    async def _from_document(self, client_id: str) -> Client:
        if self._documents is None:
            raise OAuthError("invalid_client", reasons.CLIENT_DOCUMENTS_OFF, status=_UNAUTHORIZED)
        return await self._documents.find(client_id)

    def _admitted(self, client: Client) -> Client:
        """The client with those of its redirect URIs that the operator admits."""
        if self._allowed is None:
            return client
        admitted = tuple(uri for uri in client.metadata.redirect_uris if self._allowed.admits(uri))
        if admitted == client.metadata.redirect_uris:
            return client
        if not admitted:
            raise OAuthError(
                "invalid_client", reasons.REDIRECT_URI_NOT_ALLOWED, "none of its redirect URIs", status=_UNAUTHORIZED
            )
        return replace(client, metadata=replace(client.metadata, redirect_uris=admitted))
