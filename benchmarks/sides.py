"""How each side is built: the same arguments for both, imports only when asked, so that no side pays for the other."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.upstream import CLIENT_ID, CLIENT_SECRET, SCOPE
from benchmarks.vendors import VENDORS

SIDES = ("ours", "peer")
NAMES = {"ours": "vestibule", "peer": "fastmcp", "none": "no auth"}


_BRIDGES = {"ours": "vestibule", "peer": "fastmcp.server.auth.oidc_proxy"}
_PROVIDERS = {"ours": "vestibule.providers", "peer": "fastmcp.server.auth.providers"}
_MEMORY_STORES = {"ours": "vestibule.storage.memory", "peer": "key_value.aio.stores.memory"}


def build_provider(side: str, *, upstream: str, base_url: str, **options: Any) -> Any:
    """The OIDC bridge of one side in front of the stand-in provider, everything not named left at its default."""
    _settle(side)
    return import_module(_BRIDGES[side]).OIDCProxy(
        config_url=f"{upstream}/.well-known/openid-configuration",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        base_url=base_url,
        required_scopes=[SCOPE],
        **options,
    )


def build_vendor_provider(side: str, vendor: str, *, base_url: str, **options: Any) -> Any:
    """The provider class of one side for one vendor, everything not named left at its default."""
    _settle(side)
    particulars = VENDORS[vendor]
    provider = getattr(import_module(f"{_PROVIDERS[side]}.{particulars.module}"), particulars.provider)
    return provider(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, base_url=base_url, **particulars.options, **options)


def memory_store(side: str) -> Any:
    """The memory store of one side."""
    return import_module(_MEMORY_STORES[side]).MemoryStore()


def _settle(side: str) -> None:
    if side == "peer":
        # Read once at import otherwise: a later group would write into the directory of an earlier one.
        import_module("fastmcp").settings.home = Path(os.environ["FASTMCP_HOME"])
