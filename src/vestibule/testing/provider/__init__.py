"""The development provider: an OpenID provider that runs on this machine only, believes everybody, and breaks on order.

Owns its endpoints, keys, state and faults; :mod:`vestibule.testing.provider.server` puts them together.
"""

from __future__ import annotations

from vestibule.testing.provider.faults import Faults
from vestibule.testing.provider.model import ProviderClient, RecordedRequest
from vestibule.testing.provider.server import DevelopmentProvider

__all__ = ["DevelopmentProvider", "Faults", "ProviderClient", "RecordedRequest"]
