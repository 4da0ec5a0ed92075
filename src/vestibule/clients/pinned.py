"""Copies of metadata documents that many users depend on.

Some publishers' edges turn servers in data centres away (403), and then every user of that client would be locked out at once. A
copy is used only when its document cannot be fetched and never when it says something else. Listed are only clients whose whole
set of redirect URIs is known; a client that is missing here just has to be reachable.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from vestibule.protocol.client_metadata import ClientMetadata
from vestibule.protocol.server_metadata import GRANT_TYPES

__all__ = ["PINNED_DOCUMENTS"]


def _public_client(name: str, client_uri: str, *redirect_uris: str) -> ClientMetadata:
    return ClientMetadata(redirect_uris=redirect_uris, client_name=name, client_uri=client_uri, grant_types=GRANT_TYPES)


PINNED_DOCUMENTS: Final = MappingProxyType(
    {
        "https://claude.ai/oauth/mcp-oauth-client-metadata": _public_client(
            "Claude", "https://claude.ai", "https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"
        ),
        "https://claude.ai/oauth/claude-code-client-metadata": _public_client(
            "Claude Code", "https://claude.ai", "http://localhost/callback", "http://127.0.0.1/callback"
        ),
        "https://zed.dev/oauth/client-metadata.json": _public_client("Zed", "https://zed.dev", "http://127.0.0.1/callback"),
    }
)
"""Metadata by client id."""
