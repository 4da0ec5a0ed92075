"""The documents that clients start from (RFC 8414, OIDC Discovery, RFC 9728) and the key set, in every place that clients look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from vestibule.protocol.resource_metadata import resource_metadata
from vestibule.protocol.server_metadata import server_metadata
from vestibule.server.hall import Hall
from vestibule.server.http import cors, json_endpoint, json_response
from vestibule.server.route import EndpointRoute

__all__ = ["document_routes", "resource_routes", "routes"]

_SERVER = "/.well-known/oauth-authorization-server"
_OPENID = "/.well-known/openid-configuration"
_RESOURCE = "/.well-known/oauth-protected-resource"

Document = Callable[[], Mapping[str, Any]]


def routes(hall: Hall) -> list[BaseRoute]:
    """Authorization server metadata, resource metadata and keys."""
    return [
        *document_routes(_SERVER, _server_paths(hall), lambda: authorization_server_document(hall)),
        *document_routes(_OPENID, _server_paths(hall), lambda: authorization_server_document(hall, openid=True)),
        *(
            route
            for resource in hall.resources()
            for route in resource_routes(resource, partial(resource_document, hall, resource))
        ),
        *_resource_root(hall),
        *document_routes("/.well-known/jwks.json", {""}, hall.keyring.jwks),
    ]


def authorization_server_document(hall: Hall, *, openid: bool = False) -> dict[str, Any]:
    """RFC 8414 §2, RFC 9207 §3; nothing in it depends on the request."""
    return server_metadata(
        issuer=hall.issuer,
        base_url=hall.base_url,
        scopes_supported=hall.valid_scopes,
        protected_resources=hall.resources(),
        client_documents=hall.documents_enabled,
        service_documentation=hall.service_documentation,
        openid=openid,
    )


def resource_document(hall: Hall, resource: str) -> dict[str, Any]:
    """RFC 9728 §2: the small starting set of scopes, never ``offline_access`` (SEP-2207)."""
    return resource_metadata(
        resource=resource,
        authorization_servers=[hall.issuer],
        scopes_supported=[scope for scope in hall.required_scopes if scope != "offline_access"],
        resource_documentation=hall.service_documentation,
    )


def document_routes(well_known: str, paths: set[str], document: Document) -> list[BaseRoute]:
    """One document, readable by anyone, at `well_known` with each of `paths` behind it."""

    async def show(request: Request) -> Response:
        return json_response(document(), headers={"Cache-Control": "public, max-age=300"})

    handler = cors(json_endpoint(show), "GET")
    return [EndpointRoute(well_known + path, handler, methods=["GET", "OPTIONS"]) for path in sorted(paths)]


def resource_routes(resource: str, document: Document) -> list[BaseRoute]:
    """The path-inserted place of one resource's document (RFC 9728 §3.1)."""
    return document_routes(_RESOURCE, {_path(resource)}, document)


def _resource_root(hall: Hall) -> list[BaseRoute]:
    """The fallback of clients that do not know the path: the origin's one resource (MCP discovery order)."""
    default = hall.resources()[0]
    return document_routes(_RESOURCE, {""} - {_path(default)}, lambda: resource_document(hall, default))


def _server_paths(hall: Hall) -> set[str]:
    """The root, behind the issuer's own path (RFC 8414 §3.1), and behind the resources' for clients that insert that one."""
    return {"", _path(hall.issuer), *(_path(resource) for resource in hall.resources())}


def _path(url: str) -> str:
    return urlsplit(url).path.rstrip("/")
