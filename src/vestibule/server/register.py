"""``POST /register``: dynamic client registration (RFC 7591), without storing anything."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.registration import parse_registration
from vestibule.server.hall import Hall
from vestibule.server.http import NO_STORE, cors, json_endpoint, json_response, read_json
from vestibule.server.route import EndpointRoute

__all__ = ["routes"]


def routes(hall: Hall) -> list[BaseRoute]:
    """The registration endpoint."""

    async def register(request: Request) -> Response:
        document = await read_json(request)
        metadata = parse_registration(document, allowed=hall.allowed_redirect_uris)
        # A client that named no method never learnt one: such a client is not held to the one that was chosen for it.
        defaulted = isinstance(document, dict) and "token_endpoint_auth_method" not in document
        client_id, client_secret = await hall.register(metadata, method_defaulted=defaulted)
        return json_response(_information(hall, metadata, client_id, client_secret), status=201, headers=NO_STORE)

    return [EndpointRoute("/register", cors(json_endpoint(register), "POST"), methods=["POST", "OPTIONS"])]


def _information(hall: Hall, metadata: ClientMetadata, client_id: str, client_secret: str | None) -> dict[str, Any]:
    """RFC 7591 §3.2.1: everything that was registered, as it was registered."""
    information: dict[str, Any] = {"client_id": client_id, "client_id_issued_at": int(hall.clock.now()), **metadata.as_dict()}
    if client_secret is not None:
        information |= {"client_secret": client_secret, "client_secret_expires_at": 0}
    return information
