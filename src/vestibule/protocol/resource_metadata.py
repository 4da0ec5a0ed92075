"""Protected resource metadata (RFC 9728), and where metadata documents live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from vestibule.protocol.json_documents import without_empty

__all__ = ["resource_metadata", "well_known_path"]


def resource_metadata(
    *,
    resource: str,
    authorization_servers: Sequence[str],
    scopes_supported: Sequence[str] = (),
    resource_name: str | None = None,
    resource_documentation: str | None = None,
) -> dict[str, Any]:
    """The document of RFC 9728 §2, without empty members.

    Args:
        resource: the URL that clients call, as they write it (§3.3).
        authorization_servers: issuers, each byte for byte as in its own metadata.
        scopes_supported: the scopes to begin with. ``offline_access`` is no scope of a resource and is left out.
        resource_name: for people.
        resource_documentation: URL, for people.
    """
    return without_empty(
        {
            "resource": resource,
            "authorization_servers": list(authorization_servers),
            "scopes_supported": [scope for scope in scopes_supported if scope != "offline_access"],
            "bearer_methods_supported": ["header"],
            "resource_name": resource_name,
            "resource_documentation": resource_documentation,
        }
    )


def well_known_path(kind: str, url: str) -> str:
    """The path of the metadata document of `url`, its own path appended behind the well-known one.

    Args:
        kind: the registered suffix: ``oauth-protected-resource``, ``oauth-authorization-server``, ``openid-configuration``.
        url: resource or issuer.

    An issuer loses a final slash (RFC 8414 §3.1); a resource only the one after a bare host (RFC 9728 §3.1).
    """
    path = urlsplit(url).path
    if kind != "oauth-protected-resource":
        path = path.removesuffix("/")
    return f"/.well-known/{kind}{'' if path == '/' else path}"
