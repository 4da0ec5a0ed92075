"""How each side is built: the same arguments for both, imports only when asked, so that no side pays for the other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from benchmarks.upstream import CLIENT_ID, CLIENT_SECRET, SCOPE

Side = Literal["ours", "peer"]
SIDES: tuple[Side, ...] = ("ours", "peer")


def build_provider(side: str, *, upstream: str, base_url: str, **options: Any) -> Any:
    """The OIDC bridge of one side in front of the stand-in provider, everything not named left at its default."""
    if side == "ours":
        from vestibule import OIDCProxy
    else:
        import fastmcp
        from fastmcp.server.auth.oidc_proxy import OIDCProxy

        # Read once at import otherwise: a later group would write into the directory of an earlier one.
        fastmcp.settings.home = Path(os.environ["FASTMCP_HOME"])
    return OIDCProxy(
        config_url=f"{upstream}/.well-known/openid-configuration",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        base_url=base_url,
        required_scopes=[SCOPE],
        **options,
    )


def memory_store(side: str) -> Any:
    """The memory store of one side."""
    if side == "ours":
        from vestibule.storage.memory import MemoryStore
    else:
        from key_value.aio.stores.memory import MemoryStore
    return MemoryStore()
